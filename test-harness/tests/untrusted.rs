//! Geo headers of strangers reach nobody: what the filter does not believe, the region does not get to see.

use serde_json::{Value, json};
use test_harness::plan::Plan;
use test_harness::{Client, World, places::*};

const UNKNOWN: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";
const GEO: [&str; 3] = ["x-geo-latitude", "x-geo-longitude", "x-geo-country"];

#[test]
fn headers_of_strangers_are_removed_and_those_of_the_edge_stay() {
    let world = two_regions(json!({"header": "x-edge-auth", "equals": "s3cret"})).start();
    for (headers, seen) in [
        (&[("x-geo-latitude", "-18.14"), ("x-geo-longitude", "178.44"), ("x-geo-country", "FJ")][..], 3),
        (&[("x-geo-country", "FJ")], 1),
        (&[("x-geo-country", "")], 1),
        (&[("x-geo-latitude", "-18.14")], 1),
        (
            &[
                ("X-Geo-Latitude", "1"),
                ("x-geo-latitude", "2"),
                ("X-GEO-LATITUDE", "\u{fc}"),
                ("x-geo-longitude", "nan"),
            ],
            4,
        ),
        (&[("x-geo-country", "FJ"), ("x-geo-country", "IE"), ("x-geo-country", "XX")], 3),
    ] {
        let before = world.ignored_geo_headers().get("untrusted").copied().unwrap_or_default();
        let stranger = with(world.client(), headers);
        for client in [stranger.clone(), stranger.clone().header("x-edge-auth", "guess")] {
            let response = client.get("/");
            assert_eq!((response.status, response.decision().as_str()), (200, UNKNOWN), "{headers:?}");
            assert_eq!(GEO.map(|name| response.seen_headers(name)), [[""; 0]; 3], "{headers:?}");
        }
        assert_eq!(world.ignored_geo_headers().get("untrusted").copied(), Some(before + 2), "{headers:?}");
        let edge = stranger.header("x-edge-auth", "s3cret").get("/");
        let stay: usize = GEO.iter().map(|name| edge.seen_headers(name).len()).sum();
        assert_eq!((edge.status, stay), (200, seen), "{headers:?}");
        assert_eq!(world.ignored_geo_headers().get("untrusted").copied(), Some(before + 2), "{headers:?}");
    }
    assert_eq!(world.client().get("/").status, 200);
    assert_eq!(world.ignored_geo_headers().get("untrusted").copied(), Some(12), "nothing came with that one");
}

#[test]
fn they_are_removed_although_the_client_is_found_by_other_means() {
    let network = json!({"cidr": "45.0.0.0/8", "latitude": TOKYO.latitude, "longitude": TOKYO.longitude});
    let world = two_regions(json!({}))
        .region("ap-northeast", TOKYO)
        .trusted_hops(1)
        .lookup_service(json!({"timeout": "10s"}))
        .filter(json!({"clientLocation": {"networks": [network]}}))
        .start();
    world.lookup().knows("8.8.8.0/24", TOKYO, "JP");
    for (address, expected) in [
        ("45.1.2.3", "region=ap-northeast;reason=nearest;km=0;rank=1;via=network"),
        ("8.8.8.8", "region=ap-northeast;reason=nearest;km=0;rank=1;via=lookup;country=JP"),
        ("8.8.8.8", "region=ap-northeast;reason=nearest;km=0;rank=1;via=lookup;country=JP"),
        ("8.8.4.4", UNKNOWN),
        ("10.1.2.3", UNKNOWN),
    ] {
        let response = world.client().at(address).from(SUVA).header("x-geo-country", "FJ").get("/");
        assert_eq!(response.decision(), expected, "{address}");
        assert_eq!(GEO.map(|name| response.seen_headers(name)), [[""; 0]; 3], "{address}");
    }
    assert_eq!(world.ignored_geo_headers().get("untrusted").copied(), Some(5));
    assert_eq!(world.lookup().lookup_count(), 2);
}

#[test]
fn those_of_the_edge_stay_although_the_client_is_found_by_other_means() {
    let network = json!({"cidr": "45.0.0.0/8", "latitude": TOKYO.latitude, "longitude": TOKYO.longitude});
    let world = two_regions(json!({"any": true}))
        .trusted_hops(1)
        .filter(json!({"clientLocation": {"networks": [network]}}))
        .start();
    let response = world.client().at("45.1.2.3").from(SUVA).header("x-geo-country", "FJ").get("/");
    assert!(response.decision().contains(";via=network;"), "{}", response.decision());
    assert_eq!(GEO.map(|name| response.seen_headers(name)), [["-18.14"], ["178.44"], ["FJ"]]);
    assert!(world.ignored_geo_headers().is_empty());
}

#[test]
fn of_each_edge_the_headers_that_it_would_set_are_removed_and_no_others() {
    let world = two_regions(json!({})).start();
    let akamai = &["x-akamai-edgescape"][..];
    for (preset, names) in [
        ("cloudflare", &["cf-iplatitude", "cf-iplongitude", "cf-ipcountry"][..]),
        ("cloudfront", &["cloudfront-viewer-latitude", "cloudfront-viewer-longitude", "cloudfront-viewer-country"]),
        ("gcp", &["x-client-city-lat-long", "x-client-region"]),
        ("fastly", &["client-geo-latitude", "client-geo-longitude", "client-geo-country"]),
        ("akamai", akamai),
        ("vercel", &["x-vercel-ip-latitude", "x-vercel-ip-longitude", "x-vercel-ip-country"]),
    ] {
        world.add_listener(preset, json!({"clientLocation": {"preset": preset, "headers": null}}));
        let other = if preset == "akamai" { "cf-ipcountry" } else { akamai[0] };
        let forged = names.iter().fold(world.client_of(preset), |client, name| client.header(name, "FJ"));
        let response = forged.header(other, "FJ").header("x-geo-country", "FJ").get("/");
        assert_eq!(response.decision(), UNKNOWN, "{preset}");
        for name in names {
            assert_eq!(response.seen_headers(name), [""; 0], "{preset}: {name}");
        }
        assert_eq!([other, "x-geo-country"].map(|name| response.seen_headers(name)), [["FJ"], ["FJ"]], "{preset}");
    }
    assert_eq!(world.ignored_geo_headers().get("untrusted").copied(), Some(6));
}

fn with(client: Client, headers: &[(&str, &str)]) -> Client {
    headers.iter().fold(client, |client, (name, value)| client.header(name, value))
}

/// Two regions and a gateway in Dublin with this `trust`.
fn two_regions(trust: Value) -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        .filter(json!({"clientLocation": {"trust": {"any": null}}})) // envoy.yaml trusts everybody
        .filter(json!({"clientLocation": {"trust": trust}}))
}
