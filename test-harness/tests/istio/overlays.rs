//! The overlays of `istio/base`: other resources for the same, and separate meshes.

use crate::two_regions::{GATEWAYS, LIES, NEAREST, kustomized, region_of, settled, telling, two_regions};
use test_harness::istio::mesh::Plan;
use test_harness::{Region, places::*};

#[test]
fn the_other_forms_of_the_manifests_do_the_same() {
    for overlay in ["istio/overlays/traffic-extension", "istio/overlays/gateway-api"] {
        let mesh = settled(two_regions(kustomized(overlay)));
        for (place, region, decision) in NEAREST {
            let response = telling(&mesh.client("eu-west").from(place), LIES[0]).get("/");
            assert_eq!(
                (response.decision().as_str(), region_of(&response)),
                (decision, region),
                "{overlay}: {}",
                place.name
            );
        }
        mesh.pods_in("eu-west").for_each(Region::kill);
        mesh.eventually_decides("eu-west", GENEVA, "region=us-east;reason=failover;km=6566;rank=2;via=headers");
        assert_eq!(region_of(&mesh.client("eu-west").from(GENEVA).get("/")), "us-east", "{overlay}");
        mesh.pods_in("eu-west").for_each(Region::restart);
        mesh.eventually_decides("eu-west", GENEVA, NEAREST[0].2);
    }
}

#[test]
fn of_separate_meshes_the_nearest_serves_as_well() {
    let mesh = separate_meshes().start();
    for (gateway, _, _, other) in GATEWAYS {
        let decided = || mesh.envoy(other).metrics().sums("greatcircle_decisions_total", &[], &["region", "reason"]);
        let before = decided();
        for (place, region, decision) in NEAREST {
            mesh.eventually_decides(gateway, place, decision);
            assert_eq!(region_of(&mesh.client(gateway).from(place).get("/")), region, "{} at {gateway}", place.name);
        }
        assert_eq!(decided(), before, "what {gateway} has decided, {other} does not decide again");
    }
    mesh.pods_in("us-east").for_each(Region::kill);
    // Between gateways nobody decides: whatever the header says, this port leads to its own region or nowhere.
    let inter_region = telling(&mesh.client_of_port("us-east", 15444), &[("host", "shop.example.com")]).from(GENEVA);
    let response = inter_region.header("x-greatcircle-region", "eu-west").get("/");
    assert_eq!((response.status, response.region), (503, None));
    for (gateway, ..) in GATEWAYS {
        mesh.eventually_decides(gateway, NEW_YORK, "region=eu-west;reason=failover;km=5115;rank=2;via=headers");
        assert_eq!(region_of(&mesh.client(gateway).from(NEW_YORK).get("/")), "eu-west", "at {gateway}");
    }
}

/// In separate meshes, each behind its own gateway.
fn separate_meshes() -> Plan {
    two_regions(kustomized("istio/overlays/t2"))
        .separate()
        .address("192.0.2.10", "eu-west")
        .address("192.0.2.20", "us-east")
}
