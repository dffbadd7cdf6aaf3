//! When to probe which region, and which engine does it.
//!
//! Every worker of an Envoy process and its main thread run an engine for each configuration, and each of them ticks. Who probes
//! is settled region by region with a lease in the shared table. The holder renews it with every probe; anybody else takes it
//! once the holder is overdue, or if the holder's interval is longer than its own: where several configurations check a region
//! alike, the one with the shortest interval probes for all. A probe goes out only after its lease was renewed by
//! compare-and-swap: so there is one probe per interval whatever happens, and nothing ever has to be released.

use crate::call::Failure;
use crate::health::{Health, Transition};
use crate::health_table::{HealthTable, Instance, Lease};
use crate::probe::{Check, CheckId, Outcome};
use crate::region::{RegionId, Regions};
use crate::time::Timestamp;
use std::time::Duration;

/// How many probes one tick sends at the most; the others go out with the next ticks.
const MAX_PROBES_PER_TICK: usize = 64;

/// Ticks that a lease holder may miss before another instance takes over.
const MISSED_TICKS: u32 = 3;

/// The tick is this much finer than the shortest interval, so that a probe is hardly ever late …
const TICKS_PER_INTERVAL: u32 = 4;
/// … but never finer than this …
const MIN_TICK: Duration = Duration::from_millis(20);
/// … and never coarser, because a tick is also when a worker sees the newest table.
const MAX_TICK: Duration = Duration::from_millis(500);

/// The checks of all regions in configured order, and the schedule that follows from them.
#[derive(Clone, Debug)]
pub struct Plan {
    checks: Vec<Planned>,
    tick: Duration,
    configured: Timestamp,
}

/// A region's check under its identity.
#[derive(Clone, Debug)]
struct Planned {
    region: RegionId,
    id: CheckId,
    check: Check,
}

/// A probe on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The region that was asked.
    pub region: RegionId,
    /// When it was claimed.
    pub sent: Timestamp,
}

/// What an instance won by claiming.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// The regions to probe now.
    pub probes: Vec<RegionId>,
    /// The ones whose last result had become too old to be believed, with what was known before.
    pub went_stale: Vec<(RegionId, Health)>,
    /// How many regions another instance used to probe.
    pub taken_over: usize,
}

impl Plan {
    /// A plan for these regions, valid from now on.
    pub fn new(regions: &Regions, configured: Timestamp) -> Self {
        let checks: Vec<_> = regions
            .iter()
            .map(|(region, it)| Planned { region, id: it.check().id(it.name()), check: it.check().clone() })
            .collect();
        let shortest = checks.iter().map(|planned| planned.check.edge_interval).min();
        let tick = (shortest.unwrap_or(MAX_TICK) / TICKS_PER_INTERVAL).clamp(MIN_TICK, MAX_TICK);
        Self { checks, tick, configured }
    }

    /// How often every instance ticks.
    pub fn tick(&self) -> Duration {
        self.tick
    }

    /// Whether a round at this time would come so soon after the last one that it can wait for the tick after this.
    pub fn is_early(&self, last_round: Timestamp, now: Timestamp) -> bool {
        now.since(last_round) < self.tick / 2
    }

    /// How long it takes at least until a region that is down can be up again.
    pub fn shortest_recovery(&self) -> Duration {
        let recovery = |check: &Check| check.interval + check.edge_interval * u32::from(check.thresholds.up_after - 1);
        self.checks.iter().map(|planned| recovery(&planned.check)).min().unwrap_or_default()
    }

    /// Each region's check and its identity, in configured order.
    pub fn checks(&self) -> impl ExactSizeIterator<Item = (CheckId, &Check)> {
        self.checks.iter().map(|planned| (planned.id, &planned.check))
    }

    /// A region's check and its identity.
    pub fn check(&self, region: RegionId) -> Option<(CheckId, &Check)> {
        self.checks.get(region.index()).map(|planned| (planned.id, &planned.check))
    }

    /// Whether it is any region's turn for this instance.
    pub fn is_anything_due(&self, instance: Instance, table: &HealthTable, now: Timestamp) -> bool {
        let due = |planned: &Planned| self.next_probe(instance, 0, planned, table.lease(planned.id), now).is_some();
        self.checks.iter().any(due)
    }

    /// Takes or renews the lease of every region whose turn it is for this instance.
    ///
    /// The table is only a proposal until it has been swapped in; send nothing before that.
    pub fn claim(&self, instance: Instance, table: &mut HealthTable, now: Timestamp) -> Claims {
        let mut claims = Claims::default();
        for (position, planned) in self.longest_waiting_first(table) {
            if claims.probes.len() == MAX_PROBES_PER_TICK {
                break;
            }
            let before = table.lease(planned.id);
            let Some(due) = self.next_probe(instance, position, planned, before, now) else { continue };
            let lease = Lease { holder: instance, sent: now, due, grace: self.tick * MISSED_TICKS };
            let stale = table.grant(planned.id, &planned.check, lease, now);
            claims.went_stale.extend(stale.map(|health| (planned.region, health)));
            claims.taken_over += usize::from(before.is_some_and(|lease| lease.holder != instance));
            claims.probes.push(planned.region);
        }
        claims
    }

    /// If this instance probes a region now: when the probe after this one is due. `position` is the region's in configured
    /// order, from 1.
    fn next_probe(
        &self,
        instance: Instance,
        position: u32,
        planned: &Planned,
        lease: Option<Lease>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let check = &planned.check;
        // Not before this probe is settled.
        let earliest = now + check.timeout + self.tick;
        let Some(lease) = lease else {
            // The first probes go out at once, the second ones spread over the interval.
            let phase = check.interval * position / self.checks.len() as u32;
            return Some(earliest.max(now + phase));
        };
        // Whoever planned that far ahead has a longer interval.
        let too_far_ahead = lease.due.since(now) > check.interval + self.tick;
        let due = match lease.holder == instance {
            true => now >= lease.due,
            false => lease.is_overdue(now),
        };
        (due || too_far_ahead).then(|| earliest.max(next_due(lease.due, check.interval, now)))
    }

    /// Every region with its position in configured order, from 1, beginning with the one that has waited longest: if one tick
    /// cannot send everything, it is not always the same regions that wait.
    fn longest_waiting_first(&self, table: &HealthTable) -> impl Iterator<Item = (u32, &Planned)> + use<'_> {
        let due = |planned: &Planned| table.lease(planned.id).map(|lease| lease.due);
        let first = (0..self.checks.len()).min_by_key(|index| self.checks.get(*index).map(due)).unwrap_or_default();
        (1..).zip(&self.checks).cycle().skip(first).take(self.checks.len())
    }

    /// Takes a probe's outcome into account.
    ///
    /// A cluster that does not exist is no news about the region for as long as it may still be on its way from the control
    /// plane, which is `stale_after` of the configuration; after that it is a failure like any other.
    pub fn settle(&self, table: &mut HealthTable, probe: Probe, outcome: Outcome, now: Timestamp) -> Transition {
        let Some((id, check)) = self.check(probe.region) else { return Transition::Unchanged };
        if outcome == Outcome::Failed(Failure::NoCluster) && now.since(self.configured) <= check.stale_after {
            table.postpone(id, check, probe.sent);
            return Transition::Unchanged;
        }
        table.settle(id, check, outcome, probe.sent, now)
    }
}

/// The probe after one that was due then and goes out now: no drift, and no burst to catch up after a pause.
fn next_due(due: Timestamp, interval: Duration, now: Timestamp) -> Timestamp {
    let on_time = due + interval;
    if due <= now && now < on_time { on_time } else { now + interval }
}
