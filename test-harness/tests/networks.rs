//! Clients whose networks the operator knows: the smallest network that contains the address says where it is.

use serde_json::{Value, json};
use test_harness::plan::Plan;
use test_harness::{World, places::*};

const IN_SUVA: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=network;country=FJ";
const IN_DUBLIN: &str = "region=eu-west;reason=nearest;km=0;rank=1;via=network";
const IN_TOKYO: &str = "region=ap-northeast;reason=nearest;km=0;rank=1;via=network;country=JP";
const UNKNOWN: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";

#[test]
fn the_smallest_network_says_where_a_client_is() {
    // In no order, with and without host bits, of any length.
    let networks = json!([
        network("45.1.0.0/16", TOKYO, "JP"),
        network("45.0.0.0/8", SUVA, "FJ"),
        unlabelled("45.1.2.0/24"),
        network("45.1.2.3/32", SUVA, "FJ"),
        network("45.1.2.200/29", TOKYO, "JP"),
        network("2a00::/16", SUVA, "FJ"),
        network("2a00:1450::/32", TOKYO, "JP"),
        unlabelled("2a00:1450:4001::/48"),
        network("2a00:1450:4001::7/128", SUVA, "FJ"),
        network("10.0.0.0/8", SUVA, "FJ"),
    ]);
    let world = three_regions(networks).start();
    for (address, expected) in [
        ("45.200.0.1", IN_SUVA),
        ("45.1.200.1", IN_TOKYO),
        ("45.1.2.1", IN_DUBLIN),
        ("45.1.2.3", IN_SUVA),
        ("45.1.2.199", IN_DUBLIN),
        ("45.1.2.200", IN_TOKYO),
        ("45.1.2.207", IN_TOKYO),
        ("45.1.2.208", IN_DUBLIN),
        ("46.1.2.3", UNKNOWN),
        ("::ffff:45.1.2.3", IN_SUVA),
        ("::ffff:45.1.2.1", IN_DUBLIN),
        ("::45.1.2.3", UNKNOWN),
        ("2a00::1", IN_SUVA),
        ("2a00:1450::1", IN_TOKYO),
        ("2a00:1450:4001::1", IN_DUBLIN),
        ("2a00:1450:4001::7", IN_SUVA),
        ("2b00::1", UNKNOWN),
        // Private addresses are nobody's elsewhere, but the operator's own.
        ("10.1.2.3", IN_SUVA),
    ] {
        let response = world.client().at(address).get("/");
        assert_eq!((response.status, response.decision().as_str()), (200, expected), "{address}");
    }
}

#[test]
fn the_networks_of_all_addresses_are_networks_too() {
    let world = three_regions(json!([network("0.0.0.0/0", SUVA, "FJ"), network("::/0", TOKYO, "JP")])).start();
    for (address, expected) in
        [("8.8.8.8", IN_SUVA), ("::ffff:8.8.8.8", IN_SUVA), ("2a00::1", IN_TOKYO), ("::1", IN_TOKYO)]
    {
        assert_eq!(world.client().at(address).get("/").decision(), expected, "{address}");
    }
    assert_eq!(world.client().get("/").decision(), IN_SUVA, "the connection's own address");
    let only_v6 = three_regions(json!([network("::/0", TOKYO, "JP")])).start();
    for (address, expected) in [("2a00::1", IN_TOKYO), ("8.8.8.8", UNKNOWN), ("::ffff:8.8.8.8", UNKNOWN)] {
        assert_eq!(only_v6.client().at(address).get("/").decision(), expected, "{address}");
    }
}

#[test]
fn nobody_chooses_a_network_with_a_header() {
    let networks = json!([network("45.0.0.0/8", SUVA, "FJ")]);
    let world = three_regions(networks).trusted_hops(0).start();
    for name in ["x-forwarded-for", "x-real-ip", "forwarded", "x-envoy-external-address", "cf-connecting-ip"] {
        assert_eq!(world.client().header(name, "45.1.2.3").get("/").decision(), UNKNOWN, "{name}");
    }
}

#[test]
fn a_network_counts_for_more_than_headers() {
    let world = three_regions(json!([network("45.0.0.0/8", SUVA, "FJ"), unlabelled("46.0.0.0/8")])).start();
    let in_tokyo = |address| world.client().from(TOKYO).header("x-geo-country", "JP").at(address).get("/").decision();
    assert_eq!(in_tokyo("45.1.2.3"), IN_SUVA);
    assert_eq!(in_tokyo("46.1.2.3"), format!("{IN_DUBLIN};country=JP"), "a country that the network does not name");
    assert_eq!(in_tokyo("47.1.2.3"), IN_TOKYO.replace("network", "headers"));
}

#[test]
fn five_thousand_networks_are_as_good_as_one() {
    let all: Vec<_> = (0..5000_u32)
        .map(|index| {
            let [.., high, low] = index.to_be_bytes();
            match index % 3 {
                0 => network(&format!("45.{high}.{low}.0/24"), SUVA, "FJ"),
                1 => network(&format!("45.{high}.{low}.0/24"), TOKYO, "JP"),
                _ => unlabelled(&format!("2a00:{index:x}::/32")),
            }
        })
        .collect();
    let world = three_regions(all.into()).start();
    for index in [0_u32, 1, 2, 3, 255, 256, 257, 2500, 4997, 4998, 4999, 5000] {
        let [.., high, low] = index.to_be_bytes();
        let (v4, v6) = (format!("45.{high}.{low}.77"), format!("2a00:{index:x}::77"));
        let expected = match index % 3 {
            _ if index >= 5000 => [UNKNOWN, UNKNOWN],
            0 => [IN_SUVA, UNKNOWN],
            1 => [IN_TOKYO, UNKNOWN],
            _ => [UNKNOWN, IN_DUBLIN],
        };
        assert_eq!([&v4, &v6].map(|at| world.client().at(at).get("/").decision()), expected, "{v4} {v6}");
    }
}

fn network(cidr: &str, place: test_harness::Place, country: &str) -> Value {
    json!({"cidr": cidr, "latitude": place.latitude, "longitude": place.longitude, "country": country})
}

/// A network in Dublin, whose country nobody has written down.
fn unlabelled(cidr: &str) -> Value {
    json!({"cidr": cidr, "latitude": DUBLIN.latitude, "longitude": DUBLIN.longitude})
}

/// Three regions and a gateway in Dublin, behind a load balancer, that knows these networks.
fn three_regions(networks: Value) -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        .region("ap-northeast", TOKYO)
        .trusted_hops(1)
        .filter(json!({"clientLocation": {"networks": networks}}))
}
