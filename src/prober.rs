//! When to probe which region, and which instance does it.
//!
//! Envoy runs one instance of the filter per worker and one on the main thread, and each of them ticks. Who probes is
//! settled region by region with a lease in the shared table. The holder renews it with every probe; anybody else may take
//! it once the holder has missed three ticks, and an instance with a newer configuration at once, because the old
//! configuration may live on for minutes on a listener that drains. A probe goes out only after its lease was renewed by
//! compare-and-swap: so there is one probe per interval whatever happens, and nothing ever has to be released.
//!
//! Sans I/O: this module says what to send and is told what came back. It must never know what a host call is.

use crate::call::Failure;
use crate::health::Transition;
use crate::health_table::{HealthTable, Instance, Lease};
use crate::probe::{Check, CheckId, Outcome};
use crate::region::{Region, RegionId, Regions};
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

/// One instance's part in probing.
#[derive(Clone, Debug)]
pub struct Prober {
    instance: Instance,
    in_flight: Vec<(Token, InFlight)>,
}

/// The number by which the host names a call.
pub type Token = u32;

/// A probe on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InFlight {
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
    /// The ones whose last result had become too old to be believed.
    pub went_stale: Vec<RegionId>,
    /// How many regions another instance used to probe; a newer configuration takes them even before they are due.
    pub taken_over: usize,
}

/// What an instance does about a region at one tick.
enum Turn {
    /// Nothing: it is not due, or somebody else's.
    Wait,
    /// Takes the lease as it stands, without sending.
    TakeOver { sent: Timestamp, due: Timestamp },
    /// Sends a probe; the one after it is due then.
    Probe { next: Timestamp },
}

impl Claims {
    /// Whether there is nothing to do, and nothing new in the table.
    pub fn is_empty(&self) -> bool {
        self.probes.is_empty() && self.taken_over == 0
    }
}

impl Plan {
    /// A plan for the checks of these regions, valid from now on.
    pub fn new(regions: &Regions, configured: Timestamp) -> Self {
        let planned = |(id, region): (RegionId, &Region)| Planned {
            region: id,
            id: region.check().id(region.name()),
            check: region.check().clone(),
        };
        let checks: Vec<_> = regions.iter().map(planned).collect();
        let shortest = checks.iter().map(|planned| planned.check.edge_interval).min();
        let tick = (shortest.unwrap_or(MAX_TICK) / TICKS_PER_INTERVAL).clamp(MIN_TICK, MAX_TICK);
        Self { checks, tick, configured }
    }

    /// How often every instance ticks.
    pub fn tick(&self) -> Duration {
        self.tick
    }

    /// Whether a tick that came out of turn is nearer to the last round than to the next one, which then keeps its own time.
    ///
    /// A last round that lies in the future means that the clock was set back: then there is nothing to wait for.
    pub fn is_early(&self, last_round: Timestamp, now: Timestamp) -> bool {
        last_round <= now && now.since(last_round) < self.tick / 2
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

    /// Every region with its place in configured order, from 1, beginning with the one that has waited longest: if one tick
    /// cannot send everything, it is not always the same regions that wait.
    fn longest_waiting_first(&self, table: &HealthTable) -> impl Iterator<Item = (u32, &Planned)> + use<'_> {
        let due = |planned: &Planned| table.lease(planned.id).map(|lease| lease.due);
        let first = (0..self.checks.len()).min_by_key(|index| self.checks.get(*index).map(due)).unwrap_or_default();
        (1..).zip(&self.checks).cycle().skip(first).take(self.checks.len())
    }

    /// A region's check and its identity.
    pub fn check(&self, region: RegionId) -> Option<(CheckId, &Check)> {
        self.checks.get(region.index()).map(|planned| (planned.id, &planned.check))
    }

    /// Takes a probe's outcome into account.
    ///
    /// A cluster that does not exist is no news about the region for as long as it may still be on its way from the control
    /// plane, which is `stale_after` of the configuration; after that it is a failure like any other.
    pub fn settle(&self, table: &mut HealthTable, probe: InFlight, outcome: Outcome, now: Timestamp) -> Transition {
        let Some((id, check)) = self.check(probe.region) else { return Transition::Unchanged };
        if outcome == Outcome::Failed(Failure::NoCluster) && now.since(self.configured) <= check.stale_after {
            table.postpone(id, check, probe.sent);
            return Transition::Unchanged;
        }
        table.settle(id, check, outcome, probe.sent, now)
    }
}

impl Prober {
    /// An instance that has not sent anything yet.
    pub fn new(instance: Instance) -> Self {
        Self { instance, in_flight: Vec::new() }
    }

    /// Takes or renews the lease of every region whose turn it is for this instance.
    ///
    /// The table is only a proposal until it has been swapped in; send nothing before that.
    pub fn claim(&self, plan: &Plan, table: &mut HealthTable, now: Timestamp) -> Claims {
        let mut claims = Claims::default();
        for (place, planned) in plan.longest_waiting_first(table) {
            if claims.probes.len() == MAX_PROBES_PER_TICK {
                break;
            }
            let before = table.lease(planned.id);
            let (sent, due) = match self.turn(plan, place, planned, table, now) {
                Turn::Wait => continue,
                Turn::TakeOver { sent, due } => (sent, due),
                Turn::Probe { next } => {
                    claims.probes.push(planned.region);
                    (now, next)
                }
            };
            let lease = Lease { holder: self.instance, configured: plan.configured, sent, due };
            if table.grant(planned.id, &planned.check, lease, now) {
                claims.went_stale.push(planned.region);
            }
            claims.taken_over += usize::from(before.is_some_and(|lease| lease.holder != self.instance));
        }
        claims
    }

    /// What this instance does about a region now; `place` is the region's place in configured order, from 1.
    fn turn(&self, plan: &Plan, place: u32, planned: &Planned, table: &HealthTable, now: Timestamp) -> Turn {
        let Planned { id, check, .. } = planned;
        // Not before this probe is settled.
        let earliest = now + check.timeout + plan.tick;
        let Some(lease) = table.lease(*id) else {
            // The first probes go out at once, the second ones spread over the interval.
            let phase = check.interval * place / plan.checks.len() as u32;
            return Turn::Probe { next: earliest.max(now + phase) };
        };
        let next = earliest.max(next_due(lease.due, check.interval, now));
        // Nobody with this interval plans so far ahead: the clock was set back, or the interval used to be longer.
        let too_far_ahead = lease.due.since(now) > check.interval + plan.tick;
        let holds = lease.holder == self.instance;
        if holds || lease.configured < plan.configured {
            match too_far_ahead || now >= lease.due {
                true => Turn::Probe { next },
                false if holds => Turn::Wait,
                // Not only when it is due: the holder might always be a little earlier.
                false => Turn::TakeOver { sent: lease.sent, due: lease.due },
            }
        } else {
            let overdue = now >= lease.due + plan.tick * MISSED_TICKS;
            // A newer configuration may have a longer interval; as long as results come in, somebody takes care.
            let abandoned = too_far_ahead && !table.is_current(*id, check, now);
            if overdue || abandoned { Turn::Probe { next } } else { Turn::Wait }
        }
    }

    /// Remembers a probe that went out under this token.
    pub fn sent(&mut self, token: Token, probe: InFlight) {
        self.in_flight.push((token, probe));
    }

    /// Gives back what an answer belongs to; `None` for an answer to something else.
    pub fn answered(&mut self, token: Token) -> Option<InFlight> {
        let place = self.in_flight.iter().position(|(known, _)| *known == token)?;
        Some(self.in_flight.swap_remove(place).1)
    }

    /// Forgets probes whose answer will not come any more, so that the list stays bounded whatever the host does.
    pub fn forget_lost(&mut self, plan: &Plan, now: Timestamp) {
        self.in_flight.retain(|(_, probe)| {
            plan.check(probe.region).is_some_and(|(_, check)| now.since(probe.sent) <= check.timeout + check.interval)
        });
    }
}

/// The probe after one that was due then and goes out now: no drift, and no burst to catch up after a pause.
fn next_due(due: Timestamp, interval: Duration, now: Timestamp) -> Timestamp {
    let on_time = due + interval;
    if due <= now && now < on_time { on_time } else { now + interval }
}
