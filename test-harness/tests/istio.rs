//! The manifests of `istio/base` at work: two regions with two zones each, and a gateway in each region, to both of which the same
//! files are applied. What of Istio is imitated for that, and what is left out, says [`test_harness::istio`].

#[path = "istio/analyze.rs"]
mod analyze;
#[path = "istio/overlays.rs"]
mod overlays;
#[path = "istio/two_regions.rs"]
mod two_regions;

use serde_json::json;
use test_harness::istio::{Mesh, Module, manifests::mesh_config, mesh::Plan};
use test_harness::{Region, eventually, eventually_equals, places::*};
use two_regions::{GATEWAYS, LIES, NEAREST, base, health, region_of, settled, telling, two_regions};

#[test]
fn the_nearest_region_serves_whichever_gateway_a_client_comes_to() {
    let mesh = settled(two_regions(base()));
    for (gateway, ..) in GATEWAYS {
        for (place, region, decision) in NEAREST {
            let response = mesh.client(gateway).from(place).get("/");
            let said = (response.decision(), response.seen_headers("x-greatcircle-region"));
            assert_eq!(said, (decision.into(), vec![region.into()]), "{} at {gateway}", place.name);
            assert_eq!(region_of(&response), region, "{} at {gateway}", place.name);
        }
    }
}

#[test]
fn a_gateway_knows_from_its_node_which_region_is_its_own() {
    let mesh = settled(two_regions(base()));
    for (gateway, zone, ..) in GATEWAYS {
        let response = mesh.client(gateway).get("/");
        assert_eq!(response.decision(), format!("region={gateway};reason=noLocation;rank=1;via=fallback"));
        assert_eq!(response.region.as_deref(), Some(zone), "and in it the zone of its own");
    }
}

/// A name misspelt in the plugin's `health.cluster` or in the rule's subsets shows here.
#[test]
fn both_gateways_probe_every_region_by_the_route_that_requests_take() {
    let mesh = settled(two_regions(base()));
    for (gateway, _, _, other) in GATEWAYS {
        for region in [gateway, other] {
            eventually_equals(&format!("{region} is up at {gateway}"), Some(1), || health(&mesh, gateway, region));
            let outcomes =
                mesh.envoy(gateway).metrics().sums("greatcircle_probes_total", &[("region", region)], &["outcome"]);
            for outcome in ["status", "timeout", "refused", "noHost", "noCluster"] {
                assert!(!outcomes.contains_key(outcome), "{outcomes:?} of {region} at {gateway}");
            }
            eventually(&format!("probes in {region}"), || mesh.pods_in(region).any(|pod| pod.probe_count() > 0));
        }
    }
}

#[test]
fn a_region_that_dies_is_left_and_comes_back() {
    let mesh = settled(two_regions(base()));
    let decisions = |expected: &str| {
        GATEWAYS.iter().for_each(|(gateway, ..)| mesh.eventually_decides(gateway, GENEVA, expected));
    };
    decisions("region=eu-west;reason=nearest;km=1191;rank=1;via=headers");
    mesh.pods_in("eu-west").for_each(Region::kill);
    decisions("region=us-east;reason=failover;km=6566;rank=2;via=headers");
    for (gateway, ..) in GATEWAYS {
        assert_eq!(region_of(&mesh.client(gateway).from(GENEVA).get("/")), "us-east", "at {gateway}");
    }
    mesh.pods_in("eu-west").for_each(Region::restart);
    decisions("region=eu-west;reason=nearest;km=1191;rank=1;via=headers");
}

#[test]
fn a_zone_that_dies_leaves_its_region_to_the_other_zone() {
    let mesh = settled(two_regions(base()));
    for (gateway, zone, other_zone, _) in GATEWAYS {
        let place = if gateway == "eu-west" { GENEVA } else { NEW_YORK };
        let client = mesh.client(gateway).from(place);
        assert_eq!(client.get("/").region.as_deref(), Some(zone));
        mesh.pods_in(zone).for_each(Region::kill);
        // Whatever the probes see of it: requests are tried again in the other zone, and then go there.
        for _ in 0..20 {
            let response = client.get("/");
            assert_eq!(
                (response.status, response.region.as_deref()),
                (200, Some(other_zone)),
                "{}",
                response.decision()
            );
        }
    }
}

/// Nobody but the probes notices. They have to get to the other zone before they call the region dead, and do if the dead zone has
/// one pod (as in `istio/platform`). Each further one takes two more failures to be put out, and then the region is down for seconds.
#[test]
fn a_zone_that_dies_unseen_does_not_take_its_region_down() {
    let mesh = settled(GATEWAYS.into_iter().fold(Mesh::of(base()), |plan, (region, zone, other_zone, _)| {
        plan.pod(region, zone).pod(region, other_zone).gateway(region, zone)
    }));
    for (gateway, zone, other_zone, _) in GATEWAYS {
        mesh.pods_in(zone).for_each(Region::kill);
        let probes = || mesh.pods_in(other_zone).map(Region::probe_count).sum::<usize>();
        let before = probes();
        eventually(&format!("probes in {other_zone}"), || probes() >= before + 3);
        let down = [("region", gateway), ("to", "down")];
        let down = mesh.envoy(gateway).metrics().sample("greatcircle_transitions_total", &down);
        assert_eq!(down, None, "{gateway} lives on in {other_zone}");
    }
}

#[test]
fn without_the_filter_traffic_stays_in_the_mesh_near_zones_first() {
    for (how, plan) in without_filter() {
        let mesh = plan.start();
        for (gateway, zone, ..) in GATEWAYS {
            // Far away or near: nobody looks at the place.
            for place in [GENEVA, NEW_YORK] {
                let response = mesh.client(gateway).from(place).get("/");
                assert_eq!((response.decision().as_str(), response.region.as_deref()), ("", Some(zone)), "{how}");
            }
        }
        for (dies, next) in [("eu-west-1a", "eu-west-1b"), ("eu-west-1b", "us-east")] {
            mesh.pods_in(dies).for_each(Region::kill);
            // Envoy tells its workers once a second whom outlier detection has put out: until then some retries run out.
            eventually(&format!("{how}: twenty requests in a row for {next}"), || {
                let served = (0..20).map(|_| mesh.client("eu-west").get("/").region);
                let elsewhere: Vec<_> =
                    served.filter(|zone| !zone.as_deref().is_some_and(|zone| zone.starts_with(next))).collect();
                if elsewhere.is_empty() { Ok(()) } else { Err(elsewhere) }
            });
        }
    }
}

#[test]
fn a_client_that_names_its_region_is_not_heard() {
    let mesh = settled(two_regions(base()));
    for lie in LIES {
        let response = telling(&mesh.client("eu-west").from(GENEVA), lie).get("/");
        assert_eq!(response.seen_headers("x-greatcircle-region"), ["eu-west"], "{lie:?}");
        assert_eq!(region_of(&response), "eu-west", "{lie:?}");
    }
}

#[test]
fn a_client_that_names_its_region_is_not_heard_without_the_filter_either() {
    for (how, plan) in without_filter() {
        let mesh = plan.start();
        for lie in LIES {
            let response = telling(&mesh.client("eu-west"), lie).get("/");
            assert!(response.seen_headers("x-greatcircle-region").is_empty(), "{how}: {lie:?}");
            assert_eq!(region_of(&response), "eu-west", "{how}: {lie:?}");
        }
    }
}

/// Only to show that the test before can fail: it is the EnvoyFilter that does it.
#[test]
fn without_filter_and_stripper_a_client_would_be_heard() {
    let mesh = two_regions(base().without("WasmPlugin").without("EnvoyFilter")).start();
    let response = telling(&mesh.client("eu-west"), LIES[0]).get("/");
    assert_eq!(region_of(&response), "us-east");
}

#[test]
fn the_access_log_tells_the_decision() {
    let mesh = settled(two_regions(base()).mesh_config(mesh_config().unwrap()));
    let client = mesh.client("eu-west").from(GENEVA);
    client.get("/in-the-log");
    let decision = NEAREST[0].2;
    let expected = format!(
        "GET /in-the-log 200 flags=- region=eu-west reason=nearest km=1191 decision=\"{decision}\" route=eu-west \
         cluster=outbound|8080|eu-west|shop.shop.svc.cluster.local; host=127.0.0.1:"
    );
    eventually(&expected, || {
        let log = mesh.envoy("eu-west").access_log();
        if log.lines().any(|line| line.starts_with(&expected)) { Ok(()) } else { Err(log) }
    });
}

/// By these names runbooks and EnvoyFilters know them.
#[test]
fn listeners_routes_and_filters_have_the_names_that_istio_gives_them() {
    let mesh = two_regions(base()).start();
    let listener = &mesh.bootstrap("eu-west")["static_resources"]["listeners"][0];
    let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
    let filters = manager["http_filters"].as_array().unwrap().iter().map(|filter| filter["name"].as_str().unwrap());
    let expected = [
        "extensions.istio.io/trafficextension/istio-ingress.greatcircle~istio-translated-wasmplugin",
        "envoy.filters.http.grpc_stats",
        "envoy.filters.http.fault",
        "envoy.filters.http.cors",
        "envoy.filters.http.router",
    ];
    assert_eq!(filters.collect::<Vec<_>>(), expected);
    assert_eq!(
        (&listener["name"], &manager["route_config"]["name"]),
        (&json!("0.0.0.0_443"), &json!("https.443.https.public.istio-ingress"),)
    );
}

#[test]
fn a_host_of_nobody_is_not_served() {
    let mesh = settled(two_regions(base()));
    let response = mesh.client_of_port("eu-west", 443).header("host", "other.example.com").from(GENEVA).get("/");
    assert_eq!((response.status, response.region), (404, None));
}

/// The ways in which a gateway comes to be without the filter.
fn without_filter() -> [(&'static str, Plan); 2] {
    [
        ("not applied", two_regions(base().without("WasmPlugin"))),
        ("not to be had", two_regions(base()).module(Module::CannotBeHad)),
    ]
}
