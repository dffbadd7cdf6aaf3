//! Header bytes from strangers: whatever they hold, the answer is a place on the globe or that there is none.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::cases;
use greatcircle::client::{GeoHeaders, Settings, Trust, Unlocated};
use greatcircle::geo::Coordinates;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;

const NAMES: [&str; 6] = ["x-lat", "x-lon", "x-pos", "x-edge", "x-forwarded-for", "host"];

fn pair() -> GeoHeaders {
    GeoHeaders::Pair { latitude: "x-lat".into(), longitude: "x-lon".into() }
}

fn position() -> GeoHeaders {
    GeoHeaders::Position("x-pos".into())
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
    let ways = || every_way_to_trust().into_iter();
    let same_name = GeoHeaders::Pair { latitude: "x-lat".into(), longitude: "x-lat".into() };
    [pair(), position(), same_name]
        .into_iter()
        .flat_map(move |headers| ways().map(move |trust| Settings { headers: headers.clone(), trust }))
}

/// Bytes without sense, bytes with some, and numbers about the edge of the globe.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let sensible =
        ["46.2", "-122.084", "46.2,6.14", "0", "-0.0", "s3cret", "192.0.2.7", "a, 2001:db8::1", "1e400", ","];
    prop_oneof![
        vec(any::<u8>(), 0..40),
        "[-+0-9., enainfNIF\u{660}-\u{669}]{0,24}".prop_map(String::into_bytes),
        (-200.0..200.0_f64).prop_map(|number| number.to_string().into_bytes()),
        (-200.0..200.0_f64, -200.0..200.0_f64).prop_map(|(lat, lon)| format!("{lat},{lon}").into_bytes()),
        select(sensible.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![9 => select(NAMES.to_vec()).prop_map(String::from), 1 => any::<String>()];
    vec((name, value()), 0..8)
}

fn connection() -> impl Strategy<Value = Option<IpAddr>> {
    let loopback = Just("127.0.0.1".parse().unwrap());
    proptest::option::of(prop_oneof![any::<IpAddr>(), loopback])
}

/// What must hold of every answer.
fn is_on_the_globe(place: &Coordinates) -> bool {
    let (latitude, longitude) = (place.latitude(), place.longitude());
    (-90.0..=90.0).contains(&latitude)
        && (-180.0..=180.0).contains(&longitude)
        && (latitude, longitude) != (0.0, 0.0)
        && place.kilometres_to(place).0 == 0.0
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn any_headers_have_a_place_on_the_globe_or_none(headers in headers(), connection in connection()) {
        for settings in every_setting() {
            match settings.locate(&headers, connection) {
                Ok(place) => {
                    prop_assert!(is_on_the_globe(&place), "{place:?} by {settings:?}");
                    prop_assert!(settings.trust != Trust::Nobody);
                }
                Err(Unlocated::Untrusted) => prop_assert!(settings.trust != Trust::Anyone),
                Err(Unlocated::Missing | Unlocated::Invalid) => {}
            }
        }
    }

    /// Whom to believe and what was said are two questions: distrust changes nothing else.
    #[test]
    fn trust_decides_only_whether_headers_count(headers in headers(), connection in connection()) {
        for settings in every_setting() {
            let believed = Settings { trust: Trust::Anyone, ..settings.clone() }.locate(&headers, connection);
            let answer = settings.locate(&headers, connection);
            prop_assert!(answer == believed || answer == Err(Unlocated::Untrusted), "{answer:?}, not {believed:?}");
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
        ];
        for names in [pair(), position()] {
            let place = Settings { headers: names, trust: Trust::Anyone }.locate(&headers, None).unwrap();
            prop_assert_eq!(Ok(place.latitude()), latitude.parse());
            prop_assert_eq!(Ok(place.longitude()), longitude.parse());
        }
    }
}

fn locate(headers: GeoHeaders, lines: &[(&str, &[u8])]) -> Result<Coordinates, Unlocated> {
    let lines: Vec<_> = lines.iter().map(|(name, value)| (String::from(*name), value.to_vec())).collect();
    Settings { headers, trust: Trust::Anyone }.locate(&lines, None)
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
        assert_eq!(locate(pair(), &[("x-lat", value), ("x-lon", b"6.14")]), Err(Unlocated::Invalid), "{name}");
        let position_header = [value, b",6.14"].concat();
        assert_eq!(
            locate(position(), &[("x-pos", &position_header)]),
            Err(Unlocated::Invalid),
            "{name}, as a position"
        );
        if name != "beyond the pole" {
            assert_eq!(
                locate(pair(), &[("x-lat", b"46.2"), ("x-lon", value)]),
                Err(Unlocated::Invalid),
                "{name}, east"
            );
        }
    }
}

#[test]
fn hostile_combinations_give_no_place() {
    let invalid = Err(Unlocated::Invalid);
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
        ("empty", vec![b""]),
    ] {
        let lines: Vec<_> = values.into_iter().map(|value| ("x-pos", value)).collect();
        assert_eq!(locate(position(), &lines), invalid, "{name}");
    }
    assert_eq!(locate(pair(), &[("host", b"x-lat: 46.2")]), Err(Unlocated::Missing));
    assert_eq!(locate(position(), &[lat, lon]), Err(Unlocated::Missing));
}
