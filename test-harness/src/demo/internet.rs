//! The gateway as it would stand on the internet, and all that it may know about its clients.
//!
//! A second listener of the same Envoy, because the first one is envoy.yaml's and believes everybody.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::SocketAddr;
use test_harness::World;
use test_harness::places::*;

/// The second listener.
pub(super) const LISTENER: &str = "internet";

/// What the edge sends along with its geo headers, and nobody else can.
pub(super) const SECRET: (&str, &str) = ("x-edge-auth", "s3cret");

/// The world of envoy.yaml with that listener, a load balancer that tells clients' addresses, and a lookup service.
///
/// # Errors
/// If something does not start.
pub(super) fn start_world() -> Result<World> {
    // A machine that is busy with other things must not make an answer late: in earnest the default of 200 ms is enough.
    let patient = json!({"timeout": "5s"});
    let world = World::from_envoy_yaml().trusted_hops(1).lookup_service(patient).try_start()?;
    let service = world.lookup();
    service.knows("45.10.20.0/24", NAIROBI, "KE");
    service.knows("45.50.60.0/24", LOS_ANGELES, "US");
    service.answers("45.30.40.0/24", &json!({"ip": "{ip}", "country": "LK"}));
    world.add_listener(LISTENER, configuration());
    Ok(world)
}

/// Where the second listener is.
///
/// # Errors
/// If it is gone.
pub(super) fn address(world: &World) -> Result<SocketAddr> {
    world.envoy().listener(LISTENER).with_context(|| format!("Envoy has no listener {LISTENER}"))
}

/// What its filter is told other than envoy.yaml's.
fn configuration() -> Value {
    let (header, secret) = SECRET;
    let office = json!({
        "cidr": "10.20.0.0/16", "latitude": BOGOTA.latitude, "longitude": BOGOTA.longitude, "country": "CO",
    });
    json!({"clientLocation": {
        "trust": {"any": null, "header": header, "equals": secret},
        "networks": [office],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use greatcircle::client::source::Source;
    use greatcircle::config::{Config, Gateway};
    use test_harness::bootstrap::Bootstrap;

    #[test]
    fn the_filter_takes_the_configuration_and_believes_the_edge_only() {
        let file = Bootstrap::from_file().unwrap().with_filter(&configuration());
        let config = Config::from_json(file.filter().to_string().as_bytes(), Gateway::UNKNOWN).unwrap();
        let trust = &config.client.trust;
        let header = |value: &str| [(SECRET.0.to_owned(), value.as_bytes().to_vec())];
        assert!(trust.covers(&header(SECRET.1), Source::default()));
        assert!(!trust.covers(&header("guess"), Source::default()) && !trust.covers(&[], Source::default()));
        assert!(config.client.networks.find([10, 20, 0, 5].into()).is_some());
    }
}
