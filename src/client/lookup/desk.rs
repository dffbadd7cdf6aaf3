//! One worker's waiting room: which prefixes are being looked up, and who waits for each.
//!
//! One lookup is under way for each prefix, whoever else asks about it waits for the same answer. Both are bounded: a
//! request that finds the room full goes on without. This module must never know what a waiter is.

use super::Prefix;
use super::circuit::{Circuit, Signal};
use crate::time::Timestamp;
use std::time::Duration;

/// How many lookups a worker has under way at most.
pub const MAX_LOOKUPS: usize = 256;
/// How many requests of a worker wait at most, for all lookups together.
pub const MAX_WAITERS: usize = 4096;

/// Names a call to the host that is in flight.
pub type Token = u32;

/// Why a request does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The service fails and is left alone.
    Paused,
    /// The room is full.
    Busy,
}

impl Refusal {
    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Busy => "busy",
        }
    }
}

/// The waiting room.
#[derive(Debug)]
pub struct Desk<W> {
    lookups: Vec<Lookup<W>>,
    circuit: Circuit,
}

#[derive(Debug)]
struct Lookup<W> {
    prefix: Prefix,
    /// When it was asked for; [`Desk::overdue`] counts from here.
    since: Timestamp,
    /// The call, once it was sent.
    call: Option<Token>,
    waiters: Vec<W>,
}

impl<W> Default for Desk<W> {
    fn default() -> Self {
        Self { lookups: Vec::new(), circuit: Circuit::default() }
    }
}

impl<W> Desk<W> {
    /// Lets somebody wait for what is known about a prefix. Returns whether a lookup has to be sent for it.
    ///
    /// # Errors
    /// Why it must not wait.
    pub fn wait(&mut self, prefix: Prefix, waiter: W, now: Timestamp) -> Result<bool, Refusal> {
        if self.lookups.iter().map(|lookup| lookup.waiters.len()).sum::<usize>() >= MAX_WAITERS {
            return Err(Refusal::Busy);
        }
        if let Some(lookup) = self.lookups.iter_mut().find(|lookup| lookup.prefix == prefix) {
            lookup.waiters.push(waiter);
            return Ok(false);
        }
        if self.lookups.len() >= MAX_LOOKUPS {
            return Err(Refusal::Busy);
        }
        let (circuit, admitted) = self.circuit.admit(now);
        self.circuit = circuit;
        if !admitted {
            return Err(Refusal::Paused);
        }
        self.lookups.push(Lookup { prefix, since: now, call: None, waiters: vec![waiter] });
        Ok(true)
    }

    /// The prefixes whose lookups have not been sent.
    pub fn unsent(&self) -> Vec<Prefix> {
        self.lookups.iter().filter(|lookup| lookup.call.is_none()).map(|lookup| lookup.prefix).collect()
    }

    /// A prefix's lookup was sent.
    pub fn sent(&mut self, prefix: Prefix, call: Token) {
        if let Some(lookup) = self.lookups.iter_mut().find(|lookup| lookup.prefix == prefix) {
            lookup.call = Some(call);
        }
    }

    /// The prefix that this call asked about; `None` if it is not one of ours, or was given up.
    pub fn prefix_of(&self, call: Token) -> Option<Prefix> {
        self.lookups.iter().find(|lookup| lookup.call == Some(call)).map(|lookup| lookup.prefix)
    }

    /// The prefixes that have been asked about for longer than this. The host always answers in time; should it ever not, nobody
    /// waits for ever.
    pub fn overdue(&self, now: Timestamp, limit: Duration) -> Vec<Prefix> {
        self.lookups.iter().filter(|lookup| now.since(lookup.since) > limit).map(|lookup| lookup.prefix).collect()
    }

    /// A prefix's lookup has ended. Returns who has waited for it.
    pub fn settle(&mut self, prefix: Prefix, signal: Signal, now: Timestamp, random: u64) -> Vec<W> {
        let Some(index) = self.lookups.iter().position(|lookup| lookup.prefix == prefix) else { return Vec::new() };
        self.circuit = self.circuit.observe(signal, now, random);
        self.lookups.swap_remove(index).waiters
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cache;
    use super::*;

    fn prefix(number: usize) -> Prefix {
        let cache = Cache { entries: 1, ttl: Duration::MAX, negative_ttl: Duration::MAX, prefix_v4: 24, prefix_v6: 48 };
        let number = u32::try_from(number).unwrap();
        cache.prefix_of(std::net::IpAddr::from((0x0800_0000 + number * 256).to_be_bytes())).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::after_epoch(Duration::from_secs(1_000_000 + seconds))
    }

    #[test]
    fn one_lookup_for_each_prefix() {
        let mut desk = Desk::default();
        assert_eq!(desk.wait(prefix(1), 'a', at(0)), Ok(true));
        assert_eq!(desk.wait(prefix(1), 'b', at(0)), Ok(false));
        assert_eq!(desk.wait(prefix(2), 'c', at(0)), Ok(true));
        assert_eq!(desk.unsent(), [prefix(1), prefix(2)]);
        desk.sent(prefix(1), 71);
        assert_eq!(desk.unsent(), [prefix(2)]);
        assert_eq!(desk.wait(prefix(1), 'd', at(1)), Ok(false), "latecomers join what is under way");
        assert_eq!((desk.prefix_of(71), desk.prefix_of(72)), (Some(prefix(1)), None));
        assert_eq!(desk.settle(prefix(1), Signal::Works, at(1), 0), ['a', 'b', 'd']);
        assert_eq!((desk.prefix_of(71), desk.settle(prefix(1), Signal::Works, at(1), 0)), (None, vec![]));
        assert_eq!(desk.wait(prefix(1), 'e', at(1)), Ok(true), "and the next one asks anew");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut desk = Desk::default();
        let limit = Duration::from_secs(1);
        desk.wait(prefix(1), 'a', at(0)).unwrap();
        assert_eq!(desk.overdue(at(1), limit), []);
        assert_eq!(desk.overdue(at(2), limit), [prefix(1)]);
    }

    #[test]
    fn the_room_is_bounded() {
        let mut desk = Desk::default();
        for number in 0..MAX_LOOKUPS {
            assert_eq!(desk.wait(prefix(number), 0, at(0)), Ok(true));
        }
        assert_eq!(desk.wait(prefix(MAX_LOOKUPS), 0, at(0)), Err(Refusal::Busy));
        for number in MAX_LOOKUPS..MAX_WAITERS {
            assert_eq!(desk.wait(prefix(0), number, at(0)), Ok(false));
        }
        assert_eq!(desk.wait(prefix(0), 0, at(0)), Err(Refusal::Busy));
        desk.settle(prefix(0), Signal::Works, at(0), 0);
        assert_eq!(desk.wait(prefix(MAX_LOOKUPS), 0, at(0)), Ok(true), "there is room again");
    }

    #[test]
    fn while_the_circuit_is_open_nobody_waits_but_one_for_the_trial() {
        let mut desk = Desk::default();
        desk.wait(prefix(1), 0, at(0)).unwrap();
        desk.wait(prefix(2), 0, at(0)).unwrap();
        desk.settle(prefix(1), Signal::Overloaded, at(0), 500);
        assert_eq!(desk.wait(prefix(3), 0, at(0)), Err(Refusal::Paused));
        assert_eq!(desk.wait(prefix(2), 0, at(0)), Ok(false), "what is under way is still worth waiting for");
        assert_eq!(desk.wait(prefix(3), 0, at(1)), Ok(true), "the trial");
        assert_eq!(desk.wait(prefix(4), 0, at(1)), Err(Refusal::Paused));
        desk.settle(prefix(3), Signal::Works, at(1), 0);
        assert_eq!(desk.wait(prefix(4), 0, at(1)), Ok(true));
    }
}
