//! What the core's tests share: places, regions, checks and health views in few words.
#![allow(dead_code)] // every test file uses a part of it
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

pub(crate) mod process;
pub(crate) mod simulation;

use greatcircle::call::{Failure, Request};
use greatcircle::geo::Coordinates;
use greatcircle::health::{Health, Thresholds};
use greatcircle::health_table::{HealthTable, HealthView, Instance};
use greatcircle::probe::{Check, Expected, Outcome};
use greatcircle::prober::{InFlight, Plan, Prober};
use greatcircle::region::{Region, Regions};
use greatcircle::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

/// Some moment; nothing in the core depends on which.
pub(crate) const START: Duration = Duration::from_secs(1_700_000_000);

pub(crate) fn at(latitude: f64, longitude: f64) -> Coordinates {
    Coordinates::new(latitude, longitude).unwrap()
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The moment that lies this long after [`START`].
pub(crate) fn after(duration: Duration) -> Timestamp {
    Timestamp::after_epoch(START + duration)
}

/// A region that is checked by default.
pub(crate) fn region(name: impl Into<String>, coordinates: Coordinates) -> Region {
    Region::new(name, coordinates, check())
}

/// Regions `r0`, `r1`, … at these places.
pub(crate) fn regions(places: impl IntoIterator<Item = Coordinates>) -> Regions {
    let regions = places.into_iter().enumerate().map(|(index, place)| region(format!("r{index}"), place));
    Regions::new(regions.collect()).unwrap()
}

/// This many regions along the equator.
pub(crate) fn regions_in_a_row(count: usize) -> Regions {
    regions((0..count).map(|index| at(0.0, 1.0 + index as f64 / 10.0)))
}

/// A check with the defaults of the configuration.
pub(crate) fn check() -> Check {
    Check {
        request: Request {
            cluster: "region".into(),
            authority: "region.example.com".into(),
            method: "GET".into(),
            path: "/healthz".into(),
            headers: Vec::new(),
        },
        expected: Expected { statuses: vec![200..=299], body: String::new() },
        interval: ms(5000),
        edge_interval: ms(1000),
        timeout: ms(1000),
        thresholds: Thresholds { down_after: 3, clear_after: 3, up_after: 3 },
        unknown_is_up: true,
        stale_after: ms(30_000),
    }
}

/// A plan that checks every region alike.
pub(crate) fn plan(regions: &Regions, check: &Check) -> Plan {
    plan_since(regions, check, after(ms(0)))
}

/// The same, configured at this time.
pub(crate) fn plan_since(regions: &Regions, check: &Check, configured: Timestamp) -> Plan {
    let regions = regions.iter().map(|(_, region)| Region::new(region.name(), region.coordinates(), check.clone()));
    Plan::new(&Regions::new(regions.collect()).unwrap(), configured)
}

/// A table with a lease on every region, but no result yet.
pub(crate) fn claimed(plan: &Plan) -> HealthTable {
    let mut table = HealthTable::default();
    let prober = Prober::new(Instance(1));
    while !prober.claim(plan, &mut table, after(ms(0))).probes.is_empty() {}
    table
}

/// What workers see when their regions' health is this, brought about as it would be: by a probe each.
pub(crate) fn view(regions: &Regions, health: &[Health], unknown_is_up: bool) -> HealthView {
    let plan = plan(regions, &Check { unknown_is_up, ..check() });
    let mut table = claimed(&plan);
    for ((region, _), health) in regions.iter().zip(health) {
        let outcome = match health {
            Health::Up => Outcome::Success,
            Health::Down => Outcome::Failed(Failure::Refused),
            Health::Unknown => continue,
        };
        plan.settle(&mut table, InFlight { region, sent: after(ms(0)) }, outcome, after(ms(0)));
    }
    table.view(plan.checks(), after(ms(0)))
}

/// Every region usable.
pub(crate) fn all_up(regions: &Regions) -> HealthView {
    view(regions, &vec![Health::Up; regions.len()], true)
}

/// Anywhere on the globe, the places where formulas break more often than chance would have it.
pub(crate) fn coordinates() -> impl Strategy<Value = Coordinates> {
    const TINY: f64 = f64::MIN_POSITIVE;
    let latitude = prop_oneof![
        2 => -90.0..=90.0,
        1 => select(vec![-90.0, -89.999_999_999, -TINY, -0.0, 0.0, 1e-9, 89.999_999_999, 90.0]),
    ];
    let longitude = prop_oneof![
        2 => -180.0..=180.0,
        1 => select(vec![-180.0, -179.999_999_999, -90.0, -0.0, 0.0, TINY, 90.0, 179.999_999_999, 180.0]),
    ];
    (latitude, longitude).prop_filter_map("0,0 stands for an unknown place", |(latitude, longitude)| {
        Coordinates::new(latitude, longitude).ok()
    })
}

/// As many cases as usual (`PROPTEST_CASES`), divided by `cost`. Failing cases are printed, to be kept as a table row.
pub(crate) fn cases(cost: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: (usual.cases / cost).max(1), failure_persistence: None, ..usual }
}
