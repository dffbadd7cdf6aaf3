//! What happened, as metrics and log lines; one function per event.
//!
//! Metrics are defined when they first count, so that a thousand regions do not mean ten thousand idle ones. Their names
//! derive from the configuration and from enums, never from what a client sends.

use crate::client::Reading;
use crate::client::lookup;
use crate::client::lookup::desk::Refusal;
use crate::config::Problem;
use crate::health::Health;
use crate::probe::Outcome;
use crate::region::{RegionId, Regions};
use crate::steering::{Decision, Reason};
use once_cell::unsync::OnceCell;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{MetricType, Status};

/// The metrics of one configuration.
#[derive(Default)]
pub(super) struct Telemetry {
    names: Vec<String>,
    regions: Vec<RegionMetrics>,
    rejected: Metric,
    invalid: Metric,
    untrusted: Metric,
    lookups: [Metric; lookup::Outcome::ALL.len()],
    cached: Metric,
    refused: [Metric; 2],
}

/// The metrics of one region, in the order of the enums' variants.
#[derive(Default)]
struct RegionMetrics {
    decisions: [Metric; Reason::ALL.len()],
    probes: [Metric; Outcome::ALL.len()],
    transitions: [Metric; 3],
    health: Metric,
}

/// A metric that is defined when it is first used.
#[derive(Default)]
struct Metric(OnceCell<u32>);

impl Metric {
    fn increment(&self, name: impl FnOnce() -> String) {
        if let Ok(id) = self.id(MetricType::Counter, name) {
            let _ = hostcalls::increment_metric(id, 1);
        }
    }

    fn record(&self, value: u64, name: impl FnOnce() -> String) {
        if let Ok(id) = self.id(MetricType::Gauge, name) {
            let _ = hostcalls::record_metric(id, value);
        }
    }

    fn id(&self, kind: MetricType, name: impl FnOnce() -> String) -> Result<u32, Status> {
        self.0.get_or_try_init(|| hostcalls::define_metric(kind, &format!("greatcircle.{}", name()))).copied()
    }
}

impl Telemetry {
    pub(super) fn new(regions: &Regions) -> Self {
        let names: Vec<_> = regions.iter().map(|(_, region)| region.name().to_owned()).collect();
        let metrics = names.iter().map(|_| RegionMetrics::default()).collect();
        Self { names, regions: metrics, ..Self::default() }
    }

    /// A request was steered.
    pub(super) fn decided(&self, decision: &Decision) {
        let reason = decision.reason;
        match decision.region.and_then(|region| self.of(region)) {
            Some((name, metrics)) => {
                count(&metrics.decisions, Some(reason as usize), || format!("decisions.{name}.{}", reason.name()))
            }
            None => self.rejected.increment(|| format!("decisions.none.{}", reason.name())),
        }
    }

    /// A request's headers were read.
    pub(super) fn read(&self, reading: &Reading<'_>) {
        if !reading.untrusted.is_empty() {
            self.untrusted.increment(|| "geoHeaders.untrusted".to_owned());
        }
        if reading.malformed {
            self.invalid.increment(|| "geoHeaders.invalid".to_owned());
        }
    }

    /// A lookup ended.
    pub(super) fn looked_up(&self, outcome: lookup::Outcome) {
        let index = lookup::Outcome::ALL.iter().position(|other| *other == outcome);
        count(&self.lookups, index, || format!("lookups.{}", outcome.name()));
    }

    /// An answer was there already.
    pub(super) fn cached(&self) {
        self.cached.increment(|| "lookups.cached".to_owned());
    }

    /// A request went on without a lookup.
    pub(super) fn not_looked_up(&self, why: Refusal) {
        count(&self.refused, Some(why as usize), || format!("lookups.{}", why.name()));
    }

    /// A probe ended.
    pub(super) fn probed(&self, region: RegionId, outcome: Outcome) {
        if let Some((name, metrics)) = self.of(region) {
            let index = Outcome::ALL.iter().position(|other| *other == outcome);
            count(&metrics.probes, index, || format!("probes.{name}.{}", outcome.name()));
        }
    }

    /// A region's health changed, and this instance is the one that found out.
    pub(super) fn changed(&self, region: RegionId, from: Health, to: Health, cause: &str) {
        if let Some((name, metrics)) = self.of(region) {
            // A warning in both directions: Istio shows nothing below it, and a recovery matters as much as a failure.
            log::warn!("greatcircle event=health region={name} from={} to={} cause={cause}", from.name(), to.name());
            count(&metrics.transitions, Some(to as usize), || format!("transitions.{name}.{}", to.name()));
        }
    }

    /// This is how healthy a region is now.
    pub(super) fn health(&self, region: RegionId, health: Health) {
        if let Some((name, metrics)) = self.of(region) {
            metrics.health.record(health.gauge(), || format!("region.{name}.health"));
        }
    }

    /// A region's probe could not be sent, because Envoy has no such cluster.
    pub(super) fn no_cluster(&self, region: RegionId, cluster: &str) {
        if let Some((name, _)) = self.of(region) {
            log::warn!("greatcircle event=noCluster region={name} cluster={cluster:?}");
        }
    }

    /// This instance probes regions that another one used to probe.
    pub(super) fn took_over(&self, regions: usize) {
        log::info!("greatcircle event=lease regions={regions}");
    }

    fn of(&self, region: RegionId) -> Option<(&str, &RegionMetrics)> {
        self.names.get(region.index()).map(String::as_str).zip(self.regions.get(region.index()))
    }
}

fn count(metrics: &[Metric], index: Option<usize>, name: impl FnOnce() -> String) {
    if let Some(metric) = index.and_then(|index| metrics.get(index)) {
        metric.increment(name);
    }
}

/// A configuration was refused.
pub(super) fn config_rejected(problems: &[Problem]) {
    Metric::default().increment(|| "config.rejected".to_owned());
    for problem in problems {
        log::error!("greatcircle event=configRejected {problem}");
    }
}

/// A configuration is in force on this worker.
pub(super) fn config_accepted(regions: &Regions, local_region: Option<RegionId>) {
    let local = local_region.and_then(|region| regions.get(region)).map_or("none", |region| region.name());
    log::info!(
        "greatcircle event=configured version={} regions={} localRegion={local}",
        env!("CARGO_PKG_VERSION"),
        regions.len()
    );
}

/// The shared table holds something else than a table of this version.
pub(super) fn table_unreadable(bytes: usize) {
    log::warn!("greatcircle event=tableUnreadable bytes={bytes}");
}
