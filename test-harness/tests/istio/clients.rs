//! Clients of the examples, and what is decided for them.

use test_harness::istio::{Mesh, mesh::Plan};
use test_harness::{Client, Place, Response, eventually_equals, places::*};

/// The regions of the examples: each has a gateway.
pub(crate) const REGIONS: [&str; 2] = ["eu-west", "us-east"];

/// Clients, and what is decided for them as long as nothing fails, whichever gateway they come to.
pub(crate) const NEAREST: [(Place, &str, &str); 4] = [
    (GENEVA, "eu-west", "region=eu-west;reason=nearest;km=1191;rank=1;via=headers"),
    (LAGOS, "eu-west", "region=eu-west;reason=nearest;km=5280;rank=1;via=headers"),
    (NEW_YORK, "us-east", "region=us-east;reason=nearest;km=350;rank=1;via=headers"),
    (LIMA, "us-east", "region=us-east;reason=nearest;km=5681;rank=1;via=headers"),
];

/// What a client in Geneva gets while eu-west is down.
pub(crate) const FAILOVER: &str = "region=us-east;reason=failover;km=6566;rank=2;via=headers";

/// What a client says who wants to choose for itself.
pub(crate) const LIES: [&[(&str, &str)]; 5] = [
    &[("x-greatcircle-region", "us-east")],
    &[("X-Greatcircle-Region", "us-east")],
    &[("x-greatcircle-region", "us-east"), ("x-greatcircle-region", "eu-west")],
    &[("x-greatcircle-region", "nowhere")],
    &[("x-greatcircle-region", "")],
];

/// Until every gateway has seen every region.
pub(crate) fn settled(plan: Plan) -> Mesh {
    let mesh = plan.start();
    for gateway in REGIONS {
        for region in REGIONS {
            eventually_equals(&format!("health of {region} at {gateway}"), Some(1), || health(&mesh, gateway, region));
        }
    }
    mesh
}

/// What a gateway's gauge says of a region.
pub(crate) fn health(mesh: &Mesh, gateway: &str, region: &str) -> Option<u64> {
    mesh.envoy(gateway).metrics().sample("greatcircle_region_health", &[("region", region)])
}

pub(crate) fn telling(client: &Client, headers: &[(&str, &str)]) -> Client {
    headers.iter().fold(client.clone(), |client, (name, value)| client.header(name, value))
}

/// The zone that served: pods say "shop in eu-west-1a".
pub(crate) fn zone_of(response: &Response) -> &str {
    response.region.as_deref().and_then(|pod| pod.rsplit_once(' ')).map_or("", |(_, zone)| zone)
}

/// Its region.
pub(crate) fn region_of(response: &Response) -> &str {
    zone_of(response).rsplit_once('-').map_or("", |(region, _)| region)
}
