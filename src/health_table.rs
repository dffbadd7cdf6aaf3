//! The health of all regions as every worker of an Envoy process shares it.
//!
//! The table is one value in shared data, replaced by compare-and-swap. A record belongs to a [`CheckId`], not to a
//! configuration: whichever configurations name the same region with the same check share its probes and its state, so that an
//! update keeps what is known.

use crate::availability::{Availability, Status};
use crate::call::Failure;
use crate::health::{Health, State, Transition};
use crate::probe::{Check, CheckId, Outcome};
use crate::region::MAX_REGIONS;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A record that nobody has used for this long belongs to a configuration that is gone.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// The same for one that was probed for a configuration which is superseded: time enough for another configuration that checks the
/// region alike to go on with it, or for this one to be found in force after all.
const FORGET_SUPERSEDED_AFTER: Duration = Duration::from_secs(10);

/// More than any holder allows itself: shared data may hold anything, and a lease that never ends would end probing.
const LONGEST_GRACE: Duration = Duration::from_secs(10);

/// How many records are kept, however many configurations come and go: those that were in use last.
const MAX_RECORDS: usize = 4 * MAX_REGIONS;

/// Every region's record, sorted by check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthTable(Vec<(CheckId, Record)>);

/// What is known about one region, and who finds out more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    state: State,
    last_result: Option<Timestamp>,
    without_cluster: bool,
    lease: Lease,
}

/// The right to probe a region: its holder sends the next probe when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) holder: Instance,
    /// When the last probe went out; it tells that one's answer from a late answer to an earlier one.
    pub(crate) sent: Timestamp,
    /// When the next one goes out.
    pub(crate) due: Timestamp,
    /// How late the holder may be before somebody else takes over. Only the holder knows how often it ticks.
    pub(crate) grace: Duration,
}

/// One worker's engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// A number that no other engine of the process is likely to have.
    pub number: u64,
    /// The hash of its configuration.
    pub config: u64,
}

impl HealthTable {
    /// Reads what [`HealthTable::to_bytes`] wrote; `None` if the bytes are anybody else's.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The table for shared data, without the records of configurations that are superseded or gone.
    pub fn to_bytes(&self, now: Timestamp, is_superseded: &dyn Fn(u64) -> bool) -> Vec<u8> {
        let in_use = |record: &Record| match now.since(record.last_use()) {
            age if age < FORGET_SUPERSEDED_AFTER => true,
            age => age < FORGET_AFTER && !is_superseded(record.lease.holder.config),
        };
        let mut kept: Vec<_> = self.0.iter().filter(|(_, record)| in_use(record)).collect();
        if kept.len() > MAX_RECORDS {
            kept.sort_by_key(|(_, record)| std::cmp::Reverse(record.last_use()));
            kept.truncate(MAX_RECORDS);
            kept.sort_by_key(|(id, _)| *id);
        }
        // Serialising to memory cannot fail; an empty value would be read as an empty table.
        postcard::to_allocvec(&kept).unwrap_or_default()
    }

    /// What is known now about the regions with these checks, in their order.
    pub fn availability<'a>(&self, checks: impl Iterator<Item = (CheckId, &'a Check)>, now: Timestamp) -> Availability {
        checks.map(|(id, check)| self.status(id, check, now)).collect()
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
        self.get(id).map_or(Health::Unknown, |record| record.state_at(check, now).health())
    }

    /// The same for people, to whom a region is its name: down if it is so for any configuration that probes it, with whatever
    /// check. Those that are superseded do not count.
    pub fn reported_health(
        &self,
        id: CheckId,
        check: &Check,
        now: Timestamp,
        is_superseded: impl Fn(u64) -> bool,
    ) -> Health {
        let mut others = self.probed(id.region(), now, is_superseded).filter(|(other, _)| *other != id);
        match others.any(|(_, record)| record.state.health() == Health::Down) {
            true => Health::Down,
            false => self.health(id, check, now),
        }
    }

    /// Whether any configuration probes the region of this name, with whatever check. Those that are superseded do not count.
    pub fn is_probed(&self, region: u32, now: Timestamp, is_superseded: impl Fn(u64) -> bool) -> bool {
        self.probed(region, now, is_superseded).next().is_some()
    }

    fn probed(
        &self,
        region: u32,
        now: Timestamp,
        is_superseded: impl Fn(u64) -> bool,
    ) -> impl Iterator<Item = &(CheckId, Record)> {
        let begin = self.0.partition_point(|(id, _)| id.region() < region);
        let of_region = self.0.iter().skip(begin).take_while(move |(id, _)| id.region() == region);
        of_region.filter(move |(_, record)| !record.lease.is_overdue(now) && !is_superseded(record.lease.holder.config))
    }

    /// Whether Envoy had no cluster for a region when it was last asked.
    pub fn without_cluster(&self, id: CheckId) -> bool {
        self.get(id).is_some_and(|record| record.without_cluster)
    }

    /// The lease on a region's probes, if anybody ever took it.
    pub(crate) fn lease(&self, id: CheckId) -> Option<Lease> {
        self.get(id).map(|record| record.lease)
    }

    /// Gives the lease away. Returns the state that was known and has become too old to be believed, if that is so; it is
    /// dropped.
    pub(crate) fn grant(&mut self, id: CheckId, check: &Check, lease: Lease, now: Timestamp) -> Option<Health> {
        let Some(record) = self.get_mut(id) else {
            let index = self.index_of(id).unwrap_or_else(|index| index);
            let record = Record { state: State::Unknown, last_result: None, without_cluster: false, lease };
            self.0.insert(index, (id, record));
            return None;
        };
        record.lease = lease;
        let (before, fresh) = (record.state, record.state_at(check, now));
        record.state = fresh;
        (fresh != before).then(|| before.health())
    }

    fn status(&self, id: CheckId, check: &Check, now: Timestamp) -> Status {
        let health = self.health(id, check, now);
        let usable = match health {
            Health::Up => true,
            Health::Down => false,
            Health::Unknown => check.unknown_is_up,
        };
        Status { health, usable }
    }

    fn get(&self, id: CheckId) -> Option<&Record> {
        let index = self.index_of(id).ok()?;
        self.0.get(index).map(|(_, record)| record)
    }

    fn get_mut(&mut self, id: CheckId) -> Option<&mut Record> {
        let index = self.index_of(id).ok()?;
        self.0.get_mut(index).map(|(_, record)| record)
    }

    /// Where the record of a check is, or would have to be.
    fn index_of(&self, id: CheckId) -> Result<usize, usize> {
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

    /// When it was, or will be, of use for the last time.
    fn last_use(&self) -> Timestamp {
        self.last_result.unwrap_or_default().max(self.lease.due)
    }
}

impl Lease {
    /// Whether its holder has missed the next probe for so long that somebody else has to send it.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        now >= self.due + self.grace.min(LONGEST_GRACE)
    }
}
