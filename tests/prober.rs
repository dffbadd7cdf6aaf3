//! Probing by many instances at once, in simulated time: one probe per interval, whoever lives, stops or dies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::process::{Setup, healthy, milliseconds, moody, setup};
use common::simulation::{Probe, SLACK};
use common::{after, cases, check, claimed, ms, plan, regions_in_a_row};
use greatcircle::call::Failure;
use greatcircle::health::{Health, Transition};
use greatcircle::probe::{Check, Outcome};
use greatcircle::prober;
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

fn gaps(probes: &[Probe]) -> impl Iterator<Item = Duration> {
    probes.windows(2).map(|pair| pair[1].at - pair[0].at)
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn each_region_sees_one_probe_per_interval(setup in setup(), all_fail: bool) {
        // A timeout within a tick or two of the interval makes it that much longer, since probes never overlap.
        let check = Check { timeout: setup.check.timeout.min(setup.check.interval / 3), ..setup.check };
        let setup = Setup { check, ..setup };
        let (interval, timeout) = (setup.check.interval, setup.check.timeout);
        let outcome = if all_fail { (Outcome::Failed(Failure::Timeout), timeout) } else { (Outcome::Success, timeout / 2) };
        let simulation = setup.start(Box::new(move |_, _| outcome));
        // The first probe goes out at once and the second one within the interval that spreads regions over time. From
        // the third one on there is one per interval, and the last instance has started after a second.
        let settled = ms(1000) + 3 * interval;
        let window = ms(30_000);
        simulation.run_until(settled + window);
        for region in 0..setup.regions {
            let probes = simulation.probes_of(region);
            let count = probes.iter().filter(|probe| probe.at >= settled).count() as f64;
            let expected = window.as_secs_f64() / interval.as_secs_f64();
            prop_assert!((count - expected).abs() <= expected * 0.2, "{count} probes instead of {expected}");
            // Nor do late ticks add up: a probe more or less at either end, and that is all.
            let late = (setup.tick() + SLACK).as_secs_f64() / interval.as_secs_f64();
            prop_assert!((count - expected).abs() <= 1.0 + late, "{count} probes instead of {expected}");
            for gap in gaps(&probes).skip(1) {
                prop_assert!(gap + setup.tick() + SLACK > interval, "{gap:?} after the one before");
                prop_assert!(gap < interval + 5 * setup.tick() + SLACK, "{gap:?} after the one before");
            }
        }
    }

    #[test]
    fn a_region_is_never_asked_twice_at_a_time(setup in setup(), deaths in vec(milliseconds(0..=20_000), 8)) {
        let mut simulation = setup.start(moody(setup.check.timeout, setup.seed));
        simulation.kill_all_but_the_last(&deaths);
        simulation.run_until(ms(30_000));
        for region in 0..setup.regions {
            for pair in simulation.probes_of(region).windows(2) {
                let answered = pair[0].answered.unwrap_or(pair[0].at + setup.check.timeout);
                prop_assert!(answered <= pair[1].at + SLACK, "{:?} before the answer to {:?}", pair[1], pair[0]);
            }
        }
    }

    #[test]
    fn the_lease_stays_with_its_holder(setup in setup()) {
        let simulation = setup.start(moody(setup.check.timeout, setup.seed));
        simulation.run_until(ms(30_000));
        for region in 0..setup.regions {
            for pair in simulation.probes_of(region).windows(2) {
                prop_assert_eq!(pair[0].worker, pair[1].worker, "{:?}", pair);
            }
        }
    }

    #[test]
    fn the_lease_moves_on_when_its_holder_dies(setup in setup(), deaths in vec(milliseconds(0..=20_000), 8)) {
        let mut simulation = setup.start(healthy(setup.check.timeout / 2));
        simulation.kill_all_but_the_last(&deaths);
        let survivor = setup.phases.len() - 1;
        simulation.run_until(ms(40_000));
        // Three missed ticks, up to one until the next instance ticks, and one if the timeout is as long as the interval.
        let longest = setup.check.interval + 5 * setup.tick() + SLACK;
        for region in 0..setup.regions {
            let probes = simulation.probes_of(region);
            prop_assert!(gaps(&probes).all(|gap| gap < longest), "{probes:?}");
            let last = probes.last().unwrap();
            prop_assert!(last.worker == survivor && last.at + longest > simulation.now(), "{last:?}");
        }
    }

    #[test]
    fn a_process_that_was_stopped_for_minutes_does_not_catch_up(
        setup in setup(),
        stopped in milliseconds(10_000..=15_000),
        minutes in 1..10_u32, // after ten, records are forgotten, and it is like a start
    ) {
        let mut simulation = setup.start(healthy(setup.check.timeout / 2));
        let resumed = stopped + ms(60_000) * minutes;
        let interval = setup.check.interval;
        simulation.pause(stopped..resumed);
        simulation.run_until(resumed + 4 * interval + SLACK);
        for region in 0..setup.regions {
            let probes = simulation.probes_of(region);
            let within = |time: Duration| {
                let period = resumed..resumed + time;
                probes.iter().filter(|probe| period.contains(&probe.at)).count()
            };
            prop_assert!(within(setup.tick() * 5 + SLACK) >= 1, "probing goes on");
            prop_assert!(within(interval - SLACK) <= 1, "{} probes in one interval", within(interval));
            prop_assert!(within(4 * interval - SLACK) <= 4, "{} probes in four intervals", within(4 * interval));
        }
    }

    #[test]
    fn while_a_change_is_pending_the_edge_interval_counts(setup in setup()) {
        let simulation = setup.start(moody(setup.check.timeout, setup.seed));
        simulation.run_until(ms(30_000));
        let Check { interval, edge_interval, timeout, .. } = setup.check;
        for region in 0..setup.regions {
            for pair in simulation.probes_of(region).windows(2).skip(1) {
                let [before, probe] = pair else { continue };
                let gap = probe.at - before.at;
                let late = setup.tick() + SLACK;
                if before.transition == Some(Transition::Pending) {
                    let answered = before.answered.unwrap() - before.at;
                    prop_assert!(gap + late >= edge_interval.min(interval), "{gap:?} after {before:?}");
                    prop_assert!(gap <= edge_interval.max(answered) + late, "{gap:?} after {before:?}");
                } else if before.worker == probe.worker {
                    // Less than the interval only if that one was late, by a tick or for waiting for an answer.
                    let waited = timeout.saturating_sub(edge_interval);
                    prop_assert!(gap + late + waited >= interval, "{gap:?} after {before:?}");
                }
            }
        }
    }

    #[test]
    fn a_region_that_dies_is_down_within_the_budget(
        setup in setup(),
        death in milliseconds(15_000..=20_000),
        hangs: bool,
        latency in 0..=100_u32,
    ) {
        let Check { interval, edge_interval, timeout, thresholds, .. } = setup.check;
        let simulation = setup.start(Box::new(move |_, at| match (at < death, hangs) {
            (true, _) => (Outcome::Success, timeout * latency / 100),
            (false, true) => (Outcome::Failed(Failure::Timeout), timeout),
            (false, false) => (Outcome::Failed(Failure::Refused), timeout * latency / 100),
        }));
        // The first failing probe comes an interval later at worst, every further one after the edge interval or, if that
        // is shorter, after the timeout; the last one times out. Every probe may be a tick late. With a timeout up to the
        // edge interval that is within the design's budget, interval + downAfter·edgeInterval + timeout.
        let probes = u32::from(thresholds.down_after);
        let between = edge_interval.max(timeout) + setup.tick() + SLACK;
        let first = interval.max(timeout + setup.tick()) + setup.tick() + SLACK;
        let down = death + first + (probes - 1) * between + timeout + SLACK;
        if timeout <= edge_interval {
            let budget = interval + probes * edge_interval + timeout;
            prop_assert!(down <= death + budget + (probes + 2) * (setup.tick() + SLACK));
        }
        simulation.run_until(down);
        let availability = simulation.table().availability(setup.plan().checks(), simulation.timestamp());
        for (region, _) in regions_in_a_row(setup.regions, &setup.check).iter() {
            prop_assert_eq!(availability.health(region), Health::Down, "{:?}", simulation.probes_of(region.index()));
        }
    }
}

#[test]
fn a_thousand_regions_are_all_probed() {
    // One instance sends 64 probes per tick of 250 ms: a thousand take 16 ticks, which is less than an interval of 5 s and
    // more than one of 1 s. Then regions wait longer, but all of them alike.
    for (interval, instances, longest) in [(5000, 1, 6000), (5000, 3, 6000), (1000, 1, 4500), (1000, 3, 4500)] {
        let check = Check { interval: ms(interval), timeout: ms(500), ..check() };
        let phases: Vec<_> = (0..instances).map(|index| ms(70 * index)).collect();
        // Nobody answers, which does not matter to the schedule and saves the time to settle that.
        let setup = Setup { phases, regions: 1000, check, seed: 1 };
        let simulation = setup.start(Box::new(|_, _| (Outcome::Success, Duration::from_secs(3600))));
        let end = ms(20_000);
        simulation.run_until(end);
        let mut last = vec![ms(0); 1000];
        let mut longest_wait = ms(0);
        let probes = simulation.probes();
        for probe in &probes {
            longest_wait = longest_wait.max(probe.at - last[probe.region]);
            last[probe.region] = probe.at;
        }
        let same_tick = |a: &Probe, b: &Probe| (a.worker, a.at) == (b.worker, b.at);
        assert!(probes.chunk_by(same_tick).all(|tick| tick.len() <= 64));
        longest_wait = last.iter().map(|last| end - *last).fold(longest_wait, Duration::max);
        println!("every {interval} ms, {instances} instances: the longest wait was {longest_wait:?}");
        assert!(longest_wait < ms(longest) + SLACK, "every {interval} ms, {instances} instances: {longest_wait:?}");
    }
}

#[test]
fn a_missing_cluster_is_no_evidence_while_it_may_be_on_its_way() {
    let regions = regions_in_a_row(1, &check());
    let plan = plan(1, &check()); // configured at 0 s, stale after 30 s, asked again after 1 s
    let region = regions.find("r0").unwrap();
    let mut table = claimed(&plan);
    for (seconds, outcome, expected, transition) in [
        (0, Outcome::Failed(Failure::NoCluster), Health::Unknown, Transition::Unchanged),
        (29, Outcome::Failed(Failure::NoCluster), Health::Unknown, Transition::Unchanged),
        (29, Outcome::Failed(Failure::NoHost), Health::Down, Transition::WentDown), // no host is evidence at any time
        (30, Outcome::Failed(Failure::NoCluster), Health::Down, Transition::Unchanged),
        (31, Outcome::Failed(Failure::NoCluster), Health::Down, Transition::Unchanged),
        (70, Outcome::Failed(Failure::NoCluster), Health::Down, Transition::WentDown), // the first result after a while decides
        (71, Outcome::Success, Health::Down, Transition::Pending),
    ] {
        let now = after(ms(1000 * seconds));
        let what = plan.settle(&mut table, prober::Probe { region, sent: now }, outcome, now);
        assert_eq!(
            (table.availability(plan.checks(), now).health(region), what),
            (expected, transition),
            "{seconds} s: {outcome:?}"
        );
    }
}

#[test]
fn a_missing_cluster_is_looked_for_again_after_the_edge_interval() {
    let simulation = Setup { phases: vec![ms(0)], regions: 1, check: check(), seed: 1 }.start(Box::new(|_, at| {
        (if at < ms(2500) { Outcome::Failed(Failure::NoCluster) } else { Outcome::Success }, ms(0))
    }));
    simulation.run_until(ms(10_000));
    let seconds: Vec<_> = simulation.probes_of(0).iter().map(|probe| (probe.at + SLACK).as_secs()).collect();
    assert_eq!(seconds, [0, 1, 2, 3, 8]);
}

#[test]
fn a_round_is_put_off_only_while_the_last_one_is_nearer() {
    let plan = plan(1, &check()); // ticks every 250 ms
    assert_eq!(plan.tick(), ms(250));
    let last = after(ms(10_000));
    for (now, early) in [(10_000, true), (10_124, true), (10_125, false), (10_250, false), (99_999, false)] {
        assert_eq!(plan.is_early(last, after(ms(now))), early, "{now} ms");
    }
}

#[test]
fn the_simulation_lets_workers_be_faster_than_each_other() {
    let setup = Setup { phases: vec![ms(500); 8], regions: 6, check: check(), seed: 1 };
    let simulation = setup.start(healthy(ms(3)));
    simulation.run_until(ms(60_000));
    assert!(simulation.lost_swaps() > 0, "a race that never happens proves nothing");
}
