//! Separate meshes (T2): each region behind its own gateway, on a port without the filter that only gateways may use.

use crate::clients::{NEAREST, REGIONS, region_of, telling};
use test_harness::istio::Mesh;
use test_harness::{Region, places::*};

const SEPARATE: [&str; 2] = ["t2", "t2-traffic-extension"];
const BETWEEN_REGIONS: u16 = 15444;

#[test]
fn the_nearest_region_serves_and_nobody_decides_twice() {
    for example in SEPARATE {
        let mesh = Mesh::recorded(example).start();
        for gateway in REGIONS {
            let other = REGIONS.into_iter().find(|region| *region != gateway).unwrap();
            let decided =
                || mesh.envoy(other).metrics().sums("greatcircle_decisions_total", &[], &["region", "reason"]);
            let before = decided();
            for (place, region, decision) in NEAREST {
                mesh.eventually_decides(gateway, place, decision);
                let response = mesh.client(gateway).from(place).get("/");
                assert_eq!(region_of(&response), region, "{example}: {} at {gateway}", place.name);
                assert_eq!(
                    response.seen_headers("x-greatcircle-decision"),
                    [decision],
                    "{example}: it reaches the service"
                );
            }
            assert_eq!(decided(), before, "{example}: what {gateway} has decided, {other} does not decide again");
        }
    }
}

#[test]
fn a_region_that_dies_is_left_within_the_request() {
    for example in SEPARATE {
        let mesh = Mesh::recorded(example).start();
        for gateway in REGIONS {
            mesh.eventually_decides(gateway, NEW_YORK, NEAREST[2].2);
        }
        mesh.pods_in("us-east").for_each(Region::kill);
        // Before any probe knows.
        let response = mesh.client("eu-west").from(NEW_YORK).get("/");
        assert_eq!((response.status, region_of(&response)), (200, "eu-west"), "{example}");
        for gateway in REGIONS {
            mesh.eventually_decides(gateway, NEW_YORK, "region=eu-west;reason=failover;km=5115;rank=2;via=headers");
            assert_eq!(region_of(&mesh.client(gateway).from(NEW_YORK).get("/")), "eu-west", "{example}: at {gateway}");
        }
    }
}

/// With the certificate of somebody else in the mesh, and real mutual TLS: the handshake succeeds, the request does not.
#[test]
fn the_port_between_regions_is_for_gateways_alone() {
    let somebody = "spiffe://cluster.local/ns/shop/sa/shop";
    let mesh = Mesh::recorded("t2").identity("eu-west", somebody).start();
    let response = mesh.client("eu-west").from(NEW_YORK).get("/");
    assert_eq!((response.status, response.region), (403, None));
    // And nobody gets in without TLS.
    let plain = mesh.client_of_port("us-east", BETWEEN_REGIONS).header("host", "shop.example.com");
    assert!(telling(&plain, &[]).try_request("GET", "/", b"").is_err());
}
