//! Places that are looked up in tables of ours, against oracles: countries against another crate's data, networks against a
//! search through all of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::cases;
use greatcircle::client::country::Country;
use greatcircle::client::networks::{Networks, Site};
use greatcircle::geo::Coordinates;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Half of a tenth of a degree, and a little for the sum.
const ROUNDING: f64 = 0.050_001;

#[test]
fn every_country_is_where_keshvar_has_it() {
    let mut codes = 0;
    for country in keshvar::CountryIterator::new() {
        let code = country.alpha2().to_string();
        let geo = country.geo();
        let centroid = Country::parse(code.as_bytes()).unwrap().centroid().unwrap();
        assert!((centroid.latitude() - geo.latitude()).abs() <= ROUNDING, "{code}: {centroid:?}, {}", geo.latitude());
        assert!(
            (centroid.longitude() - geo.longitude()).abs() <= ROUNDING,
            "{code}: {centroid:?}, {}",
            geo.longitude()
        );
        codes += 1;
    }
    assert_eq!(codes, 249, "ISO 3166-1");
}

#[test]
fn only_assigned_codes_are_countries() {
    let letters = b'A'..=b'Z';
    let all = letters.clone().flat_map(|first| letters.clone().map(move |second| [first, second]));
    let assigned: Vec<_> = all.filter(|code| Country::parse(code).is_some()).collect();
    assert_eq!(assigned.len(), 249);
    for (code, expected) in [
        (&b"DE"[..], Some("DE")),
        (b"de", Some("DE")),
        (b" DE ", Some("DE")),
        (b"XX", None),
        (b"T1", None),
        (b"UK", None), // reserved, not assigned
        (b"EU", None),
        (b"ZZ", None),
        (b"**", None),
        (b"DEU", None),
        (b"D", None),
        (b"", None),
        (b"\xff\xfe", None),
    ] {
        assert_eq!(Country::parse(code).map(|country| country.to_string()).as_deref(), expected, "{code:?}");
    }
}

/// Addresses near each other, so that networks overlap.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (0..4_u8, 0..4_u8, any::<u8>()).prop_map(|(b, c, d)| IpAddr::V4(Ipv4Addr::new(10, b * 64, c * 64, d)));
    let v6 = (0..4_u16, 0..4_u16, any::<u16>())
        .prop_map(|(b, c, d)| IpAddr::V6(Ipv6Addr::new(0x2001, b << 14, c << 14, 0, 0, 0, 0, d)));
    prop_oneof![2 => v4, 2 => v6, 1 => any::<IpAddr>()]
}

fn network() -> impl Strategy<Value = IpNet> {
    (address(), 0..=128_u8).prop_map(|(address, bits)| match address {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new(address, bits % 33).unwrap()),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new(address, bits).unwrap()),
    })
}

/// A network as what it is: without host bits, and an IPv4-mapped one as IPv4.
fn plain(network: IpNet) -> IpNet {
    match (network.trunc(), network.trunc().addr().to_canonical()) {
        (IpNet::V6(mapped), IpAddr::V4(address)) if mapped.prefix_len() >= 96 => {
            IpNet::V4(Ipv4Net::new(address, mapped.prefix_len() - 96).unwrap())
        }
        (network, _) => network,
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn the_smallest_network_wins(all in vec(network(), 0..60), addresses in vec(address(), 1..40)) {
        let mut networks = Networks::default();
        let mut kept: Vec<(IpNet, Site)> = Vec::new();
        for (number, written) in (1..).zip(all) {
            let site = Site { coordinates: Coordinates::new(f64::from(number), 1.0).unwrap(), country: None };
            let network = plain(written);
            prop_assert_eq!(networks.add(written, site), kept.iter().all(|(other, _)| *other != network));
            kept.retain(|(other, _)| *other != network);
            kept.push((network, site)); // the later one counts, which the configuration never lets happen
        }
        for address in addresses {
            let address = address.to_canonical();
            let containing = kept.iter().filter(|(network, _)| network.contains(&address));
            let expected = containing.max_by_key(|(network, _)| network.prefix_len()).map(|(_, site)| *site);
            prop_assert_eq!(networks.find(address), expected, "{}", address);
        }
    }
}
