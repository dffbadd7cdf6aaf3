//! What the gateway believes about the regions: the gauges that the filter keeps for its operators.
//!
//! Must never know: what is true of the regions.

use anyhow::{Context, Result};
use greatcircle::health::Health;
use std::collections::BTreeMap;
use test_harness::World;

const PREFIX: &str = "wasmcustom.greatcircle.region.";

/// The health of each region that the gateway has looked at yet, by its name.
///
/// # Errors
/// If Envoy is gone.
pub(super) fn healths(world: &World) -> Result<BTreeMap<String, Health>> {
    let gauges = world.envoy().try_stats(PREFIX).context("Envoy is gone")?;
    Ok(gauges.iter().filter_map(|(name, value)| Some((region(name)?.to_owned(), health(*value)?))).collect())
}

fn region(gauge: &str) -> Option<&str> {
    gauge.strip_prefix(PREFIX)?.strip_suffix(".health")
}

fn health(value: u64) -> Option<Health> {
    [Health::Down, Health::Up, Health::Unknown].into_iter().find(|health| health.gauge() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_named_after_its_region_and_counts_its_health() {
        assert_eq!(region("wasmcustom.greatcircle.region.eu-west.health"), Some("eu-west"));
        assert_eq!(region("wasmcustom.greatcircle.decisions.eu-west.nearest"), None);
        assert_eq!([0, 1, 2, 3].map(health), [Some(Health::Down), Some(Health::Up), Some(Health::Unknown), None]);
    }
}
