//! What the gateway believes about the regions: the gauges that the filter keeps for its operators.

use anyhow::{Context, Result};
use greatcircle::health::Health;
use std::collections::BTreeMap;
use test_harness::{Metrics, World};

/// The health of each region that the gateway has looked at yet, by its name.
///
/// # Errors
/// If Envoy is gone.
pub(super) fn healths(world: &World) -> Result<BTreeMap<String, Health>> {
    Ok(healths_in(&world.envoy().try_metrics().context("Envoy is gone")?))
}

fn healths_in(metrics: &Metrics) -> BTreeMap<String, Health> {
    let gauges = metrics.of("greatcircle_region_health");
    gauges.filter_map(|gauge| Some((gauge.label("region").to_owned(), health(gauge.value)?))).collect()
}

fn health(value: f64) -> Option<Health> {
    [Health::Down, Health::Up, Health::Unknown].into_iter().find(|health| health.gauge() as f64 == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_labelled_with_its_region_and_tells_its_health() {
        let scrape = "greatcircle_region_health{region=\"eu-west\"} 1\ngreatcircle_region_health{region=\"oceania\"} 0\n\
            greatcircle_region_health{region=\"us-east\"} 2\ngreatcircle_region_health{region=\"mars\"} 3\n\
            greatcircle_decisions_total{region=\"eu-north\",reason=\"nearest\"} 1\n";
        let expected = [("eu-west", Health::Up), ("oceania", Health::Down), ("us-east", Health::Unknown)];
        assert_eq!(
            healths_in(&Metrics::parse(scrape)),
            expected.map(|(name, health)| (name.to_owned(), health)).into()
        );
    }
}
