//! Header bytes from strangers: whatever they hold, the answer is a place on the globe or that there is none.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::cases;
use greatcircle::client::country::Country;
use greatcircle::client::edgescape::EdgeScape;
use greatcircle::client::headers::{GeoHeaders, Malformed, Position};
use greatcircle::client::networks::Networks;
use greatcircle::client::source::Source;
use greatcircle::client::trust::Trust;
use greatcircle::client::{Settings, Via, source};
use greatcircle::geo::Coordinates;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{IpAddr, SocketAddr};

const NAMES: [&str; 8] = ["x-lat", "x-lon", "x-pos", "x-edgescape", "x-country", "x-edge", "x-forwarded-for", "host"];

fn pair() -> Position {
    Position::Pair { latitude: "x-lat".into(), longitude: "x-lon".into() }
}

fn position() -> Position {
    Position::One("x-pos".into())
}

fn edgescape() -> Position {
    Position::EdgeScape("x-edgescape".into())
}

fn settings(position: Position, trust: Trust) -> Settings {
    let headers = GeoHeaders { position, country: Some("x-country".into()), unknown: &[] };
    Settings { networks: Networks::default(), headers, trust, lookup: None, fallback: None }
}

fn every_way_to_trust() -> [Trust; 6] {
    let peers = |networks: &[&str]| Trust::Peers(networks.iter().map(|network| network.parse().unwrap()).collect());
    [
        Trust::Nobody,
        Trust::Anyone,
        peers(&[]),
        peers(&["192.0.2.0/24", "2001:db8::/32", "127.0.0.0/8"]),
        Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() },
        Trust::Secret { header: "x-lat".into(), equals: "46.2".into() }, // unwise, but nothing forbids it
    ]
}

fn every_setting() -> impl Iterator<Item = Settings> {
    let same_name = Position::Pair { latitude: "x-lat".into(), longitude: "x-lat".into() };
    let ways = |position: Position| every_way_to_trust().map(|trust| settings(position.clone(), trust));
    [pair(), position(), edgescape(), same_name].into_iter().flat_map(ways)
}

/// Bytes without sense, bytes with some, and numbers about the edge of the globe.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let sensible = [
        "46.2",
        "-122.084",
        "46.2,6.14",
        "0",
        "-0.0",
        "s3cret",
        "192.0.2.7",
        "a, 2001:db8::1",
        "1e400",
        ",",
        "CH",
        "zz",
    ];
    prop_oneof![
        vec(any::<u8>(), 0..40),
        "[-+0-9., enainfNIF\u{660}-\u{669}]{0,24}".prop_map(String::into_bytes),
        (-200.0..200.0_f64).prop_map(|number| number.to_string().into_bytes()),
        (-200.0..200.0_f64, -200.0..200.0_f64).prop_map(|(lat, lon)| format!("{lat},{lon}").into_bytes()),
        (-200.0..200.0_f64, -200.0..200.0_f64).prop_map(|(lat, lon)| format!("lat={lat},x=,long={lon}").into_bytes()),
        select(sensible.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![9 => select(NAMES.to_vec()).prop_map(String::from), 1 => any::<String>()];
    vec((name, value()), 0..8)
}

fn any_source() -> impl Strategy<Value = Source> {
    let loopback = Just("127.0.0.1:40000".parse().unwrap());
    let client = proptest::option::of(prop_oneof![any::<SocketAddr>(), loopback]);
    (client, proptest::option::of(any::<IpAddr>())).prop_map(|(client, own)| Source::of(client, || own))
}

/// What must hold of every answer.
fn is_on_the_globe(coordinates: &Coordinates) -> bool {
    let (latitude, longitude) = (coordinates.latitude(), coordinates.longitude());
    (-90.0..=90.0).contains(&latitude)
        && (-180.0..=180.0).contains(&longitude)
        && (latitude, longitude) != (0.0, 0.0)
        && coordinates.kilometres_to(coordinates).0 == 0.0
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn any_headers_have_a_place_on_the_globe_or_none(headers in headers(), source in any_source()) {
        for settings in every_setting() {
            let reading = settings.read(&headers, source);
            match reading.location.coordinates {
                Some(coordinates) => {
                    prop_assert!(is_on_the_globe(&coordinates), "{coordinates:?} by {settings:?}");
                    prop_assert!(settings.trust != Trust::Nobody && reading.untrusted.is_empty());
                    prop_assert!(matches!(reading.location.via, Via::Headers | Via::Country));
                }
                None => prop_assert_eq!(reading.location.via, Via::Nothing),
            }
        }
    }

    /// Whom to believe and what was said are two questions: distrust changes nothing else.
    #[test]
    fn trust_decides_only_whether_headers_count(headers in headers(), source in any_source()) {
        for settings in every_setting() {
            let credulous = Settings { trust: Trust::Anyone, ..settings.clone() };
            let reading = settings.read(&headers, source);
            if reading.untrusted.is_empty() {
                prop_assert_eq!(reading, credulous.read(&headers, source));
            } else {
                prop_assert_eq!((reading.location.via, reading.malformed), (Via::Nothing, false));
                prop_assert!(reading.untrusted.iter().all(|name| headers.iter().any(|(header, _)| header == name)));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_list_of_properties(bytes in vec(any::<u8>(), 0..200), tail in value()) {
        let header = [&bytes[..], b",lat=", &tail].concat();
        if let Ok(EdgeScape { latitude: Some(latitude), .. }) = EdgeScape::parse(&header) {
            prop_assert!(header.windows(latitude.len()).any(|window| window == latitude));
        }
    }

    #[test]
    fn any_address_is_read_as_it_was_written(address in any::<SocketAddr>()) {
        let read = source::parse(address.to_string().as_bytes()).map(|read| (read.ip(), read.port()));
        // Envoy writes no scope: `[fe80::1%3]:80` is an address of its own.
        let scoped = matches!(address, SocketAddr::V6(address) if address.scope_id() != 0);
        prop_assert!(scoped || read == Some((address.ip().to_canonical(), address.port())), "{address}: {read:?}");
    }

    #[test]
    fn any_bytes_are_an_address_or_none(bytes in value()) {
        if let Some(read) = source::parse(&bytes) {
            prop_assert_eq!(source::parse(read.to_string().as_bytes()), Some(read));
        }
        if let Some(country) = Country::parse(&bytes) {
            prop_assert_eq!(bytes.trim_ascii().to_ascii_uppercase(), country.code());
        }
    }

    #[test]
    fn every_place_can_be_told(latitude in -90.0..=90.0_f64, longitude in -180.0..=180.0_f64) {
        // Seven digits are a centimetre, and what geo services send at most.
        let (latitude, longitude) = (format!("{latitude:.7}"), format!("{longitude:.7}"));
        prop_assume!(!(latitude.parse() == Ok(0.0) && longitude.parse() == Ok(0.0)));
        let headers = [
            ("x-lat".to_owned(), latitude.clone().into_bytes()),
            ("x-lon".to_owned(), longitude.clone().into_bytes()),
            ("x-pos".to_owned(), format!("{latitude},{longitude}").into_bytes()),
            ("x-edgescape".to_owned(), format!("city=X,lat={latitude},long={longitude}").into_bytes()),
        ];
        for names in [pair(), position(), edgescape()] {
            let coordinates = settings(names, Trust::Anyone).read(&headers, Source::default()).location.coordinates.unwrap();
            prop_assert_eq!(Ok(coordinates.latitude()), latitude.parse());
            prop_assert_eq!(Ok(coordinates.longitude()), longitude.parse());
        }
    }
}

fn locate(position: Position, lines: &[(&str, &[u8])]) -> Result<Option<Coordinates>, Malformed> {
    let lines: Vec<_> = lines.iter().map(|(name, value)| (String::from(*name), value.to_vec())).collect();
    let settings = settings(position, Trust::Anyone);
    let reading = settings.read(&lines, Source::default());
    if reading.malformed { Err(Malformed) } else { Ok(reading.location.coordinates) }
}

#[test]
fn hostile_values_give_no_place() {
    let long = "9".repeat(60_000);
    let long_zeros = format!("46.{}", "0".repeat(60_000));
    let values: [(&str, &[u8]); 24] = [
        ("not UTF-8", b"Z\xfcrich"),
        ("not UTF-8, in a number", b"46\xff.2"),
        ("a NUL", b"46.2\0"),
        ("empty", b""),
        ("blanks", b"  \t "),
        ("not a number", b"nan"),
        ("not a number, in capitals", b"NaN"),
        ("infinite", b"inf"),
        ("infinite, spelt out", b"-infinity"),
        ("infinite by overflow", b"1e400"),
        ("an exponent", b"4.6e1"),
        ("a plus sign", b"+5"),
        ("two minus signs", b"--5"),
        ("hexadecimal", b"0x2e"),
        ("a fraction alone", b".5"),
        ("a point at the end", b"5."),
        ("a decimal comma", b"46,2"),
        ("a typographic minus", "−46.2".as_bytes()),
        ("Arabic digits", "٤٦".as_bytes()),
        ("beyond the pole", b"90.0001"),
        ("the sentinel 999.9", b"999.9"),
        ("repeated, joined by a proxy", b"46.2, 46.2"),
        ("60 kB of digits", long.as_bytes()),
        ("60 kB of zeros that change nothing", long_zeros.as_bytes()),
    ];
    for (name, value) in values {
        assert_eq!(locate(pair(), &[("x-lat", value), ("x-lon", b"6.14")]), Err(Malformed), "{name}");
        let position_header = [value, b",6.14"].concat();
        assert_eq!(locate(position(), &[("x-pos", &position_header)]), Err(Malformed), "{name}, as a position");
        if name != "beyond the pole" {
            assert_eq!(locate(pair(), &[("x-lat", b"46.2"), ("x-lon", value)]), Err(Malformed), "{name}, east");
        }
    }
}

#[test]
fn hostile_combinations_give_no_place() {
    let invalid = Err(Malformed);
    let (lat, lon) = (("x-lat", &b"46.2"[..]), ("x-lon", &b"6.14"[..]));
    for (name, lines) in [
        ("0,0 stands for an unknown place", vec![("x-lat", &b"0"[..]), ("x-lon", b"0")]),
        ("so does minus zero", vec![("x-lat", b"-0.0"), ("x-lon", b"0.00")]),
        ("latitude and longitude swapped", vec![("x-lat", b"-122.084"), ("x-lon", b"37.386")]),
        ("a longitude beyond the dateline", vec![lat, ("x-lon", b"180.0001")]),
        ("a longitude from 0 to 360", vec![lat, ("x-lon", b"353.74")]),
        ("half a place", vec![lat]),
        ("the other half", vec![lon]),
        ("the latitude repeated", vec![lat, lat, lon]),
        ("the longitude repeated, with another value", vec![lat, lon, ("x-lon", b"7")]),
        ("a position where two headers are expected", vec![("x-lat", b"46.2,6.14"), ("x-lon", b"46.2,6.14")]),
    ] {
        assert_eq!(locate(pair(), &lines), invalid, "{name}");
    }
    for (name, values) in [
        ("0,0 stands for an unknown place", vec![&b"0,0"[..]]),
        ("so does minus zero", vec![b"-0,-0.0"]),
        ("latitude and longitude swapped", vec![b"-122.084,37.386"]),
        ("repeated", vec![b"46.2,6.14", b"46.2,6.14"]),
        ("repeated, joined by a proxy", vec![b"46.2,6.14, 46.2,6.14"]),
        ("one number", vec![b"46.2"]),
        ("a comma alone", vec![b","]),
        ("three numbers", vec![b"46.2,6.14,375"]),
        ("a list in brackets", vec![b"[46.2,6.14]"]),
    ] {
        let lines: Vec<_> = values.into_iter().map(|value| ("x-pos", value)).collect();
        assert_eq!(locate(position(), &lines), invalid, "{name}");
    }
    assert_eq!(locate(pair(), &[("host", b"x-lat: 46.2")]), Ok(None));
    assert_eq!(locate(position(), &[lat, lon]), Ok(None));
    assert_eq!(locate(position(), &[("x-pos", b" ")]), Ok(None));
}
