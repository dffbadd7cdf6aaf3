//! Where the client is, from bytes that strangers sent.
//!
//! The order is that of certainty: networks that the operator knows, the geo headers of a trusted edge, what a lookup service
//! says, the middle of the country, and at last the fallback. Whatever is missing, repeated, malformed or not to be believed
//! leads to the next of these, never to an error: the request is served all the same.
//!
//! In reading order: [`source`] is the client's address; [`networks`], [`trust`], [`headers`] (with [`edgescape`] and
//! [`presets`]), [`lookup`] and [`country`] are the ways to a place.

pub mod country;
pub mod edgescape;
pub mod headers;
pub mod lookup;
pub mod networks;
pub mod presets;
pub mod source;
pub mod trust;

use crate::geo::Coordinates;
use country::Country;
use headers::{GeoHeaders, Malformed};
use lookup::{Answer, Prefix};
use networks::Networks;
use source::Source;
use trust::Trust;

/// How clients are located.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Places of known networks.
    pub networks: Networks,
    /// Which headers tell where the client is.
    pub headers: GeoHeaders,
    /// Whose geo headers count.
    pub trust: Trust,
    /// The service to ask when neither tells.
    pub lookup: Option<lookup::Settings>,
    /// The place to measure from when nothing tells; `None`: there is none.
    pub fallback: Option<Coordinates>,
}

/// One request's headers as far as they were read: lower-case names, values as bytes, repeated ones as repeated entries.
pub type Headers = [(String, Vec<u8>)];

/// Where a client is, as far as that could be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Location {
    /// Where distances are measured from; `None` only for [`Via::Nothing`].
    pub coordinates: Option<Coordinates>,
    /// How it was found.
    pub via: Via,
    /// The country, if it is known.
    pub country: Option<Country>,
}

/// How a client's place was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Via {
    /// Its address is in a network that the operator knows.
    Network,
    /// Geo headers of a trusted edge.
    Headers,
    /// A lookup service knows its address.
    Lookup,
    /// Coarse: the middle of its country.
    Country,
    /// Not at all; the fallback stands in.
    Fallback,
    /// Not at all, and there is no fallback.
    #[default]
    Nothing,
}

/// What one request tells about its client.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<'a> {
    /// Where the client is, without asking anybody.
    pub location: Location,
    /// What a lookup could tell better.
    pub ask: Option<Prefix>,
    /// Names of the geo headers that came and are not to be believed. Nobody behind the gateway should see them either.
    pub untrusted: Vec<&'a str>,
    /// Whether geo headers that would be believed hold something else than they should.
    pub malformed: bool,
}

impl Settings {
    /// Whether [`Settings::read`] wants to know the source of these headers, which costs a host call.
    pub fn asks_for_source(&self, headers: &Headers) -> bool {
        !self.networks.is_empty() || self.lookup.is_some() || self.asks_for_peer(headers)
    }

    /// Whether it wants to know the direct peer, for which a host may have to be asked once more.
    pub fn asks_for_peer(&self, headers: &Headers) -> bool {
        self.trust.asks_for_peer() && self.any_came(headers)
    }

    /// What these headers, and the source if it was asked for, tell about the client.
    pub fn read(&self, headers: &Headers, source: Source) -> Reading<'_> {
        let came = |name: &&str| headers.iter().any(|(header, _)| header == name);
        let anything_came = self.any_came(headers);
        let believed = anything_came && self.trust.covers(headers, source);
        let (coordinates, country) = match believed {
            true => (self.headers.coordinates(headers), self.headers.country(headers)),
            false => (Ok(None), Ok(None)),
        };
        let untrusted = match anything_came && !believed {
            true => self.headers.names().filter(came).collect(),
            false => Vec::new(),
        };
        let malformed = coordinates == Err(Malformed) || country == Err(Malformed);
        let (coordinates, country) = (coordinates.unwrap_or_default(), country.unwrap_or_default());

        let address = source.client;
        let network = address.and_then(|address| self.networks.find(address));
        let location = match (network, coordinates) {
            (Some(site), _) => Location::found(site.coordinates, Via::Network, site.country.or(country)),
            (None, Some(coordinates)) => Location::found(coordinates, Via::Headers, country),
            (None, None) => Location::coarse(country, self.fallback),
        };
        let ask = match location.via {
            Via::Network | Via::Headers | Via::Lookup => None,
            Via::Country | Via::Fallback | Via::Nothing => {
                self.lookup.as_ref().zip(address).and_then(|(lookup, address)| lookup.cache.prefix_of(address))
            }
        };
        Reading { location, ask, untrusted, malformed }
    }

    fn any_came(&self, headers: &Headers) -> bool {
        headers.iter().any(|(header, _)| self.headers.names().any(|name| name == header))
    }
}

impl Location {
    fn found(coordinates: Coordinates, via: Via, country: Option<Country>) -> Self {
        Self { coordinates: Some(coordinates), via, country }
    }

    /// Where a client is of whom at most the country is known.
    fn coarse(country: Option<Country>, fallback: Option<Coordinates>) -> Self {
        match (country.and_then(Country::centroid), fallback) {
            (Some(coordinates), _) => Self::found(coordinates, Via::Country, country),
            (None, Some(coordinates)) => Self::found(coordinates, Via::Fallback, country),
            (None, None) => Self { coordinates: None, via: Via::Nothing, country },
        }
    }

    /// The same, after a lookup has told this.
    pub fn improved_by(self, answer: Answer) -> Self {
        let country = answer.country.or(self.country);
        match answer.coordinates {
            Some(coordinates) => Self::found(coordinates, Via::Lookup, country),
            None if self.via == Via::Country => self,
            None => Self::coarse(country, self.coordinates),
        }
    }
}

impl Via {
    /// The name used in the decision record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Headers => "headers",
            Self::Lookup => "lookup",
            Self::Country => "country",
            Self::Fallback => "fallback",
            Self::Nothing => "none",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
