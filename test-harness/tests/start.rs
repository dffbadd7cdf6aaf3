//! What an operator is told when Envoy starts: a configuration in a form that cannot be read, and a gateway that nobody can place.

use serde_json::json;
use test_harness::bootstrap::Bootstrap;
use test_harness::envoy::{Envoy, Launch};
use test_harness::{World, eventually, places::*};

const CONFIGURATION: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/configuration";

#[test]
fn a_configuration_that_is_no_string_value_is_refused_with_what_to_do() {
    let mut bootstrap = Bootstrap::from_file().unwrap().on_free_ports().unwrap().render().unwrap();
    *bootstrap.pointer_mut(CONFIGURATION).unwrap() = json!({
        "@type": "type.googleapis.com/google.protobuf.Struct",
        "value": {"regions": [{"name": "eu-west", "latitude": 53.35, "longitude": -6.26}]},
    });
    let directory = tempfile::tempdir().unwrap();
    let error = Envoy::start(&bootstrap, &Launch::default(), directory.path()).err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("google.protobuf.StringValue"), "{error}");
}

#[test]
fn a_locality_that_names_no_region_is_said_at_warning_level() {
    let world = World::new().region("eu-west", DUBLIN).gateway_in("atlantis").start();
    let line = "greatcircle event=localityUnmatched locality=\"atlantis\"";
    eventually("the line", || world.envoy().log().contains(line));
    let log = world.envoy().log();
    let line = log.lines().find(|it| it.contains(line)).unwrap();
    assert!(line.contains("][warning]["), "{line}");
    assert!(log.contains("localRegion=none"), "{log}");
}
