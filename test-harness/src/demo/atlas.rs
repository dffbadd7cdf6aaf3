//! The map that the demo's answers are judged by: where the regions really stand, which cities ask, and who is near whom.
//!
//! An opinion of its own on purpose: neither envoy.yaml's coordinates nor the filter's formula are used here.

use std::f64::consts::PI;
use test_harness::places::*;

/// A region of envoy/envoy.yaml, and the place it is named after.
#[derive(Debug, PartialEq)]
pub(super) struct Site {
    pub(super) region: &'static str,
    pub(super) place: Place,
}

/// A site as seen from a city.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Neighbour {
    pub(super) site: &'static Site,
    pub(super) km: f64,
}

const fn site(region: &'static str, place: Place) -> Site {
    Site { region, place }
}

/// Every region of envoy/envoy.yaml.
pub(super) static SITES: [Site; 12] = [
    site("eu-west", DUBLIN),
    site("eu-central", FRANKFURT),
    site("eu-north", STOCKHOLM),
    site("us-east", ASHBURN),
    site("us-west", PORTLAND),
    site("sa-east", SAO_PAULO),
    site("af-south", CAPE_TOWN),
    site("me-central", DUBAI),
    site("ap-south", MUMBAI),
    site("ap-southeast", SINGAPORE),
    site("ap-northeast", TOKYO),
    site("oceania", SYDNEY),
];

/// Where the tour's requests come from: every continent where people live, both sides of the date line, both polar regions'
/// doorsteps, and cities that two regions compete for.
#[rustfmt::skip]
pub(super) const CITIES: [Place; 30] = [
    LONDON, GENEVA, MADRID, ATHENS, HELSINKI, REYKJAVIK, TROMSO,
    CAIRO, LAGOS, ACCRA, NAIROBI,
    ISTANBUL, TEHRAN, DELHI, COLOMBO, JAKARTA, MANILA, SEOUL, VLADIVOSTOK,
    NEW_YORK, LOS_ANGELES, ANCHORAGE, MEXICO_CITY, BOGOTA, LIMA, USHUAIA,
    PERTH, AUCKLAND, SUVA, APIA,
];

/// The name of the place where this region stands.
pub(super) fn place_of(region: &str) -> &'static str {
    SITES.iter().find(|site| site.region == region).map_or("-", |site| site.place.name)
}

/// Every site in order of distance from here.
pub(super) fn neighbours(here: Place) -> [Neighbour; 12] {
    let mut all = SITES.each_ref().map(|site| Neighbour { site, km: kilometres_by_haversine(here, site.place) });
    all.sort_by(|a, b| a.km.total_cmp(&b.km));
    all
}

/// The textbook's haversine. The filter ranks by chords between unit vectors instead.
fn kilometres_by_haversine(a: Place, b: Place) -> f64 {
    const RADIUS_KM: f64 = 6371.0088;
    let radians = |degrees: f64| degrees * PI / 180.0;
    let half = |a: f64, b: f64| (radians(a - b) / 2.0).sin().powi(2);
    let cosines = radians(a.latitude).cos() * radians(b.latitude).cos();
    let h = half(a.latitude, b.latitude) + cosines * half(a.longitude, b.longitude);
    2.0 * RADIUS_KM * h.sqrt().atan2((1.0 - h).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_harness::bootstrap::Bootstrap;

    #[test]
    fn the_map_shows_what_envoy_yaml_says() {
        let file = Bootstrap::from_file().unwrap().regions().unwrap();
        let file = file.iter().map(|region| (region.name.as_str(), region.latitude, region.longitude));
        let map = SITES.iter().map(|site| (site.region, site.place.latitude, site.place.longitude));
        assert!(file.eq(map));
    }

    #[test]
    fn suva_is_nearest_to_sydney_across_the_date_line() {
        let [first, second, ..] = neighbours(SUVA);
        assert_eq!((first.site.region, first.km.round()), ("oceania", 3218.0));
        assert!(first.km < second.km);
    }

    #[test]
    fn both_formulas_agree_on_every_city() {
        for city in CITIES {
            for Neighbour { site, km } in neighbours(city) {
                let place = site.place;
                let other = kilometres((city.latitude, city.longitude), (place.latitude, place.longitude));
                assert!((km - other).abs() < 0.01, "{} to {}: {km} and {other}", city.name, place.name);
            }
        }
    }
}
