//! How long the probes in force may take to notice that a region died or came back.

use anyhow::{Context, Result, bail};
use greatcircle::config::{Config, Gateway};
use greatcircle::probe::Check;
use std::fmt;
use std::time::Duration;
use test_harness::bootstrap::Bootstrap;

/// The part of a region's `health` block that time depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probing(Check);

impl Probing {
    /// What `bootstrap` says for this region, as the filter itself reads it.
    ///
    /// # Errors
    /// If the filter would refuse the configuration, or has no such region.
    pub(super) fn of(region: &str, bootstrap: &Bootstrap) -> Result<Self> {
        let config = match Config::from_json(bootstrap.filter().to_string().as_bytes(), Gateway::UNKNOWN) {
            Ok(config) => config,
            Err(problems) => bail!("the filter's configuration in envoy/envoy.yaml: {problems:?}"),
        };
        let check = config.regions.iter().find(|(_, known)| known.name() == region).map(|(_, known)| known.check());
        check.cloned().map(Self).with_context(|| format!("envoy/envoy.yaml has no region {region}"))
    }

    /// From a region's death until no request is steered there any more.
    pub(super) fn to_leave(&self) -> Duration {
        self.after(self.0.thresholds.down_after)
    }

    /// From a region's return until requests are steered there again.
    pub(super) fn to_return(&self) -> Duration {
        self.after(self.0.thresholds.up_after)
    }

    /// The design's budget: the next probe, as many more as it takes, and the time that the last one may need.
    fn after(&self, results: u16) -> Duration {
        self.0.interval + self.0.edge_interval * u32::from(results) + self.0.timeout
    }
}

impl fmt::Display for Probing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { interval, edge_interval, timeout, thresholds, .. } = &self.0;
        write!(f, "interval {interval:?}, edgeInterval {edge_interval:?}, timeout {timeout:?}, ")?;
        write!(f, "downAfter {}, upAfter {}", thresholds.down_after, thresholds.up_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn probing(health: serde_json::Value) -> Probing {
        let file = Bootstrap::from_file().unwrap();
        Probing::of("oceania", &file.with_filter(&json!({"health": health}))).unwrap()
    }

    #[test]
    fn the_budget_is_the_next_probe_and_those_that_confirm_it() {
        let probing =
            probing(json!({"interval": "10s", "edgeInterval": "2s", "timeout": "500ms", "downAfter": 3, "upAfter": 1}));
        assert_eq!(probing.to_leave(), Duration::from_millis(16_500));
        assert_eq!(probing.to_return(), Duration::from_millis(12_500));
        assert_eq!(probing.to_string(), "interval 10s, edgeInterval 2s, timeout 500ms, downAfter 3, upAfter 1");
    }

    #[test]
    fn a_region_that_is_not_there_is_named() {
        let error = Probing::of("atlantis", &Bootstrap::from_file().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "envoy/envoy.yaml has no region atlantis");
    }
}
