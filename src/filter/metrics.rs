//! The engine's events as Envoy's stats and log lines.
//!
//! A label is written into the stat's name, as `.region=.=eu-west;.`, which Envoy's `stats_tags` and Istio's `extraStatTags` take
//! out again.

use super::host;
use crate::engine::Event;
use crate::engine::event::{Change, Family, Level, Line, Metric};
use crate::region::Regions;
use proxy_wasm::types::MetricType;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

thread_local! {
    /// The host's number of every stat of this VM. It outlives configurations, because the host gives a new number, and keeps the
    /// old one, whenever a stat is defined again.
    static IDS: RefCell<BTreeMap<String, u32>> = const { RefCell::new(BTreeMap::new()) };
}

/// The stats of one configuration.
#[derive(Default)]
pub(super) struct Metrics {
    /// By family, then by series.
    known: [Cell<Vec<Option<u32>>>; Family::ALL.len()],
}

impl Metrics {
    /// Counts an event, and logs it. `regions` are those of the engine that told it.
    pub(super) fn tell(&self, event: &Event, regions: Option<&Regions>) {
        if let Some(metric) = event.metric()
            && let Some(id) = self.id(event, &metric, regions)
        {
            match metric.change {
                Change::Increment => host::increment(id),
                Change::Set(value) => host::record(id, value),
            }
        }
        event.lines(regions).iter().for_each(log);
    }

    fn id(&self, event: &Event, metric: &Metric, regions: Option<&Regions>) -> Option<u32> {
        let define = || define(metric, &event.label_values(regions));
        let (Some(family), Some(series)) = (self.known.get(metric.family as usize), metric.series) else {
            return define();
        };
        let mut known = family.take();
        if known.len() <= series {
            known.resize(series + 1, None);
        }
        let id = known.get(series).copied().flatten().or_else(define);
        if let Some(slot) = known.get_mut(series) {
            *slot = id;
        }
        family.set(known);
        id
    }
}

fn define(metric: &Metric, values: &[String]) -> Option<u32> {
    let labels = metric.family.labels().iter().zip(values);
    let labels: String = labels.map(|(label, value)| format!(".{label}=.={value};.;")).collect();
    let name = format!("{}{labels}", metric.family.name());
    let kind = match metric.change {
        Change::Increment => MetricType::Counter,
        Change::Set(_) => MetricType::Gauge,
    };
    IDS.with(|ids| {
        let mut ids = ids.try_borrow_mut().ok()?;
        if let Some(id) = ids.get(&name) {
            return Some(*id);
        }
        let id = host::define(kind, &name)?;
        ids.insert(name, id);
        Some(id)
    })
}

fn log(line: &Line) {
    let level = match line.level {
        Level::Info => log::Level::Info,
        Level::Warning => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::log!(level, "{line}");
}
