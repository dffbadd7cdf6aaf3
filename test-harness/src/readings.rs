//! What a world's gateway counts, by the names and labels that its operators see.

use crate::world::World;
use std::collections::BTreeMap;

impl World {
    /// The value of the series with exactly these labels; `None` while it does not exist.
    #[track_caller]
    pub fn sample(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        self.envoy.metrics().sample(name, labels)
    }

    /// The sum of all series of this metric for each value of a label.
    #[track_caller]
    pub fn sum(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        self.envoy.metrics().sum(name, label)
    }

    /// The sum of the series with the labels `only` for each combination of the labels `by`: see
    /// [`Metrics::sums`](crate::Metrics::sums).
    #[track_caller]
    pub fn sums(&self, name: &str, only: &[(&str, &str)], by: &[&str]) -> BTreeMap<String, u64> {
        self.envoy.metrics().sums(name, only, by)
    }

    /// What the gauge says of a region's health: 0 down, 1 up, 2 unknown; `None` before anybody has looked.
    #[track_caller]
    pub fn health(&self, region: &str) -> Option<u64> {
        self.sample("greatcircle_region_health", &[("region", region)])
    }

    /// How many probes of a region ended in each way.
    #[track_caller]
    pub fn probes(&self, region: &str) -> BTreeMap<String, u64> {
        self.sums("greatcircle_probes_total", &[("region", region)], &["outcome"])
    }

    /// How many transitions there were: "region state".
    #[track_caller]
    pub fn transitions(&self) -> BTreeMap<String, u64> {
        self.sums("greatcircle_transitions_total", &[], &["region", "to"])
    }

    /// How many requests were decided on: "region reason".
    #[track_caller]
    pub fn decisions(&self) -> BTreeMap<String, u64> {
        self.sums("greatcircle_decisions_total", &[], &["region", "reason"])
    }

    /// How many lookups ended in each way, those that were not made among them.
    #[track_caller]
    pub fn lookups(&self) -> BTreeMap<String, u64> {
        self.sum("greatcircle_lookups_total", "outcome")
    }

    /// How many requests had geo headers that were ignored, by the reason why.
    #[track_caller]
    pub fn ignored_geo_headers(&self) -> BTreeMap<String, u64> {
        self.sum("greatcircle_geo_headers_ignored_total", "why")
    }
}
