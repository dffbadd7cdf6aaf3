//! The examples under `istio/examples` at work: a mesh of two regions with two zones each, whose gateways have what a real istiod sent to
//! real gateways for these manifests. What a replay changes of it says [`test_harness::istio`].

#[path = "istio/analyze.rs"]
mod analyze;
#[path = "istio/clients.rs"]
mod clients;
#[path = "istio/istiod.rs"]
mod istiod;
#[path = "istio/recordings.rs"]
mod recordings;
#[path = "istio/separate.rs"]
mod separate;

use clients::{FAILOVER, LIES, NEAREST, REGIONS, health, region_of, settled, telling, zone_of};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use test_harness::istio::{Mesh, Module, mesh::Plan};
use test_harness::{Fault, Region, eventually, eventually_equals, places::*};

/// The examples of one mesh over all regions.
const ONE_MESH: [&str; 3] = ["t1", "traffic-extension", "gateway-api"];

/// The zones of a region, the one of its gateway first: what istiod prefers where nobody has steered.
fn zones(mesh: &Mesh, region: &str) -> [String; 2] {
    let endpoints = mesh.received(region).endpoints.iter();
    let net = endpoints.clone().find(|it| it["cluster_name"] == "outbound|8080||shop.shop.svc.cluster.local").unwrap();
    let mut groups: Vec<_> = net["endpoints"].as_array().unwrap().iter().collect();
    groups.retain(|group| group["locality"]["region"] == region);
    groups.sort_by_key(|group| group["priority"].as_u64().unwrap_or_default());
    let zones: Vec<_> = groups.iter().map(|group| group["locality"]["zone"].as_str().unwrap().to_owned()).collect();
    zones.try_into().unwrap_or_else(|zones| panic!("{region} has {zones:?}"))
}

#[test]
fn the_nearest_region_serves_whichever_gateway_a_client_comes_to() {
    for example in ONE_MESH {
        let mesh = settled(Mesh::recorded(example));
        for gateway in REGIONS {
            for (place, region, decision) in NEAREST {
                let client = mesh.client(gateway).from(place);
                for (path, service) in [("/", "shop"), ("/basket/7", "basket")] {
                    let response = client.get(path);
                    let said = (response.decision(), response.seen_headers("x-greatcircle-region"));
                    let what = format!("{example}: {path} from {} at {gateway}", place.name);
                    assert_eq!(said, (decision.into(), vec![region.into()]), "{what}");
                    assert_eq!(region_of(&response), region, "{what}");
                    assert!(response.region.unwrap().starts_with(service), "{what}");
                }
            }
            let response = mesh.client(gateway).get("/");
            assert_eq!(
                response.decision(),
                format!("region={gateway};reason=noLocation;rank=1;via=fallback"),
                "{example}"
            );
            assert_eq!(zone_of(&response), zones(&mesh, gateway)[0], "{example}: the zone of its own");
        }
    }
}

/// A name misspelt in the filter's `health.cluster` or in the subsets shows here.
#[test]
fn every_gateway_probes_every_region_alone() {
    for example in ONE_MESH {
        let mesh = settled(Mesh::recorded(example));
        for gateway in REGIONS {
            for region in REGIONS {
                let outcomes =
                    mesh.envoy(gateway).metrics().sums("greatcircle_probes_total", &[("region", region)], &["outcome"]);
                for outcome in ["status", "timeout", "refused", "noHost", "noCluster"] {
                    assert!(!outcomes.contains_key(outcome), "{example}: {outcomes:?} of {region} at {gateway}");
                }
                eventually(&format!("probes in {region}"), || mesh.pods_in(region).any(|pod| pod.probe_count() > 0));
            }
        }
        mesh.pods_in("us-east").for_each(Region::kill);
        // A probe that could leave its region would find the other one's pods, and the dead one up.
        eventually_equals(&format!("{example}: us-east at eu-west"), Some(0), || health(&mesh, "eu-west", "us-east"));
    }
}

#[test]
fn a_region_that_is_killed_under_load_is_left_within_the_request_and_comes_back() {
    for example in ["t1", "gateway-api"] {
        for (gateway, dies, place, failover) in [
            ("eu-west", "eu-west", GENEVA, FAILOVER),
            ("us-east", "eu-west", GENEVA, FAILOVER),
            ("eu-west", "us-east", NEW_YORK, "region=eu-west;reason=failover;km=5115;rank=2;via=headers"),
        ] {
            let mesh = settled(Mesh::recorded(example));
            let nearest = NEAREST.iter().find(|(from, ..)| from.name == place.name).unwrap().2;
            mesh.eventually_decides(gateway, place, nearest);
            let load = mesh.load(gateway).from(place).rate(200).start();
            eventually("two hundred requests", || load.elapsed() > Duration::from_secs(1));
            let killed = load.elapsed();
            mesh.pods_in(dies).for_each(Region::kill);
            mesh.eventually_decides(gateway, place, failover);
            let decided = load.elapsed();
            eventually("a second of it", || load.elapsed() > decided + Duration::from_secs(1));
            mesh.pods_in(dies).for_each(Region::restart);
            mesh.eventually_decides(gateway, place, nearest);
            let report = load.stop();
            println!(
                "{example}: {dies} killed, seen from {gateway}, at {:.0} requests/s: {} of {} failed; decided elsewhere after {:.1} s; slowest {:.2} s",
                report.rate(),
                report.failures().len(),
                report.samples.len(),
                (decided - killed).as_secs_f64(),
                report.latency(1.0).as_secs_f64(),
            );
            // Not none: in the instant in which a worker learns that a priority has lost its last endpoint, a retry may be sent there
            // (`no healthy upstream`). Routes of the Gateway API do not repeat what was under way.
            assert!(report.failures().len() <= report.samples.len() / 200, "{example}: {:?}", report.failures());
        }
    }
}

#[test]
fn a_zone_that_dies_leaves_its_region_to_the_other_zone() {
    for example in ONE_MESH {
        let mesh = settled(Mesh::recorded(example));
        let [zone, other] = zones(&mesh, "eu-west");
        mesh.pods_in(&zone).for_each(Region::kill);
        // Whatever the probes see of it: requests are tried again in the other zone, and then go there.
        for _ in 0..20 {
            let response = mesh.client("eu-west").from(GENEVA).get("/");
            assert_eq!(
                (response.status, zone_of(&response)),
                (200, other.as_str()),
                "{example}: {}",
                response.decision()
            );
        }
    }
}

/// Nobody but the probes notices. Each pod of the dead zone costs one of them, and three failures would take the region down.
#[test]
fn a_zone_that_dies_unseen_does_not_take_its_region_down() {
    let mesh = settled(Mesh::recorded("t1"));
    let [zone, other] = zones(&mesh, "eu-west");
    mesh.pods_in(&zone).for_each(Region::kill);
    let probes = || mesh.pods_in(&other).map(Region::probe_count).sum::<usize>();
    let before = probes();
    eventually(&format!("probes in {other}"), || probes() >= before + 3);
    let down = [("region", "eu-west"), ("to", "down")];
    let down = mesh.envoy("eu-west").metrics().sample("greatcircle_transitions_total", &down);
    assert_eq!(down, None, "eu-west lives on in {other}");
}

#[test]
fn without_the_filter_traffic_stays_in_the_mesh_near_zones_first() {
    for (how, plan) in without_filter("t1") {
        let mesh = plan.start();
        for gateway in REGIONS {
            let [zone, _] = zones(&mesh, gateway);
            // Far away or near: nobody looks at the place.
            for place in [GENEVA, NEW_YORK] {
                let response = mesh.client(gateway).from(place).get("/");
                assert_eq!((response.decision().as_str(), zone_of(&response)), ("", zone.as_str()), "{how}");
            }
        }
        let [zone, other] = zones(&mesh, "eu-west");
        for (dies, next) in [(zone, other.clone()), (other, "us-east".into())] {
            mesh.pods_in(&dies).for_each(Region::kill);
            // Envoy tells its workers once a second whom outlier detection has put out: until then some retries run out.
            eventually(&format!("{how}: twenty requests in a row for {next}"), || {
                let served = (0..20).map(|_| zone_of(&mesh.client("eu-west").get("/")).to_owned());
                let elsewhere: BTreeSet<_> = served.filter(|zone| !zone.starts_with(&next)).collect();
                if elsewhere.is_empty() { Ok(()) } else { Err(elsewhere) }
            });
        }
    }
}

#[test]
fn a_client_that_names_its_region_is_not_heard_with_the_filter_and_without() {
    for example in ONE_MESH {
        let mesh = settled(Mesh::recorded(example));
        for lie in LIES {
            let response = telling(&mesh.client("eu-west").from(GENEVA), lie).get("/");
            assert_eq!(response.seen_headers("x-greatcircle-region"), ["eu-west"], "{example}: {lie:?}");
            assert_eq!(region_of(&response), "eu-west", "{example}: {lie:?}");
        }
        for (how, plan) in without_filter(example) {
            let mesh = plan.start();
            for lie in LIES {
                let response = telling(&mesh.client("eu-west"), lie).get("/");
                assert!(response.seen_headers("x-greatcircle-region").is_empty(), "{example}, {how}: {lie:?}");
                assert_eq!(region_of(&response), "eu-west", "{example}, {how}: {lie:?}");
            }
        }
    }
}

/// Only to show that the test before can fail: it is the EnvoyFilter that does it.
#[test]
fn without_filter_and_stripper_a_client_would_be_heard() {
    let mesh = Mesh::recorded("t1").without_filter(FILTER).without_filter("greatcircle.headers").start();
    let response = telling(&mesh.client("eu-west"), LIES[0]).get("/");
    assert_eq!(region_of(&response), "us-east");
}

#[test]
fn a_gateway_that_starts_with_a_wrong_configuration_serves_unsteered() {
    let mesh = Mesh::recorded("t1").configuration(json!({"regions": []})).start();
    for gateway in REGIONS {
        let response = telling(&mesh.client(gateway).from(GENEVA), LIES[0]).get("/");
        assert_eq!((response.status, region_of(&response), response.decision().as_str()), (200, gateway, ""));
        let refused =
            || mesh.envoy(gateway).metrics().sample("greatcircle_config_rejected_total", &[]).unwrap_or_default();
        eventually("the metric", || refused() > 0);
    }
}

#[test]
fn a_wrong_update_under_load_changes_nothing_and_a_right_one_costs_nothing() {
    let mesh = settled(Mesh::recorded("t1"));
    mesh.eventually_decides("eu-west", GENEVA, NEAREST[0].2);
    let load = mesh.load("eu-west").from(GENEVA).rate(200).start();
    mesh.reconfigure("eu-west", json!({"regions": "none"}));
    let refused =
        || mesh.envoy("eu-west").metrics().sample("greatcircle_config_rejected_total", &[]).unwrap_or_default();
    eventually("the wrong one is refused", || refused() > 0);
    mesh.eventually_decides("eu-west", GENEVA, NEAREST[0].2);
    // The other way round: Geneva is now next to us-east.
    mesh.reconfigure(
        "eu-west",
        json!({"regions": [
            {"name": "eu-west", "latitude": 39.04, "longitude": -77.49},
            {"name": "us-east", "latitude": 53.35, "longitude": -6.26},
        ]}),
    );
    mesh.eventually_decides("eu-west", GENEVA, "region=us-east;reason=nearest;km=1191;rank=1;via=headers");
    let report = load.stop();
    println!("{} requests, {} failed", report.samples.len(), report.failures().len());
    assert!(report.failures().is_empty(), "{:?}", report.failures());
}

#[test]
fn a_region_that_answers_503_is_left() {
    let mesh = settled(Mesh::recorded("t1"));
    mesh.pods_in("eu-west").for_each(|pod| pod.fails_with(Fault::Status(503)));
    mesh.eventually_decides("eu-west", GENEVA, FAILOVER);
    assert_eq!(region_of(&mesh.client("eu-west").from(GENEVA).get("/")), "us-east");
    mesh.pods_in("eu-west").for_each(Region::recovers);
    mesh.eventually_decides("eu-west", GENEVA, NEAREST[0].2);
}

#[test]
fn the_access_log_tells_the_decision() {
    let mesh = settled(Mesh::recorded("t1"));
    mesh.client("eu-west").from(GENEVA).header("x-request-id", "of-the-test").get("/in-the-log");
    let decision = NEAREST[0].2;
    let expected = format!(
        "] GET shop.example.com /in-the-log 200 flags=- region=eu-west reason=nearest km=1191 decision=\"{decision}\" \
         route=shop-eu-west-safe cluster=outbound|8080|eu-west|shop.shop.svc.cluster.local; host=127.0.0.1:"
    );
    eventually(&expected, || {
        let log = mesh.envoy("eu-west").access_log();
        if log.lines().any(|line| line.starts_with("[20") && line.contains(&expected)) { Ok(()) } else { Err(log) }
    });
}

/// By the rules that istio-agent writes for `extraStatTags`.
#[test]
fn metrics_have_labels() {
    let mesh = settled(Mesh::recorded("t1"));
    mesh.client("eu-west").from(GENEVA).get("/");
    let decided = [("region", "eu-west"), ("reason", "nearest")];
    eventually("a decision counted", || {
        mesh.envoy("eu-west").metrics().sample("greatcircle_decisions_total", &decided)
    });
}

#[test]
fn a_host_of_nobody_is_not_served() {
    let mesh = settled(Mesh::recorded("t1"));
    let response = mesh.client_of_port("eu-west", 443).header("host", "other.example.com").from(GENEVA).get("/");
    assert_eq!((response.status, response.region), (404, None));
}

/// The beginning of its name under every API and version.
const FILTER: &str = "extensions.istio.io/";

/// The ways in which a gateway comes to be without the filter.
fn without_filter(example: &str) -> [(&'static str, Plan); 2] {
    [
        ("not applied", Mesh::recorded(example).without_filter(FILTER)),
        ("not to be had", Mesh::recorded(example).module(Module::CannotBeHad)),
    ]
}
