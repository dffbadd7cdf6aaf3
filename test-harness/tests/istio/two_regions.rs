//! Two regions with two zones each, a gateway in each region, and clients of them.

use serde_json::json;
use test_harness::istio::{Manifests, Mesh, mesh::Plan};
use test_harness::{Client, Place, Response, eventually_equals, places::*};

/// Clients, and what is decided for them as long as nothing fails, whichever gateway they come to.
pub(crate) const NEAREST: [(Place, &str, &str); 4] = [
    (GENEVA, "eu-west", "region=eu-west;reason=nearest;km=1191;rank=1;via=headers"),
    (LAGOS, "eu-west", "region=eu-west;reason=nearest;km=5280;rank=1;via=headers"),
    (NEW_YORK, "us-east", "region=us-east;reason=nearest;km=350;rank=1;via=headers"),
    (LIMA, "us-east", "region=us-east;reason=nearest;km=5681;rank=1;via=headers"),
];

/// A gateway's region, its zone, the other zone there, and the other region.
pub(crate) const GATEWAYS: [(&str, &str, &str, &str); 2] =
    [("eu-west", "eu-west-1a", "eu-west-1b", "us-east"), ("us-east", "us-east-1a", "us-east-1b", "eu-west")];

/// What a client says who wants to choose for itself.
pub(crate) const LIES: [&[(&str, &str)]; 5] = [
    &[("x-greatcircle-region", "us-east")],
    &[("X-Greatcircle-Region", "us-east")],
    &[("x-greatcircle-region", "us-east"), ("x-greatcircle-region", "eu-west")],
    &[("x-greatcircle-region", "nowhere")],
    &[("x-greatcircle-region", "")],
];

pub(crate) fn base() -> Manifests {
    kustomized("istio/base")
}

/// As it is, but for whose geo headers are believed: that is every operator's own, and here anybody's.
pub(crate) fn kustomized(directory: &str) -> Manifests {
    let manifests = Manifests::kustomized(directory).unwrap_or_else(|error| panic!("{error:#}"));
    let trust = json!({"pluginConfig": {"clientLocation": {"trust": {"peers": null, "any": true}}}});
    match manifests.has("TrafficExtension") {
        true => manifests.patched("TrafficExtension", "greatcircle", &json!({"spec": {"wasm": trust}})),
        false => manifests.patched("WasmPlugin", "greatcircle", &json!({"spec": trust})),
    }
}

pub(crate) fn two_regions(manifests: Manifests) -> Plan {
    GATEWAYS.into_iter().fold(Mesh::of(manifests), |plan, (region, zone, other_zone, _)| {
        // Two in the gateway's own zone, so that trying the next pod is not yet trying the next zone.
        plan.pod(region, zone).pod(region, zone).pod(region, other_zone).gateway(region, zone)
    })
}

/// Until every gateway has seen every region: whichever starts first finds the other one missing.
pub(crate) fn settled(plan: Plan) -> Mesh {
    let mesh = plan.start();
    for (gateway, ..) in GATEWAYS {
        for (region, ..) in GATEWAYS {
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

/// The region of the zone that served.
pub(crate) fn region_of(response: &Response) -> &str {
    response.region.as_deref().and_then(|zone| zone.rsplit_once('-')).map_or("", |(region, _)| region)
}
