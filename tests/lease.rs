//! Who may probe, and whose answer counts for what: step by step, without a simulation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::{after, check, ms, plan, plan_since, regions_in_a_row};
use greatcircle::call::Failure;
use greatcircle::health::Transition;
use greatcircle::health_table::{HealthTable, Instance};
use greatcircle::probe::{Check, Outcome};
use greatcircle::prober::{InFlight, Plan, Prober};

#[test]
fn answers_that_never_come_are_forgotten() {
    let regions = regions_in_a_row(1);
    let plan = plan(&regions, &check());
    let region = regions.find("r0").unwrap();
    let mut prober = Prober::new(Instance(1));
    prober.sent(7, InFlight { region, sent: after(ms(0)) });
    prober.sent(8, InFlight { region, sent: after(ms(5000)) });
    prober.forget_lost(&plan, after(ms(6000)));
    assert!(prober.clone().answered(7).is_some(), "timeout and interval are not over");
    prober.forget_lost(&plan, after(ms(6001)));
    assert_eq!(prober.answered(7), None);
    assert_eq!(prober.answered(8).map(|probe| probe.sent), Some(after(ms(5000))));
    assert_eq!(prober.answered(8), None, "an answer counts once");
    assert_eq!(prober.claim(&plan, &mut HealthTable::default(), after(ms(0))).probes, [region]);
}

#[test]
fn a_newer_configuration_takes_the_lease_before_it_is_due_and_keeps_to_its_own_interval() {
    let regions = regions_in_a_row(1);
    let old = plan(&regions, &check()); // configured at 0 s, every 5 s
    let new = plan_since(&regions, &Check { interval: ms(20_000), ..check() }, after(ms(1000)));
    let mut table = HealthTable::default();
    let mut probes = Vec::new();
    let mut tick = |name, instance, plan: &Plan, seconds: u64| {
        let now = after(ms(1000 * seconds));
        for region in Prober::new(Instance(instance)).claim(plan, &mut table, now).probes {
            plan.settle(&mut table, InFlight { region, sent: now }, Outcome::Success, now);
            probes.push((name, seconds));
        }
    };
    tick("old", 1, &old, 0);
    for seconds in 1..60 {
        tick("old", 1, &old, seconds); // it is always a little earlier
        tick("new", 2, &new, seconds);
    }
    assert_eq!(probes, [("old", 0), ("new", 5), ("new", 25), ("new", 45)]);
}

/// As it may happen when several instances created the table, and the one that lost the race has the slower answer.
#[test]
fn a_late_answer_to_an_earlier_probe_is_evidence_but_does_not_hasten_the_next() {
    let regions = regions_in_a_row(1);
    let plan = plan(&regions, &check()); // every 5 s, or 1 s while a change is pending
    let region = regions.find("r0").unwrap();
    for (name, answered, expected) in [("the last probe", 5, vec![0, 5, 6, 11]), ("an earlier one", 0, vec![0, 5, 10])]
    {
        let mut table = HealthTable::default();
        let mut probes = Vec::new();
        for second in 0..12 {
            let now = after(ms(1000 * second));
            if !Prober::new(Instance(1)).claim(&plan, &mut table, now).probes.is_empty() {
                probes.push(second);
            }
            let (sent, outcome, expected) = match second {
                0 => (now, Outcome::Success, Transition::WentUp),
                5 => (after(ms(1000 * answered)), Outcome::Failed(Failure::Timeout), Transition::Pending),
                _ => continue,
            };
            assert_eq!(plan.settle(&mut table, InFlight { region, sent }, outcome, now), expected);
        }
        assert_eq!(probes, expected, "an answer to {name}");
    }
}
