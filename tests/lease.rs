//! Who may probe, and whose answer counts for what: step by step, without a simulation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::{INSTANCE, after, check, ms, plan, regions_in_a_row};
use greatcircle::call::Failure;
use greatcircle::health::Transition;
use greatcircle::health_table::{HealthTable, Instance};
use greatcircle::probe::{Check, Outcome};
use greatcircle::prober::{Plan, Probe};

/// Ticks two configurations, `a` and `b`, every second, `a` first, and returns who probed when.
fn probes(a: &Plan, b: &Plan, lives: impl Fn(&str, u64) -> bool) -> Vec<(&'static str, u64)> {
    let mut table = HealthTable::default();
    let mut probes = Vec::new();
    for second in 0..60 {
        for (number, name, plan) in [(1, "a", a), (2, "b", b)] {
            if !lives(name, second) {
                continue;
            }
            let now = after(ms(1000 * second));
            for region in plan.claim(Instance { number, config: number }, &mut table, now).probes {
                plan.settle(&mut table, Probe { region, sent: now }, Outcome::Success, now);
                probes.push((name, second));
            }
        }
    }
    probes
}

#[test]
fn the_shortest_interval_probes_for_all_whichever_came_first() {
    let every = |seconds: u64| plan(1, &Check { interval: ms(1000 * seconds), ..check() });
    let (short, long) = (every(5), every(20));
    for (name, a, b, probing) in [("the first one", &short, &long, "a"), ("the second one", &long, &short, "b")] {
        let probes = probes(a, b, |_, _| true);
        let (_, first) = probes[0];
        assert_eq!(first, 0, "{name}");
        let by_short: Vec<_> = probes.iter().filter(|(who, _)| *who == probing).map(|(_, second)| *second).collect();
        assert!(probes.iter().filter(|(who, _)| *who != probing).all(|(_, second)| *second == 0), "{name}: {probes:?}");
        assert!(by_short.windows(2).skip(1).all(|pair| pair[1] - pair[0] == 5), "{name}: {probes:?}");
        assert!(by_short.len() >= 11, "{name}: {probes:?}");
    }
}

#[test]
fn the_longer_interval_takes_over_where_the_shorter_one_is_gone_and_not_before() {
    let every = |seconds: u64| plan(1, &Check { interval: ms(1000 * seconds), ..check() });
    let probes = probes(&every(5), &every(20), |name, second| name == "b" || second < 18);
    assert_eq!(probes, [("a", 0), ("a", 5), ("a", 10), ("a", 15), ("b", 21), ("b", 40)]);
}

/// How late a holder may be is the holder's to say: it alone knows how often it ticks.
#[test]
fn the_grace_of_a_lease_is_its_holders() {
    let slow = Check { interval: ms(8000), edge_interval: ms(4000), ..check() };
    let nimble = Check { interval: ms(8000), edge_interval: ms(100), ..check() };
    let (holder, thief) = (plan(1, &slow), plan(1, &nimble));
    assert_eq!((holder.tick(), thief.tick()), (ms(500), ms(25)));
    let mut table = HealthTable::default();
    assert_eq!(holder.claim(INSTANCE, &mut table, after(ms(0))).probes.len(), 1); // the next one is due after 8 s
    let take = |at| {
        let other = Instance { number: 2, config: 2 };
        thief.claim(other, &mut table.clone(), after(ms(at))).probes.len()
    };
    assert_eq!((take(8000), take(9499), take(9500)), (0, 0, 1), "three ticks of the holder's");
}

#[test]
fn a_record_survives_a_change_of_interval_and_thresholds() {
    let regions = regions_in_a_row(1, &check());
    let (region, _) = regions.iter().next().unwrap();
    let (before, other) = (plan(1, &check()), Check { interval: ms(9000), timeout: ms(100), ..check() });
    let mut table = HealthTable::default();
    before.claim(INSTANCE, &mut table, after(ms(0)));
    before.settle(&mut table, Probe { region, sent: after(ms(0)) }, Outcome::Status, after(ms(0)));
    let health = |plan: &Plan| table.availability(plan.checks(), after(ms(1000))).health(region);
    assert_eq!(health(&before), health(&plan(1, &other)));
}

/// As it may happen when several instances created the table, and the one that lost the race has the slower answer.
#[test]
fn a_late_answer_to_an_earlier_probe_is_evidence_but_does_not_hasten_the_next() {
    let regions = regions_in_a_row(1, &check());
    let plan = plan(1, &check()); // every 5 s, or 1 s while a change is pending
    let region = regions.find("r0").unwrap();
    for (name, answered, expected) in [("the last probe", 5, vec![0, 5, 6, 11]), ("an earlier one", 0, vec![0, 5, 10])]
    {
        let mut table = HealthTable::default();
        let mut probes = Vec::new();
        for second in 0..12 {
            let now = after(ms(1000 * second));
            if !plan.claim(INSTANCE, &mut table, now).probes.is_empty() {
                probes.push(second);
            }
            let (sent, outcome, expected) = match second {
                0 => (now, Outcome::Success, Transition::WentUp),
                5 => (after(ms(1000 * answered)), Outcome::Failed(Failure::Timeout), Transition::Pending),
                _ => continue,
            };
            assert_eq!(plan.settle(&mut table, Probe { region, sent }, outcome, now), expected);
        }
        assert_eq!(probes, expected, "an answer to {name}");
    }
}
