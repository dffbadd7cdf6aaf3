//! What happened: the metric that counts it and the lines that log it, once for every host.
//!
//! Names and labels are bounded by the configuration and by enums: nothing that a client sends becomes part of one.

use crate::client::lookup::Outcome as LookupOutcome;
use crate::config::Problem;
use crate::health::Health;
use crate::probe::Outcome;
use crate::region::{RegionId, Regions};
use crate::steering::Decision;
use std::fmt;

/// Something that is counted or logged.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A worker uses a configuration.
    Configured {
        /// How many regions it has.
        regions: usize,
        /// Which of them is the gateway's own.
        local_region: Option<RegionId>,
        /// The configuration's hash.
        hash: u64,
    },
    /// A configuration was refused.
    Rejected(Vec<Problem>),
    /// The node's locality names a region that the configuration does not have.
    LocalityUnmatched(String),
    /// Whether the configuration with this hash is in force.
    InForce {
        /// The configuration's hash.
        hash: u64,
        /// Whether it is.
        in_force: bool,
    },
    /// This version of the filter runs.
    Built,
    /// A request was steered.
    Decided(Decision),
    /// Geo headers of a request were ignored.
    GeoHeadersIgnored(Ignored),
    /// A request wanted a lookup, or one has ended.
    LookedUp(LookupResult),
    /// A probe has ended.
    Probed {
        /// The region that was asked.
        region: RegionId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A region could not be probed, because Envoy has no such cluster.
    NoCluster {
        /// The region.
        region: RegionId,
    },
    /// A region's health has changed; told by whoever found out.
    HealthChanged {
        /// The region.
        region: RegionId,
        /// Its health before …
        from: Health,
        /// … and now.
        to: Health,
        /// Why.
        cause: &'static str,
    },
    /// A region's health is this.
    Health {
        /// The region.
        region: RegionId,
        /// Its health.
        health: Health,
    },
    /// No configuration has this region any more.
    RegionGone {
        /// Its name.
        name: String,
    },
    /// This worker probes regions that another one used to probe.
    LeasesTaken {
        /// How many.
        regions: usize,
    },
    /// The shared table is not of this version.
    TableUnreadable {
        /// How long it is.
        bytes: usize,
    },
}

/// Why geo headers of a request were ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// They would be believed, and hold something else than they should.
    Invalid,
    /// They are not to be believed.
    Untrusted,
}

/// What became of a lookup, or of a request that wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupResult {
    /// It was sent, and has ended.
    Ended(LookupOutcome),
    /// The answer was there.
    Cached,
    /// The service fails and is left alone.
    Paused,
    /// Too many are in flight or wait.
    Busy,
    /// The budget is spent.
    OverBudget,
}

/// A change of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The metric.
    pub family: Family,
    /// Which of the family's series, a number that is never used for another one under the same configuration; `None` where there
    /// is no such number.
    pub series: Option<usize>,
    /// What happens to it.
    pub change: Change,
}

/// What happens to a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A counter grows by one.
    Increment,
    /// A gauge has this value.
    Set(u64),
}

/// A metric with all of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `greatcircle_decisions_total{region, reason}`: requests.
    Decisions,
    /// `greatcircle_region_health{region}`: 0 down, 1 up, 2 unknown.
    RegionHealth,
    /// `greatcircle_probes_total{region, outcome}`.
    Probes,
    /// `greatcircle_transitions_total{region, to}`: changes of health.
    Transitions,
    /// `greatcircle_lookups_total{outcome}`.
    Lookups,
    /// `greatcircle_geo_headers_ignored_total{why}`: requests.
    GeoHeadersIgnored,
    /// `greatcircle_config_rejected_total`: refusals.
    ConfigRejected,
    /// `greatcircle_build_info{version}`: 1.
    BuildInfo,
    /// `greatcircle_config_info{hash}`: 1 while that configuration is in force.
    ConfigInfo,
}

/// A line of the log: `greatcircle event=<name>` and its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What happened.
    pub event: &'static str,
    /// The fields, in their order.
    pub fields: Vec<(&'static str, String)>,
    /// What is said in words.
    pub message: String,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know. Istio does not show it.
    Info,
    /// Somebody should know.
    Warning,
    /// Somebody has to act.
    Error,
}

impl Family {
    /// Every metric there is.
    pub const ALL: [Self; 9] = [
        Self::Decisions,
        Self::RegionHealth,
        Self::Probes,
        Self::Transitions,
        Self::Lookups,
        Self::GeoHeadersIgnored,
        Self::ConfigRejected,
        Self::BuildInfo,
        Self::ConfigInfo,
    ];

    /// The metric's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decisions => "greatcircle_decisions_total",
            Self::RegionHealth => "greatcircle_region_health",
            Self::Probes => "greatcircle_probes_total",
            Self::Transitions => "greatcircle_transitions_total",
            Self::Lookups => "greatcircle_lookups_total",
            Self::GeoHeadersIgnored => "greatcircle_geo_headers_ignored_total",
            Self::ConfigRejected => "greatcircle_config_rejected_total",
            Self::BuildInfo => "greatcircle_build_info",
            Self::ConfigInfo => "greatcircle_config_info",
        }
    }

    /// The names of its labels.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Decisions => &["region", "reason"],
            Self::RegionHealth => &["region"],
            Self::Probes => &["region", "outcome"],
            Self::Transitions => &["region", "to"],
            Self::Lookups => &["outcome"],
            Self::GeoHeadersIgnored => &["why"],
            Self::ConfigRejected => &[],
            Self::BuildInfo => &["version"],
            Self::ConfigInfo => &["hash"],
        }
    }
}

impl Event {
    /// The metric that this event changes, if there is one.
    #[inline]
    pub fn metric(&self) -> Option<Metric> {
        let counted = |family, series| Some(Metric { family, series: Some(series), change: Change::Increment });
        let set = |family, series, value| Some(Metric { family, series, change: Change::Set(value) });
        match self {
            Self::Decided(decision) => {
                // Requests that go nowhere come first.
                let region = decision.region().map_or(0, |region| region.index() + 1);
                counted(Family::Decisions, region * Decision::REASONS.len() + decision.index())
            }
            Self::GeoHeadersIgnored(why) => counted(Family::GeoHeadersIgnored, *why as usize),
            Self::LookedUp(result) => counted(Family::Lookups, result.index()),
            Self::Probed { region, outcome } => {
                counted(Family::Probes, region.index() * Outcome::ALL.len() + outcome.index())
            }
            Self::HealthChanged { region, to, .. } => {
                counted(Family::Transitions, region.index() * Health::ALL.len() + *to as usize)
            }
            Self::Health { region, health } => set(Family::RegionHealth, Some(region.index()), health.gauge()),
            Self::RegionGone { .. } => set(Family::RegionHealth, None, Health::Unknown.gauge()),
            Self::Rejected(_) => counted(Family::ConfigRejected, 0),
            Self::Built => set(Family::BuildInfo, Some(0), 1),
            Self::InForce { in_force, .. } => set(Family::ConfigInfo, Some(0), u64::from(*in_force)),
            Self::Configured { .. }
            | Self::LocalityUnmatched(_)
            | Self::NoCluster { .. }
            | Self::LeasesTaken { .. }
            | Self::TableUnreadable { .. } => None,
        }
    }

    /// The values of that metric's labels, in the order of [`Family::labels`]. `regions` are those of the engine that told it.
    pub fn label_values(&self, regions: Option<&Regions>) -> Vec<String> {
        let name = |region: RegionId| name_of(regions, Some(region));
        match self {
            Self::Decided(decision) => vec![name_of(regions, decision.region()), decision.reason().to_owned()],
            Self::GeoHeadersIgnored(why) => vec![why.name().to_owned()],
            Self::LookedUp(result) => vec![result.name().to_owned()],
            Self::Probed { region, outcome } => vec![name(*region), outcome.name().to_owned()],
            Self::HealthChanged { region, to, .. } => vec![name(*region), to.name().to_owned()],
            Self::Health { region, .. } => vec![name(*region)],
            Self::RegionGone { name } => vec![name.clone()],
            Self::Built => vec![VERSION.to_owned()],
            Self::InForce { hash, .. } => vec![short(*hash)],
            Self::Configured { .. }
            | Self::Rejected(_)
            | Self::LocalityUnmatched(_)
            | Self::NoCluster { .. }
            | Self::LeasesTaken { .. }
            | Self::TableUnreadable { .. } => Vec::new(),
        }
    }

    /// The lines that log this event.
    pub fn lines(&self, regions: Option<&Regions>) -> Vec<Line> {
        let name = |region: RegionId| name_of(regions, Some(region));
        let line = |level, event, fields| vec![Line { level, event, fields, message: String::new() }];
        match self {
            Self::Configured { regions: count, local_region, hash } => {
                let local_region = name_of(regions, *local_region);
                let fields = vec![
                    ("version", VERSION.to_owned()),
                    ("hash", short(*hash)),
                    ("regions", count.to_string()),
                    ("localRegion", local_region),
                ];
                line(Level::Info, "configured", fields)
            }
            Self::Rejected(problems) => {
                let line = |problem: &Problem| Line {
                    level: Level::Error,
                    event: "configRejected",
                    fields: Vec::new(),
                    message: problem.to_string(),
                };
                problems.iter().map(line).collect()
            }
            Self::LocalityUnmatched(locality) => {
                line(Level::Warning, "localityUnmatched", vec![("locality", format!("{locality:?}"))])
            }
            Self::HealthChanged { region, from, to, cause } => {
                // Istio shows no less than warnings, and a recovery matters as much as a failure; that a region is there does not.
                let first = (*from, *to) == (Health::Unknown, Health::Up);
                let level = if first { Level::Info } else { Level::Warning };
                let fields = vec![
                    ("region", name(*region)),
                    ("from", from.name().to_owned()),
                    ("to", to.name().to_owned()),
                    ("cause", (*cause).to_owned()),
                ];
                line(level, "health", fields)
            }
            Self::NoCluster { region } => {
                let cluster = regions.and_then(|regions| regions.get(*region)).map(|it| &it.check().request.cluster);
                let cluster = format!("{:?}", cluster.map_or("", String::as_str));
                line(Level::Warning, "noCluster", vec![("region", name(*region)), ("cluster", cluster)])
            }
            Self::LeasesTaken { regions } => line(Level::Info, "lease", vec![("regions", regions.to_string())]),
            Self::TableUnreadable { bytes } => {
                line(Level::Warning, "tableUnreadable", vec![("bytes", bytes.to_string())])
            }
            Self::InForce { .. }
            | Self::Built
            | Self::Decided(_)
            | Self::GeoHeadersIgnored(_)
            | Self::LookedUp(_)
            | Self::Probed { .. }
            | Self::Health { .. }
            | Self::RegionGone { .. } => Vec::new(),
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn short(hash: u64) -> String {
    format!("{:08x}", hash >> 32)
}

fn name_of(regions: Option<&Regions>, region: Option<RegionId>) -> String {
    let region = regions.zip(region).and_then(|(regions, region)| regions.get(region));
    region.map_or("none", |region| region.name()).to_owned()
}

impl Ignored {
    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Untrusted => "untrusted",
        }
    }
}

impl LookupResult {
    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ended(outcome) => outcome.name(),
            Self::Cached => "cached",
            Self::Paused => "paused",
            Self::Busy => "busy",
            Self::OverBudget => "overBudget",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Cached => 0,
            Self::Paused => 1,
            Self::Busy => 2,
            Self::OverBudget => 3,
            Self::Ended(outcome) => 4 + outcome.index(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "greatcircle event={}", self.event)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))?;
        if self.message.is_empty() { Ok(()) } else { write!(f, " {}", self.message) }
    }
}
