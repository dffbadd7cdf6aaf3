//! The order of the ways to a place, as one table; each way has its own tests beside its code.

use super::lookup::answer::{CoordinatePointers, Pointers};
use super::lookup::{Answer, Cache};
use super::networks::Site;
use super::presets::Preset;
use super::*;
use crate::call::Request;

/// Headers written as `name: value` lines.
pub(crate) fn lines(lines: &[&str]) -> Vec<(String, Vec<u8>)> {
    lines.iter().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into())).collect()
}

fn coordinates(latitude: f64, longitude: f64) -> Coordinates {
    Coordinates::new(latitude, longitude).unwrap()
}

fn geneva() -> Coordinates {
    coordinates(46.2, 6.14)
}

fn suva() -> Coordinates {
    coordinates(-18.14, 178.44)
}

fn country(code: &str) -> Option<Country> {
    Country::parse(code.as_bytes())
}

/// A gateway that trusts everybody, knows where one network is, asks about others, and has a fallback.
fn settings() -> Settings {
    let mut networks = Networks::default();
    networks.add("198.51.100.0/24".parse().unwrap(), Site { coordinates: suva(), country: country("FJ") });
    networks.add("203.0.113.0/24".parse().unwrap(), Site { coordinates: suva(), country: None });
    Settings {
        networks,
        headers: Preset::None.headers(),
        trust: Trust::Anyone,
        lookup: Some(lookup_service()),
        fallback: Some(coordinates(1.0, 2.0)),
    }
}

fn lookup_service() -> lookup::Settings {
    let text = String::new;
    let second = std::time::Duration::from_secs(1);
    lookup::Settings {
        request: Request {
            cluster: text(),
            authority: text(),
            method: text(),
            path: "/{ip}".into(),
            headers: Vec::new(),
        },
        timeout: second,
        pointers: Pointers { coordinates: CoordinatePointers::One(text()), country: text(), address: text() },
        cache: Cache { entries: 1, ttl: second, negative_ttl: second, prefix_v4: 24, prefix_v6: 48 },
        budget: lookup::Budget::default(),
    }
}

const GEO: [&str; 2] = ["x-geo-latitude: 46.2", "x-geo-longitude: 6.14"];
const COUNTRY: [&str; 1] = ["x-geo-country: CH"];
const NETWORK: &str = "198.51.100.7:40000";
const PUBLIC: &str = "8.8.8.8:40000";
const PRIVATE: &str = "10.0.0.1:40000";

#[test]
fn the_order_of_the_ways_to_a_place() {
    let all = [&GEO[..], &COUNTRY].concat();
    let switzerland = Country::centroid(country("CH").unwrap());
    let fallback = Some(coordinates(1.0, 2.0));
    for (headers, source, expected_coordinates, via, expected_country, ask) in [
        (&all[..], Some(NETWORK), Some(suva()), Via::Network, "FJ", None),
        (&all, Some("203.0.113.7:0"), Some(suva()), Via::Network, "CH", None),
        (&all, Some(PUBLIC), Some(geneva()), Via::Headers, "CH", None),
        (&all, None, Some(geneva()), Via::Headers, "CH", None),
        (&GEO, Some(PUBLIC), Some(geneva()), Via::Headers, "", None),
        (&COUNTRY, Some(PUBLIC), switzerland, Via::Country, "CH", Some("8.8.8.0")),
        (&COUNTRY, Some(PRIVATE), switzerland, Via::Country, "CH", None),
        (&[], Some(PUBLIC), fallback, Via::Fallback, "", Some("8.8.8.0")),
        (&[], Some(PRIVATE), fallback, Via::Fallback, "", None),
        (&[], None, fallback, Via::Fallback, "", None),
    ] {
        let settings = settings();
        let reading = settings.read(&lines(headers), Source::of(source.map(|source| source.parse().unwrap()), || None));
        let location = Location { coordinates: expected_coordinates, via, country: country(expected_country) };
        assert_eq!(reading.location, location, "{headers:?} {source:?}");
        let asked = reading.ask.map(|prefix| prefix.first().to_string());
        assert_eq!(asked.as_deref(), ask, "{headers:?} {source:?}");
        assert_eq!((reading.untrusted, reading.malformed), (vec![], false), "{headers:?} {source:?}");
    }
}

#[test]
fn strangers_are_not_believed_and_their_headers_are_named() {
    let settings = Settings { trust: Trust::Nobody, ..settings() };
    let all = [&COUNTRY[..], &GEO, &GEO].concat();
    let names = ["x-geo-latitude", "x-geo-longitude", "x-geo-country"];
    for (headers, source, via, untrusted) in [
        (&all[..], NETWORK, Via::Network, &names[..]),
        (&all, PUBLIC, Via::Fallback, &names),
        (&COUNTRY, PUBLIC, Via::Fallback, &names[2..]),
        (&[], PUBLIC, Via::Fallback, &[]),
    ] {
        let headers = lines(headers);
        let reading = settings.read(&headers, Source::of(source.parse().ok(), || None));
        assert_eq!((reading.location.via, &*reading.untrusted), (via, untrusted), "{headers:?} {source}");
        assert_ne!(reading.location.country, country("CH"), "{headers:?} {source}");
    }
}

#[test]
fn a_header_that_makes_no_sense_leads_to_the_next_way() {
    for (headers, via) in [
        (&["x-geo-latitude: 46.2"][..], Via::Fallback),
        (&["x-geo-latitude: nan", "x-geo-longitude: 0", "x-geo-country: CH"], Via::Country),
        (&["x-geo-latitude: 46.2", "x-geo-longitude: 6.14", "x-geo-country: CH", "x-geo-country: FR"], Via::Headers),
    ] {
        let (settings, headers) = (settings(), lines(headers));
        let reading = settings.read(&headers, Source::default());
        assert_eq!((reading.location.via, reading.malformed), (via, true), "{headers:?}");
    }
}

#[test]
fn what_a_lookup_adds() {
    let switzerland = Location::found(country("CH").unwrap().centroid().unwrap(), Via::Country, country("CH"));
    let fallback = Location::found(coordinates(1.0, 2.0), Via::Fallback, None);
    let nothing = Location::default();
    let france = country("FR").unwrap().centroid();
    for (before, answer, expected) in [
        (fallback, (Some(suva()), "FJ"), (Some(suva()), Via::Lookup, "FJ")),
        (switzerland, (Some(suva()), "FJ"), (Some(suva()), Via::Lookup, "FJ")),
        (switzerland, (Some(suva()), ""), (Some(suva()), Via::Lookup, "CH")),
        (switzerland, (None, "FR"), (switzerland.coordinates, Via::Country, "CH")), // the edge's word comes first
        (switzerland, (None, ""), (switzerland.coordinates, Via::Country, "CH")),
        (fallback, (None, "FR"), (france, Via::Country, "FR")),
        (nothing, (None, "FR"), (france, Via::Country, "FR")),
        (fallback, (None, ""), (fallback.coordinates, Via::Fallback, "")),
        (nothing, (None, ""), (None, Via::Nothing, "")),
    ] {
        let answer = Answer { coordinates: answer.0, country: country(answer.1) };
        let (coordinates, via, code) = expected;
        let expected = Location { coordinates, via, country: country(code) };
        assert_eq!(before.improved_by(answer), expected, "{before:?} {answer:?}");
    }
}

#[test]
fn the_source_is_asked_for_only_where_it_matters() {
    let alone = || Settings { networks: Networks::default(), lookup: None, ..settings() };
    let peers = Trust::Peers(vec!["192.0.2.0/24".parse().unwrap()]);
    let with_peers = Settings { trust: peers.clone(), ..alone() };
    let geo = &["x-geo-country: FJ"][..];
    for (settings, headers, source, peer) in [
        (alone(), geo, false, false),
        (Settings { lookup: Some(lookup_service()), ..alone() }, &[], true, false),
        (Settings { networks: settings().networks, ..alone() }, &[], true, false),
        (with_peers.clone(), geo, true, true),
        (with_peers, &[], false, false),
        (Settings { trust: peers, ..settings() }, &["host: a"], true, false),
    ] {
        let asked = (settings.asks_for_source(&lines(headers)), settings.asks_for_peer(&lines(headers)));
        assert_eq!(asked, (source, peer), "{headers:?} {settings:?}");
    }
}
