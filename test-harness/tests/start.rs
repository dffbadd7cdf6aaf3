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

/// Each of them where the ones before it say nothing: locality, the pod's labels, the name of the cluster.
#[test]
fn the_gateway_finds_its_own_region_wherever_its_node_tells_it() {
    let labels = json!({"LABELS": {"topology.kubernetes.io/region": "oceania"}});
    for (name, node, expected) in [
        ("locality", json!({"locality": {"region": "oceania"}, "metadata": {"CLUSTER_ID": "eu-west"}}), "oceania"),
        ("a pod's label", json!({"locality": null, "metadata": labels}), "oceania"),
        ("the cluster", json!({"locality": null, "metadata": {"CLUSTER_ID": "oceania"}}), "oceania"),
        (
            "another locality",
            json!({"locality": {"region": "zone-7"}, "metadata": {"CLUSTER_ID": "oceania"}}),
            "oceania",
        ),
        ("nothing", json!({"locality": null}), "none"),
    ] {
        let world = World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).node(node).start();
        eventually(name, || world.envoy().log().contains(&format!("localRegion={expected}")));
        let unmatched = world.envoy().log().contains("event=localityUnmatched");
        assert!(!unmatched, "{name}");
    }
}

const TO_DUBLIN: &str = "region=eu-west;reason=nearest;km=1191;rank=1;via=headers";

#[test]
fn a_secret_stands_in_the_environment_of_the_vm() {
    let trust = json!({"clientLocation": {"trust": {"any": null, "header": "x-edge", "equals": {"env": "EDGE"}}}});
    let plan = || World::new().region("eu-west", DUBLIN).filter(trust.clone());
    let world = plan().vm_environment(json!({"EDGE": "s3cret"})).start();
    let from_geneva = |secret: &str| world.client().from(GENEVA).header("x-edge", secret).get("/").decision();
    assert_eq!(from_geneva("s3cret"), TO_DUBLIN);
    assert_eq!(from_geneva("guess"), "region=eu-west;reason=noLocation;rank=1;via=fallback");

    let error = format!("{:#}", plan().try_start().err().unwrap());
    let problem = "clientLocation.trust.equals: found no environment variable \"EDGE\"";
    assert!(error.contains(problem), "{error}");
}

/// As a gateway starts in Istio: the filter is discovered, and wrong from the beginning.
#[test]
fn a_gateway_that_starts_with_a_wrong_configuration_passes_requests_if_it_is_told_to() {
    let plan = || World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).ecds().filter(json!({"typo": 1}));
    let world = plan().vm_environment(json!({"GREATCIRCLE_INVALID_CONFIG": "pass"})).start();
    let forged = || world.client().from(SUVA).header("x-greatcircle-region", "oceania").get("/");
    let answer = forged();
    assert_eq!((answer.status, answer.region.as_deref()), (200, Some("eu-west")), "as if nobody had decided");
    assert!(world.sample("greatcircle_config_rejected_total", &[]) >= Some(1));
    assert!(world.envoy().log().contains("configRejected configuration: found the unknown key \"typo\""));

    // A right one is in force at once; a wrong one after that is refused as ever.
    world.apply_filter(json!({"typo": null}));
    world.eventually_decides(SUVA, "region=oceania;reason=nearest;km=3218;rank=1;via=headers");
    let (_, refused) = world.filter_updates();
    world.update_filter(json!({"typo": 2}));
    eventually("Envoy's refusal", || world.filter_updates().1 > refused);
    world.eventually_decides(SUVA, "region=oceania;reason=nearest;km=3218;rank=1;via=headers");

    // By default it answers 500 to everybody.
    assert_eq!(plan().start().client().get("/").status, 500);
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
