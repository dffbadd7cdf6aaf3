//! Envoy processes as they may be: how many instances, when they start, how regions are checked and what they answer.

use super::simulation::{Answers, Simulation};
use super::{check, ms, plan, regions_in_a_row};
use greatcircle::call::Failure;
use greatcircle::health::Thresholds;
use greatcircle::probe::{Check, Outcome};
use greatcircle::prober::Plan;
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::RangeInclusive;
use std::time::Duration;

/// An Envoy process before it starts: the workers' phases, and how regions are checked.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) phases: Vec<Duration>,
    pub(crate) regions: usize,
    pub(crate) check: Check,
    pub(crate) seed: u64,
}

impl Setup {
    pub(crate) fn start(&self, answers: Answers) -> Simulation {
        let regions = regions_in_a_row(self.regions, &self.check);
        Simulation::new(regions, &self.check, &self.phases, self.seed, answers)
    }

    /// The same for every instance.
    pub(crate) fn tick(&self) -> Duration {
        self.plan().tick()
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(self.regions, &self.check)
    }
}

pub(crate) fn milliseconds(range: RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(ms)
}

/// 1 to 9 instances that start within a second, and times in all proportions that the configuration allows.
pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let times = (milliseconds(1000..=5000), 20..=100_u32, 1..=99_u32);
    let thresholds = (1..=4_u16, 1..=4_u16, 1..=4_u16);
    // Some at the same moment, so that they compete for every lease that becomes free.
    let phase = || prop_oneof![Just(ms(500)), milliseconds(0..=1000)];
    let process = (vec(phase(), 1..=9), 1..=6_usize, any::<u64>());
    (times, thresholds, process).prop_map(|((interval, edge, timeout), thresholds, (phases, regions, seed))| {
        let (down_after, clear_after, up_after) = thresholds;
        let check = Check {
            interval,
            edge_interval: interval * edge / 100,
            timeout: interval * timeout / 100,
            thresholds: Thresholds { down_after, clear_after, up_after },
            ..check()
        };
        Setup { phases, regions, check, seed }
    })
}

pub(crate) fn healthy(latency: Duration) -> Answers {
    Box::new(move |_, _| (Outcome::Success, latency))
}

/// Answers that look random and are not: an arbitrary mixture of outcomes and latencies up to the timeout.
pub(crate) fn moody(timeout: Duration, seed: u64) -> Answers {
    Box::new(move |region, at| {
        let dice = (at.as_micros() as u64 ^ seed ^ region as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        match dice % 8 {
            0 | 1 => (Outcome::Failed(Failure::Timeout), timeout),
            2 => (Outcome::Failed(Failure::Refused), ms(0)),
            part => (Outcome::Success, timeout * part as u32 / 8),
        }
    })
}
