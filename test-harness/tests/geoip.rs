//! `envoy/geoip.yaml`: the gateway itself finds out its clients' countries, and nobody else gets a word in.
//!
//! The database is one that MaxMind made for tests; `./build.sh test` fetches it.

use serde_json::{Value, json};
use test_harness::bootstrap::repository;
use test_harness::plan::Plan;
use test_harness::{World, places::*};

/// Addresses, their countries by MaxMind's list of what is in the database, and who should serve them.
const KNOWN: [(&str, &str, &str); 7] = [
    ("81.2.69.142", "GB", "eu-west"),
    ("89.160.20.112", "SE", "eu-north"),
    ("216.160.83.56", "US", "us-east"),
    ("67.43.156.1", "BT", "ap-south"),
    ("2001:218::1", "JP", "ap-northeast"),
    ("2a02:d200::1", "FI", "eu-north"),
    ("::ffff:81.2.69.142", "GB", "eu-west"),
];

/// Addresses without a country: not in the database, in it with no more than a continent, or this machine's.
const UNKNOWN: [&str; 4] = ["8.8.8.8", "2a00:1450::1", "2a02:d500::1", "127.0.0.1"];

const FALLBACK: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";

#[test]
fn a_client_is_in_the_country_that_the_database_has_for_its_address() {
    let world = behind_one_load_balancer().start();
    for (address, country, region) in KNOWN {
        let client = world.client().at(address);
        for response in [client.get("/"), client.post("/", &[b'x'; 100_000])] {
            assert_eq!(without_km(&response.decision()), decided(country, region), "{address}");
            assert_eq!(response.region.as_deref(), Some(region), "{address}");
            assert_eq!(response.seen_headers("x-geo-country"), [country], "{address}");
        }
    }
}

#[test]
fn an_address_without_a_country_leads_to_the_fallback() {
    let world = behind_one_load_balancer().start();
    for address in UNKNOWN {
        let response = world.client().at(address).get("/");
        assert_eq!(response.decision(), FALLBACK, "{address}");
        assert_eq!(response.seen_header("x-geo-country"), None, "{address}");
    }
}

/// Sydney is where each of these lies wants to go.
#[test]
fn what_a_client_says_about_its_place_counts_for_nothing() {
    let world = behind_one_load_balancer().start();
    let lies: [&[(&str, &str)]; 6] = [
        &[("x-geo-country", "AU")],
        &[("X-Geo-Country", "AU"), ("x-geo-country", "AU")],
        &[("x-geo-country", "")],
        &[("x-geo-latitude", "-33.87"), ("x-geo-longitude", "151.21")],
        &[("x-geo-country", "AU"), ("x-geo-latitude", "-33.87"), ("x-geo-longitude", "151.21")],
        &[("x-geo-country", "AU"), ("x-geo-latitude", "91"), ("x-geo-latitude", "-33.87")],
    ];
    for lie in lies {
        let tell = |address: &str| {
            let liar = lie.iter().fold(world.client().at(address), |client, (name, value)| client.header(name, value));
            let response = liar.get("/");
            for name in ["x-geo-latitude", "x-geo-longitude"] {
                assert_eq!(response.seen_header(name), None, "{address} {lie:?}");
            }
            (without_km(&response.decision()), response.seen_headers("x-geo-country"))
        };
        for (address, country, region) in KNOWN {
            assert_eq!(tell(address), (decided(country, region), vec![country.to_owned()]), "{address} {lie:?}");
        }
        for address in UNKNOWN {
            assert_eq!(tell(address), (FALLBACK.to_owned(), vec![]), "{address} {lie:?}");
        }
    }
}

#[test]
fn only_the_address_that_a_believed_load_balancer_tells_counts() {
    for (hops, forwarded_for, expected) in [
        (1, "2001:218::1, 81.2.69.142", decided("GB", "eu-west")),
        (1, "81.2.69.142, 8.8.8.8", FALLBACK.into()),
        (1, "81.2.69.142, nonsense", FALLBACK.into()),
        (0, "89.160.20.112", FALLBACK.into()),
    ] {
        let world = behind_one_load_balancer().trusted_hops(hops).start();
        let response = world.client().header("x-forwarded-for", forwarded_for).get("/");
        assert_eq!(without_km(&response.decision()), expected, "{hops} {forwarded_for}");
    }
}

#[test]
fn a_gateway_without_its_database_does_not_start() {
    let mut variant = variant();
    *variant.pointer_mut(DATABASE).unwrap() = "target/nowhere.mmdb".into();
    let error = gateway(variant).try_start().err().unwrap();
    assert!(format!("{error:#}").contains("Unable to open Maxmind database file target/nowhere.mmdb"), "{error:#}");
}

const DATABASE: &str = "/before_greatcircle/1/typed_config/provider/typed_config/country_db_path";

fn behind_one_load_balancer() -> Plan {
    let variant = variant();
    let database = repository().join(variant.pointer(DATABASE).and_then(Value::as_str).expect("a database"));
    assert!(database.is_file(), "no database at {}: run ./build.sh test, which fetches it", database.display());
    gateway(variant).trusted_hops(1)
}

/// `envoy/envoy.yaml`, changed as a variant of it says.
fn gateway(mut variant: Value) -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region("eu-north", STOCKHOLM)
        .region("us-east", ASHBURN)
        .region("ap-south", MUMBAI)
        .region("ap-northeast", TOKYO)
        .region("oceania", SYDNEY)
        .filter(json!({"clientLocation": {"trust": {"any": null}}})) // the variant says whom to believe
        .filter(variant["greatcircle"].take())
        .filters_before(variant["before_greatcircle"].as_array().expect("HTTP filters").clone())
}

fn variant() -> Value {
    let text = std::fs::read_to_string(repository().join("envoy/geoip.yaml")).expect("envoy/geoip.yaml");
    serde_saphyr::from_str(&text).expect("envoy/geoip.yaml")
}

fn decided(country: &str, region: &str) -> String {
    format!("region={region};reason=nearest;rank=1;via=country;country={country}")
}

/// How far the middle of a country is from a region is another test's business.
fn without_km(decision: &str) -> String {
    decision.split(';').filter(|field| !field.starts_with("km=")).collect::<Vec<_>>().join(";")
}
