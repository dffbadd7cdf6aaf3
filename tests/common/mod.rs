//! What the core's tests share: places, regions, checks and availability in few words.
#![allow(dead_code)] // every test file uses a part of it
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // allowed in tests, but clippy sees no test in a helper

pub(crate) mod process;
pub(crate) mod simulation;
pub(crate) mod store;
pub(crate) mod worker;

use greatcircle::availability::{Availability, Status};
use greatcircle::call::Request;
use greatcircle::client;
use greatcircle::client::headers::{GeoHeaders, Position};
use greatcircle::client::networks::Networks;
use greatcircle::client::trust::Trust;
use greatcircle::config::{Config, Output};
use greatcircle::geo::Coordinates;
use greatcircle::health::{Health, Thresholds};
use greatcircle::health_table::{HealthTable, Instance};
use greatcircle::probe::{Check, Expected};
use greatcircle::prober::Plan;
use greatcircle::region::{Region, Regions};
use greatcircle::steering::Policy;
use greatcircle::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

/// Some moment; nothing in the core depends on which.
pub(crate) const START: Duration = Duration::from_secs(1_700_000);

/// Some instance.
pub(crate) const INSTANCE: Instance = Instance { number: 1, config: 0 };

pub(crate) fn at(latitude: f64, longitude: f64) -> Coordinates {
    Coordinates::new(latitude, longitude).unwrap()
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The moment that lies this long after [`START`].
pub(crate) fn after(duration: Duration) -> Timestamp {
    Timestamp::after_origin(START + duration)
}

/// A region of this name.
pub(crate) fn region(name: &str, coordinates: Coordinates) -> Region {
    Region::new(name, coordinates, check())
}

/// Regions `r0`, `r1`, … at these places, all checked alike.
pub(crate) fn regions_checked(places: impl IntoIterator<Item = Coordinates>, check: &Check) -> Regions {
    let region = |(index, coordinates)| {
        let mut check = check.clone();
        check.request.cluster = format!("r{index}");
        Region::new(format!("r{index}"), coordinates, check)
    };
    Regions::new(places.into_iter().enumerate().map(region).collect()).unwrap()
}

/// Regions `r0`, `r1`, … at these places.
pub(crate) fn regions(places: impl IntoIterator<Item = Coordinates>) -> Regions {
    regions_checked(places, &check())
}

/// This many regions along the equator, all checked alike.
pub(crate) fn regions_in_a_row(count: usize, check: &Check) -> Regions {
    regions_checked((0..count).map(|index| at(0.0, 1.0 + index as f64 / 10.0)), check)
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

/// A plan for this many regions with the same check.
pub(crate) fn plan(count: usize, check: &Check) -> Plan {
    Plan::new(&regions_in_a_row(count, check), after(ms(0)))
}

/// A configuration with these regions and nothing else out of the ordinary.
pub(crate) fn config(regions: Regions) -> Config {
    let position = Position::Pair { latitude: "x-geo-latitude".into(), longitude: "x-geo-longitude".into() };
    Config {
        local_region: None,
        regions,
        client: client::Settings {
            networks: Networks::default(),
            headers: GeoHeaders { position, country: None, unknown: &[] },
            trust: Trust::Anyone,
            lookup: None,
            fallback: None,
        },
        policy: Policy::default(),
        output: Output {
            region_header: "x-region".into(),
            decision_header: Some("x-decision".into()),
            response_header: None,
        },
        unmatched_locality: None,
    }
}

/// A table with a lease on every region, but no result yet.
pub(crate) fn claimed(plan: &Plan) -> HealthTable {
    let mut table = HealthTable::default();
    while !plan.claim(INSTANCE, &mut table, after(ms(0))).probes.is_empty() {}
    table
}

/// What workers see when their regions' health is this.
pub(crate) fn available(health: &[Health], unknown_is_up: bool) -> Availability {
    let usable = |health| health == Health::Up || health == Health::Unknown && unknown_is_up;
    health.iter().map(|health| Status { health: *health, usable: usable(*health) }).collect()
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
