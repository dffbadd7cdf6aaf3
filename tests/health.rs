//! A region's health against a model that counts nothing, and the table that carries it as bytes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::{INSTANCE, after, cases, check, claimed, ms, plan, regions_in_a_row};
use greatcircle::call::{self, Request};
use greatcircle::health::{Evidence, Health, State, Thresholds, Transition};
use greatcircle::health_table::{HealthTable, Instance};
use greatcircle::probe::{Check, Outcome};
use greatcircle::prober::{Plan, Probe};
use greatcircle::region::Regions;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::time::Duration;

use Evidence::{Failure, Success};

const FORGET_AFTER: Duration = Duration::from_secs(600);
const FORGET_SUPERSEDED_AFTER: Duration = Duration::from_secs(10);

fn thresholds() -> impl Strategy<Value = Thresholds> {
    let few = || 1..=6_u16;
    (few(), few(), few()).prop_map(|(down_after, clear_after, up_after)| Thresholds {
        down_after,
        clear_after,
        up_after,
    })
}

/// Long enough to go down and come back several times; often with long runs of one kind.
fn evidence() -> impl Strategy<Value = Vec<Evidence>> {
    let runs = vec((any::<bool>(), 1..8_usize), 1..20);
    runs.prop_map(|runs| {
        runs.into_iter().flat_map(|(good, length)| vec![if good { Success } else { Failure }; length]).collect()
    })
}

/// The health after each result, by the definitions in words: it keeps no counters, but looks back at every step. So an up
/// region goes down only with `down_after` failures that no `clear_after` successes in a row have wiped since it came up,
/// and a down region comes up only with `up_after` successes in a row since it went down.
struct Model {
    thresholds: Thresholds,
    history: Vec<Evidence>,
    health: Health,
    /// Where in the history the present state began.
    since: usize,
}

impl Model {
    fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, history: Vec::new(), health: Health::Unknown, since: 0 }
    }

    fn observe(&mut self, evidence: Evidence) -> Health {
        self.history.push(evidence);
        let in_this_state = &self.history[self.since..];
        let next = match self.health {
            Health::Unknown if evidence == Success => Health::Up,
            Health::Unknown => Health::Down,
            Health::Up if self.unforgiven(in_this_state) >= self.thresholds.down_after.into() => Health::Down,
            Health::Up => Health::Up,
            Health::Down if ends_with_successes(in_this_state, self.thresholds.up_after) => Health::Up,
            Health::Down => Health::Down,
        };
        if next != self.health {
            self.health = next;
            self.since = self.history.len();
        }
        next
    }

    /// The failures after the last `clear_after` successes in a row.
    fn unforgiven(&self, results: &[Evidence]) -> usize {
        let cleared_at = |end: &usize| ends_with_successes(&results[..*end], self.thresholds.clear_after);
        let clean = (0..=results.len()).rev().find(cleared_at).unwrap_or(0);
        results[clean..].iter().filter(|evidence| **evidence == Failure).count()
    }

    fn forget(&mut self) {
        self.health = Health::Unknown;
        self.since = self.history.len();
    }
}

fn ends_with_successes(results: &[Evidence], count: u16) -> bool {
    let successes = results.iter().rev().take_while(|evidence| **evidence == Success).count();
    successes >= count.into()
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn health_follows_the_model(thresholds in thresholds(), evidence in evidence()) {
        let mut model = Model::new(thresholds);
        let mut state = State::default();
        for (step, evidence) in evidence.into_iter().enumerate() {
            let before = state.health();
            let (next, transition) = state.observe(evidence, thresholds);
            prop_assert_eq!(next.health(), model.observe(evidence), "step {}: {:?} and {:?}", step, state, evidence);
            match (before, next.health()) {
                (Health::Unknown | Health::Down, Health::Up) => prop_assert_eq!(transition, Transition::WentUp),
                (Health::Unknown | Health::Up, Health::Down) => prop_assert_eq!(transition, Transition::WentDown),
                _ => prop_assert!(matches!(transition, Transition::Unchanged | Transition::Pending)),
            }
            state = next;
        }
    }

    #[test]
    fn the_first_result_decides(thresholds in thresholds()) {
        prop_assert_eq!(State::Unknown.observe(Success, thresholds).0.health(), Health::Up);
        prop_assert_eq!(State::Unknown.observe(Failure, thresholds).0.health(), Health::Down);
    }

    #[test]
    fn a_region_that_fails_every_second_probe_goes_down(thresholds in thresholds(), clear_after in 2..10_u16) {
        let thresholds = Thresholds { clear_after, ..thresholds };
        let mut state = State::Unknown;
        for evidence in [Success, Failure].into_iter().cycle().take(2 * usize::from(thresholds.down_after)) {
            prop_assert!(state.health() != Health::Down);
            state = state.observe(evidence, thresholds).0;
        }
        prop_assert_eq!(state.health(), Health::Down);
    }

    #[test]
    fn counters_stay_below_their_thresholds(thresholds in thresholds(), evidence in evidence()) {
        let mut state = State::default();
        for evidence in evidence {
            state = state.observe(evidence, thresholds).0;
            match state {
                State::Unknown => prop_assert!(false, "a result leaves nothing unknown"),
                State::Up { failures, successes } => {
                    prop_assert!(failures < thresholds.down_after && successes < thresholds.clear_after, "{state:?}");
                }
                State::Down { successes } => prop_assert!(successes < thresholds.up_after, "{state:?}"),
            }
        }
    }

    /// The thresholds may have been others when the counters were written.
    #[test]
    fn any_counters_lead_on(failures: u16, successes: u16, thresholds in thresholds(), good: bool) {
        for state in [State::Up { failures, successes }, State::Down { successes }] {
            let (next, _) = state.observe(if good { Success } else { Failure }, thresholds);
            prop_assert!(next.health() != Health::Unknown);
        }
    }

    #[test]
    fn staleness_wins_and_the_next_result_decides_alone(
        thresholds in thresholds(),
        results in vec((any::<bool>(), select(vec![1, 2500, 4999, 5000, 5001, 90_000])), 1..40),
    ) {
        let check = Check { thresholds, stale_after: ms(5000), ..check() };
        let region = regions_in_a_row(1, &check).find("r0").unwrap();
        let plan = plan(1, &check);
        let (mut model, mut table, mut now) = (Model::new(thresholds), claimed(&plan), ms(0));
        for (good, pause) in results {
            let (evidence, outcome) = if good { (Success, Outcome::Success) } else { (Failure, Outcome::Status) };
            plan.settle(&mut table, Probe { region, sent: after(now) }, outcome, after(now));
            let health = model.observe(evidence);
            prop_assert_eq!(table.availability(plan.checks(), after(now)).health(region), health);

            now += ms(pause);
            if pause > 5000 {
                model.forget();
            }
            prop_assert_eq!(table.availability(plan.checks(), after(now)).health(region), model.health, "{} ms later", pause);
        }
    }

    #[test]
    fn a_table_survives_the_way_through_bytes(
        count in 1..40_usize,
        outcomes in vec((any::<Index>(), outcome()), 0..80),
    ) {
        let (plan, table) = some_table(count, &outcomes);
        let read = HealthTable::from_bytes(&table.to_bytes(after(ms(0)), &|_| false));
        prop_assert_eq!(read.as_ref(), Some(&table));
        prop_assert_eq!(read.unwrap().availability(plan.checks(), after(ms(1))), table.availability(plan.checks(), after(ms(1))));
    }

    #[test]
    fn a_truncated_table_is_no_table(count in 1..10_usize, cut: Index) {
        let bytes = some_table(count, &[]).1.to_bytes(after(ms(0)), &|_| false);
        prop_assert_eq!(HealthTable::from_bytes(&bytes[..cut.index(bytes.len())]), None);
    }

    #[test]
    fn a_table_with_flipped_bits_does_no_harm(count in 1..10_usize, flips in vec((any::<Index>(), 0..8_u32), 1..8)) {
        let mut bytes = some_table(count, &[]).1.to_bytes(after(ms(0)), &|_| false);
        for (byte, bit) in flips {
            let byte = byte.index(bytes.len());
            bytes[byte] ^= 1 << bit;
        }
        does_no_harm(&bytes);
    }

    #[test]
    fn records_in_disorder_do_no_harm(order in vec(0..9_usize, 0..20)) {
        // Each from a table of its own, without the number of records in front.
        let record = |index: usize| {
            let region = regions_in_a_row(9, &check()).iter().nth(index).unwrap().1.clone();
            let plan = Plan::new(&Regions::new(vec![region]).unwrap(), after(ms(0)));
            claimed(&plan).to_bytes(after(ms(0)), &|_| false)[1..].to_vec()
        };
        let records: Vec<_> = order.iter().flat_map(|index| record(*index)).collect();
        does_no_harm(&[vec![order.len() as u8], records].concat());
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..400)) {
        does_no_harm(&bytes);
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    select(vec![
        Outcome::Success,
        Outcome::Status,
        Outcome::Failed(call::Failure::Timeout),
        Outcome::Failed(call::Failure::NoHost),
    ])
}

fn some_table(count: usize, outcomes: &[(Index, Outcome)]) -> (Plan, HealthTable) {
    let regions = regions_in_a_row(count, &check());
    let plan = plan(count, &check());
    let mut table = claimed(&plan);
    for (region, outcome) in outcomes {
        let region = regions.iter().nth(region.index(count)).unwrap().0;
        plan.settle(&mut table, Probe { region, sent: after(ms(0)) }, *outcome, after(ms(0)));
    }
    (plan, table)
}

/// Whatever the bytes say, if they are read as a table, it can be worked with, heals, and does not grow.
fn does_no_harm(bytes: &[u8]) {
    let Some(mut table) = HealthTable::from_bytes(bytes) else { return };
    let regions = regions_in_a_row(9, &check());
    let plan = plan(9, &check());
    let mut lengths = Vec::new();
    for second in 0..60 {
        let now = after(ms(1000 * second));
        for region in plan.claim(INSTANCE, &mut table, now).probes {
            plan.settle(&mut table, Probe { region, sent: now }, Outcome::Success, now);
        }
        lengths.push(table.to_bytes(now, &|_| false).len());
    }
    // Counters and times take a few bytes more or less; a further record would take 30.
    assert!(lengths.last() < Some(&(lengths[10] + 30)), "{lengths:?}");
    let view = table.availability(plan.checks(), after(ms(60_000)));
    assert!(regions.iter().all(|(region, _)| view.health(region) == Health::Up), "{view:?}");
}

/// Believing such a number would end the process: no machine has that much memory.
#[test]
fn a_table_that_claims_more_entries_than_it_holds_is_refused() {
    for exponent in [20, 32, 40, 48, 62] {
        let mut bytes = Vec::new();
        let mut claimed = 1_u64 << exponent;
        while claimed >= 0x80 {
            bytes.push(claimed as u8 | 0x80); // postcard's numbers: seven bits to a byte, the lowest first
            claimed >>= 7;
        }
        bytes.push(claimed as u8);
        assert_eq!(HealthTable::from_bytes(&bytes), None, "2^{exponent}");
        bytes.extend([0; 200]);
        assert_eq!(HealthTable::from_bytes(&bytes), None, "2^{exponent} and some entries");
    }
}

#[test]
fn records_out_of_use_are_dropped_those_of_a_superseded_configuration_sooner() {
    are_dropped_after(false, FORGET_AFTER);
    are_dropped_after(true, FORGET_SUPERSEDED_AFTER);
}

#[track_caller]
fn are_dropped_after(superseded: bool, limit: Duration) {
    let other_path = Request { path: "/other".into(), ..check().request };
    let current = plan(2, &Check { request: other_path, ..check() });
    let mut both = claimed(&plan(1, &check()));
    let mut alone = HealthTable::default();
    let other = Instance { number: 2, config: 1 };

    let due = ms(5000); // when the region of the old configuration would have been probed next
    for (now, kept) in [(due, true), (due + limit - ms(1), true), (due + limit, false)] {
        for table in [&mut both, &mut alone] {
            current.claim(other, table, after(now));
            let bytes = table.to_bytes(after(now), &|config| superseded && config == INSTANCE.config);
            *table = HealthTable::from_bytes(&bytes).unwrap();
        }
        assert_eq!(both != alone, kept, "superseded: {superseded}, at {now:?}");
    }
}
