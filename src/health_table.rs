//! The health of all regions as every worker of an Envoy process shares it.
//!
//! The table is one value in Envoy's shared data, replaced by compare-and-swap. A record belongs to a [`CheckId`], not to a
//! configuration: whichever configurations name the same region with the same check share its probes and its state, so an
//! update keeps what is known, and a listener that drains under an old configuration does no harm to the new one.
//!
//! This module must never know where the bytes are kept, or what the regions are called.

use crate::call::Failure;
use crate::health::{Health, State, Transition};
use crate::probe::{Check, CheckId, Outcome};
use crate::region::RegionId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A record that nobody has used for this long belongs to a configuration that is gone.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// Every region's record, sorted by check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthTable(Vec<(CheckId, Record)>);

/// What is known about one region, and who finds out more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    state: State,
    last_result: Option<Timestamp>,
    without_cluster: bool,
    pub(crate) lease: Lease,
}

/// The right to probe a region: its holder sends the next probe when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) holder: Instance,
    /// When the holder's configuration came into force.
    pub(crate) configured: Timestamp,
    /// When the last probe went out; it tells that one's answer from a late answer to an earlier one.
    pub(crate) sent: Timestamp,
    /// When the next one goes out.
    pub(crate) due: Timestamp,
}

/// One worker's instance of the filter: a number that no other instance of the process is likely to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance(pub u64);

/// Each region's effective health at one moment, in configured order: all that steering needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthView(Vec<Effective>);

/// A region's effective health, and whether it counts as usable.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Effective {
    health: Health,
    usable: bool,
}

impl HealthTable {
    /// Reads what [`HealthTable::to_bytes`] wrote; `None` if the bytes are anybody else's.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The table for shared data, without the records of configurations that are gone.
    pub fn to_bytes(&self, now: Timestamp) -> Vec<u8> {
        let in_use =
            |record: &Record| now.since(record.last_result.unwrap_or_default().max(record.lease.due)) < FORGET_AFTER;
        let current = self.0.iter().filter(|(_, record)| in_use(record));
        let current: Vec<_> = current.collect();
        // Serialising to memory cannot fail; an empty value would be read as an empty table.
        postcard::to_allocvec(&current).unwrap_or_default()
    }

    /// What is known now about the regions with these checks, in their order.
    pub fn view<'a>(&self, checks: impl Iterator<Item = (CheckId, &'a Check)>, now: Timestamp) -> HealthView {
        HealthView(checks.map(|(id, check)| Effective::of(self.get(id), check, now)).collect())
    }

    /// Takes a probe's outcome into account, and when the next one is due.
    ///
    /// `found_out` is when the outcome was known, `sent` when the probe went out.
    pub fn settle(
        &mut self,
        id: CheckId,
        check: &Check,
        outcome: Outcome,
        sent: Timestamp,
        found_out: Timestamp,
    ) -> Transition {
        let Some(record) = self.get_mut(id) else {
            return Transition::Unchanged; // nobody has probed it for so long that it was forgotten
        };
        let (state, transition) = record.state_at(check, found_out).observe(outcome.evidence(), check.thresholds);
        record.state = state;
        record.last_result = Some(found_out);
        record.without_cluster = outcome == Outcome::Failed(Failure::NoCluster);
        if transition == Transition::Pending && sent == record.lease.sent {
            // Not in the past, where it would look as if the lease's holder had missed it.
            record.lease.due = record.lease.due.min((sent + check.edge_interval).max(found_out));
        }
        transition
    }

    /// Asks again soon: Envoy has no such cluster yet, which says nothing about the region.
    pub fn postpone(&mut self, id: CheckId, check: &Check, sent: Timestamp) {
        if let Some(record) = self.get_mut(id) {
            record.without_cluster = true;
            record.lease.due = record.lease.due.min(sent + check.edge_interval);
        }
    }

    /// The health of one region, stale results counting as none.
    pub fn health(&self, id: CheckId, check: &Check, now: Timestamp) -> Health {
        Effective::of(self.get(id), check, now).health
    }

    /// Whether Envoy had no cluster for a region when it was last asked.
    pub fn without_cluster(&self, id: CheckId) -> bool {
        self.get(id).is_some_and(|record| record.without_cluster)
    }

    /// Whether a region's last result is of this time: neither stale nor, after the clock was set back, from the future.
    pub(crate) fn is_current(&self, id: CheckId, check: &Check, now: Timestamp) -> bool {
        let result = self.get(id).and_then(|record| record.last_result);
        result.is_some_and(|at| now.since(at).max(at.since(now)) <= check.stale_after)
    }

    /// The lease on a region's probes, if anybody ever took it.
    pub(crate) fn lease(&self, id: CheckId) -> Option<Lease> {
        self.get(id).map(|record| record.lease)
    }

    /// Gives the lease away. Returns whether a state that was known has become too old to be believed, and was dropped.
    pub(crate) fn grant(&mut self, id: CheckId, check: &Check, lease: Lease, now: Timestamp) -> bool {
        let Some(record) = self.get_mut(id) else {
            let place = self.place(id).unwrap_or_else(|place| place);
            self.0.insert(
                place,
                (id, Record { state: State::Unknown, last_result: None, without_cluster: false, lease }),
            );
            return false;
        };
        record.lease = lease;
        let fresh = record.state_at(check, now);
        let went_stale = fresh != record.state;
        record.state = fresh;
        went_stale
    }

    fn get(&self, id: CheckId) -> Option<&Record> {
        let place = self.place(id).ok()?;
        self.0.get(place).map(|(_, record)| record)
    }

    fn get_mut(&mut self, id: CheckId) -> Option<&mut Record> {
        let place = self.place(id).ok()?;
        self.0.get_mut(place).map(|(_, record)| record)
    }

    /// Where the record of a check is, or would have to be.
    fn place(&self, id: CheckId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }
}

impl Record {
    /// The state, unless its last result is too old: then nobody knows.
    fn state_at(&self, check: &Check, now: Timestamp) -> State {
        match self.last_result {
            Some(at) if now.since(at) <= check.stale_after => self.state,
            _ => State::Unknown,
        }
    }
}

impl Effective {
    fn of(record: Option<&Record>, check: &Check, now: Timestamp) -> Self {
        let health = record.map_or(Health::Unknown, |record| record.state_at(check, now).health());
        let usable = match health {
            Health::Up => true,
            Health::Down => false,
            Health::Unknown => check.unknown_is_up,
        };
        Self { health, usable }
    }
}

impl HealthView {
    /// Whether requests may be sent there.
    #[inline]
    pub fn usable(&self, region: RegionId) -> bool {
        self.0.get(region.index()).is_some_and(|effective| effective.usable)
    }

    /// What is known about it.
    pub fn health(&self, region: RegionId) -> Health {
        self.0.get(region.index()).map_or(Health::Unknown, |effective| effective.health)
    }
}
