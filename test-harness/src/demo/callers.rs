//! Who calls the gateway on the internet: where they really are, what they send, and how the gateway should find them.

use super::internet::SECRET;
use super::visits::ROUNDING_KM;
use test_harness::Place;
use test_harness::client::{LATITUDE, LONGITUDE};
use test_harness::places::*;

/// Where some callers say they are, truly or not.
const SAID: (Place, &str) = (SUVA, "FJ");

/// The routing header, and where somebody would like to be served.
const WISH: (&str, &str) = ("x-greatcircle-region", "oceania");

/// Somebody whom a load balancer in front of the gateway knows by address.
#[derive(Debug, PartialEq)]
pub(super) struct Caller {
    pub(super) who: &'static str,
    pub(super) address: &'static str,
    /// Where they really are, whatever they say.
    pub(super) place: Place,
    pub(super) country: &'static str,
    sends: Sends,
    /// The way in which the gateway should find them.
    pub(super) via: &'static str,
    /// What it should ask the lookup service about meanwhile.
    pub(super) asks: Option<&'static str>,
    /// What it shows if all this is so.
    pub(super) shows: &'static str,
}

/// What a caller sends about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sends {
    Nothing,
    /// What the edge knows, and that it comes from the edge.
    GeoAndSecret,
    /// The same headers without the secret, and a wish.
    GeoAndWish,
}

/// Everybody who calls, in this order.
pub(super) static CALLERS: [Caller; 6] = [
    Caller {
        who: "Suva, through the edge",
        address: "45.70.80.7",
        place: SUVA,
        country: "FJ",
        sends: Sends::GeoAndSecret,
        via: "headers",
        asks: None,
        shows: "the edge, which knows the secret, was believed",
    },
    Caller {
        who: "Nairobi",
        address: "45.10.20.7",
        place: NAIROBI,
        country: "KE",
        sends: Sends::Nothing,
        via: "lookup",
        asks: Some("45.10.20.0"),
        shows: "a client without geo headers was looked up, by its network and not by its address",
    },
    Caller {
        who: "Nairobi, a neighbour",
        address: "45.10.20.99",
        place: NAIROBI,
        country: "KE",
        sends: Sends::Nothing,
        via: "lookup",
        asks: None,
        shows: "its neighbour was found in the cache: the service was not asked again",
    },
    Caller {
        who: "an office in Bogotá",
        address: "10.20.0.5",
        place: BOGOTA,
        country: "CO",
        sends: Sends::Nothing,
        via: "network",
        asks: None,
        shows: "a network that the operator knows needed nobody else's word",
    },
    Caller {
        who: "somewhere in Sri Lanka",
        address: "45.30.40.7",
        place: COLOMBO,
        country: "LK",
        sends: Sends::Nothing,
        via: "country",
        asks: Some("45.30.40.0"),
        shows: "where only the country was known, its middle was near enough",
    },
    Caller {
        who: "Los Angeles, a liar",
        address: "45.50.60.7",
        place: LOS_ANGELES,
        country: "US",
        sends: Sends::GeoAndWish,
        via: "lookup",
        asks: Some("45.50.60.0"),
        shows: "the liar was not believed, and the region saw nothing of the lies",
    },
];

impl Caller {
    /// The headers that tell, or pretend to tell, where the caller is.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let (place, country) = SAID;
        let last = match self.sends {
            Sends::Nothing => return Vec::new(),
            Sends::GeoAndSecret => SECRET,
            Sends::GeoAndWish => WISH,
        };
        vec![
            (LATITUDE, place.latitude.to_string()),
            (LONGITUDE, place.longitude.to_string()),
            ("x-geo-country", country.into()),
            (last.0, last.1.into()),
        ]
    }

    /// Whether nothing of what the caller sends may get as far as a region.
    pub(super) fn lies(&self) -> bool {
        self.sends == Sends::GeoAndWish
    }

    /// How many kilometres the distance may be off. Sri Lanka is 430 km long, and Colombo on its coast.
    pub(super) fn tolerance_km(&self) -> f64 {
        if self.via == "country" { 250.0 } else { ROUNDING_KM }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_liar_says_what_the_edge_says_but_for_the_secret() {
        let [edge, .., liar] = &CALLERS;
        let (edge, liar) = (edge.headers(), liar.headers());
        assert_eq!(edge[..3], liar[..3]);
        assert_eq!((edge[3].0, liar[3].0), (SECRET.0, WISH.0));
    }
}
