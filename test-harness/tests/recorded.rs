//! The manifests of `istio/base` with what a real istiod made of them: gateways that are started from a recording, and the world that
//! `istio.rs` tries with the imitation. `test-harness/recordings/README.md` says what a recording is, and how to make one.

#[path = "istio/two_regions.rs"]
mod two_regions;

use serde_json::{Value, json};
use test_harness::istio::{Manifests, Mesh, Recording, manifests::mesh_config, mesh::Plan};
use test_harness::{Region, eventually, places::*};
use two_regions::{GATEWAYS, LIES, NEAREST, base, region_of, settled, telling, two_regions};

const RECORDING: &str = "istio-1.29.6/t1";

fn recorded() -> Plan {
    let recording = Recording::read(RECORDING).unwrap_or_else(|error| panic!("{error:#}"));
    two_regions(base()).recorded(recording)
}

#[test]
fn the_nearest_region_serves_whichever_gateway_a_client_comes_to() {
    let mesh = settled(recorded());
    for (gateway, zone, ..) in GATEWAYS {
        for (place, region, decision) in NEAREST {
            let response = mesh.client(gateway).from(place).get("/");
            let said = (response.decision(), response.seen_headers("x-greatcircle-region"));
            assert_eq!(said, (decision.into(), vec![region.into()]), "{} at {gateway}", place.name);
            assert_eq!(region_of(&response), region, "{} at {gateway}", place.name);
        }
        let response = mesh.client(gateway).get("/");
        assert_eq!(response.decision(), format!("region={gateway};reason=noLocation;rank=1;via=fallback"));
        assert_eq!(response.region.as_deref(), Some(zone), "the zone of its own");
    }
}

#[test]
fn a_region_that_dies_is_left_and_comes_back() {
    let mesh = settled(recorded());
    let decisions = |expected: &str| {
        GATEWAYS.iter().for_each(|(gateway, ..)| mesh.eventually_decides(gateway, GENEVA, expected));
    };
    decisions(NEAREST[0].2);
    mesh.pods_in("eu-west").for_each(Region::kill);
    decisions("region=us-east;reason=failover;km=6566;rank=2;via=headers");
    for (gateway, ..) in GATEWAYS {
        assert_eq!(region_of(&mesh.client(gateway).from(GENEVA).get("/")), "us-east", "at {gateway}");
    }
    mesh.pods_in("eu-west").for_each(Region::restart);
    decisions(NEAREST[0].2);
}

#[test]
fn a_zone_that_dies_leaves_its_region_to_the_other_zone() {
    let mesh = settled(recorded());
    mesh.pods_in("eu-west-1a").for_each(Region::kill);
    for _ in 0..20 {
        let response = mesh.client("eu-west").from(GENEVA).get("/");
        assert_eq!((response.status, response.region.as_deref()), (200, Some("eu-west-1b")));
    }
}

#[test]
fn a_client_that_names_its_region_is_not_heard() {
    let mesh = settled(recorded());
    for lie in LIES {
        let response = telling(&mesh.client("eu-west").from(GENEVA), lie).get("/");
        assert_eq!(response.seen_headers("x-greatcircle-region"), ["eu-west"], "{lie:?}");
        assert_eq!(region_of(&response), "eu-west", "{lie:?}");
    }
}

#[test]
fn the_access_log_tells_the_decision() {
    let mesh = settled(recorded());
    mesh.client("eu-west").from(GENEVA).get("/in-the-log");
    // Istio puts a `;` behind a cluster's name in statistics, and that is the name which Envoy logs.
    let expected = format!(
        "GET /in-the-log 200 flags=- region=eu-west reason=nearest km=1191 decision=\"{}\" route=eu-west \
         cluster=outbound|8080|eu-west|shop.shop.svc.cluster.local; host=127.0.0.1:",
        NEAREST[0].2
    );
    eventually(&expected, || {
        let log = mesh.envoy("eu-west").access_log();
        if log.lines().any(|line| line.starts_with(&expected)) { Ok(()) } else { Err(log) }
    });
}

/// As Envoy tells it, so that defaults are told on both sides.
#[test]
fn what_is_imitated_is_what_was_recorded() {
    let (imitated, recorded) = (two_regions(base()).mesh_config(mesh_config().unwrap()).start(), recorded().start());
    for (gateway, ..) in GATEWAYS {
        let [imitated, recorded] = [&imitated, &recorded].map(|mesh| told(mesh, gateway));
        for key in ["routes", "clusters", "localities", "manager", "filters"] {
            assert_eq!(imitated[key], recorded[key], "{key} at {gateway}");
        }
    }
}

/// What a gateway has, without what is known to be different.
fn told(mesh: &Mesh, gateway: &str) -> Value {
    let dump = mesh.envoy(gateway).config_dump();
    let all = |key: &str| {
        let configs = dump["configs"].as_array().unwrap().iter();
        configs.filter_map(|config| config[key].as_array()).flatten().cloned().collect::<Vec<_>>()
    };
    let mut routes = [all("static_route_configs"), all("dynamic_route_configs")].concat();
    let mut routes: Vec<_> = routes.iter_mut().map(|it| it["route_config"].take()).collect();
    for route in routes[0]["virtual_hosts"][0]["routes"].as_array_mut().unwrap() {
        // For people; and what is the default.
        without(route, &["metadata"]);
        without(&mut route["match"], &["case_sensitive"]);
    }
    let mut clusters: Vec<_> = all("static_clusters").iter_mut().map(|it| it["cluster"].take()).collect();
    clusters.retain(|cluster| cluster["name"] != "BlackHoleCluster");
    for cluster in &mut clusters {
        // Endpoints by EDS, and HTTP/1.1, which is the default.
        let different =
            ["type", "eds_cluster_config", "load_assignment", "metadata", "typed_extension_protocol_options"];
        without(cluster, &different);
    }
    clusters.sort_by_key(|cluster| cluster["name"].to_string());
    let assignments = [all("static_endpoint_configs"), all("dynamic_endpoint_configs")].concat();
    let mut localities: Vec<_> = assignments.iter().flat_map(|it| localities(&it["endpoint_config"])).collect();
    assert!(!localities.is_empty(), "no endpoints at {gateway}");
    localities.sort_by_key(Value::to_string);
    let mut listener = all("static_listeners")[0]["listener"].take();
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    let mut filters = manager["http_filters"].take();
    // By 1.30 a WasmPlugin has another name, and 1.29 is recorded.
    without(&mut filters[0], &["name", "config_discovery"]);
    // Where routes come from; what a tracer would say, and there is none; and what is the default.
    without(manager, &["route_config", "rds", "http_filters", "tracing", "http_protocol_options"]);
    json!({"routes": routes, "clusters": clusters, "localities": localities, "manager": manager, "filters": filters})
}

fn localities(assignment: &Value) -> Vec<Value> {
    let one = |group: &Value| {
        let pods = group["lb_endpoints"].as_array().map(Vec::len);
        json!([assignment["cluster_name"], group["locality"], group["priority"], group["load_balancing_weight"], pods])
    };
    assignment["endpoints"].as_array().into_iter().flatten().map(one).collect()
}

fn without(object: &mut Value, keys: &[&str]) {
    let object = object.as_object_mut().unwrap();
    keys.iter().for_each(|key| drop(object.remove(*key)));
}

#[test]
fn a_recording_of_other_manifests_is_refused() {
    let recording = Recording::read(RECORDING).unwrap_or_else(|error| panic!("{error:#}"));
    let changed = base().patched("DestinationRule", "shop-regions", &json!({"spec": {"subsets": null}}));
    let error = recording.is_of(&changed).unwrap_err().to_string();
    assert!(error.ends_with("to record anew, see test-harness/recordings/README.md"), "{error}");
}

/// With `$RECORD` set, what it sends is written down instead of compared.
#[test]
#[ignore = "needs a real istiod in $PILOT_DISCOVERY: see test-harness/recordings/README.md"]
fn istiod_sends_what_was_recorded() {
    let istiod = std::env::var_os("PILOT_DISCOVERY").expect("$PILOT_DISCOVERY names the binary of istiod");
    let now = shipped().record(istiod.as_ref(), "istio/base").unwrap_or_else(|error| panic!("{error:#}"));
    if std::env::var_os("RECORD").is_some() {
        now.write(RECORDING).unwrap();
    } else {
        let then = Recording::read(RECORDING).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(now, then);
    }
}

/// As the files are, down to whose geo headers are believed.
fn shipped() -> Plan {
    two_regions(Manifests::kustomized("istio/base").unwrap())
}
