//! The compose file has the regions that envoy.yaml looks for, where it looks for them. `./build.sh compose-test` runs it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use test_harness::bootstrap::Bootstrap;

#[test]
fn every_region_of_the_gateway_is_a_service() {
    let expected: BTreeMap<_, _> = Bootstrap::from_file()
        .unwrap()
        .regions()
        .unwrap()
        .into_iter()
        .map(|region| (region.name.clone(), (region.name, u64::from(region.port))))
        .collect();
    let services = services();
    let with_port = services.iter().filter_map(|(service, its)| {
        let port = its.pointer("/environment/PORT")?.as_u64()?;
        Some((service.clone(), (its["environment"]["REGION"].as_str()?.to_owned(), port)))
    });
    assert_eq!(with_port.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn the_envoys_are_of_one_pinned_version() {
    let services = services();
    let images: BTreeSet<_> = services.values().filter_map(|its| its["image"].as_str()).collect();
    let [envoy, prometheus] = images.into_iter().collect::<Vec<_>>()[..] else { panic!("two images") };
    for (image, name) in [(envoy, "envoyproxy/envoy:v"), (prometheus, "prom/prometheus:v")] {
        let version = image.strip_prefix(name).unwrap_or_else(|| panic!("{image} is no {name}…"));
        let numbers = version.split('.').filter(|number| number.parse::<u16>().is_ok()).count();
        assert_eq!(numbers, 3, "{image} is pinned by version");
    }
}

/// The services, with what they merge in from others.
fn services() -> BTreeMap<String, Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/docker-compose.yaml");
    let compose: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    serde_json::from_value(compose["services"].clone()).unwrap()
}
