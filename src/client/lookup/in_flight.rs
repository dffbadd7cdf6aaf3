//! The lookups that one worker has in flight, and which requests wait for each.
//!
//! Lookups are coalesced: one is in flight for each prefix, and whoever else asks about it waits for the same answer. Both are
//! bounded: a request that finds no room goes on without.

use super::Prefix;
use super::circuit::{Circuit, Signal};
use crate::time::Timestamp;
use std::time::Duration;

/// How many lookups a worker has in flight at most.
pub const MAX_LOOKUPS: usize = 256;
/// How many requests of a worker wait at most, for all lookups together.
pub const MAX_WAITERS: usize = 4096;

/// What becomes of a request that would wait for a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits, and it is the first one: the lookup has to be sent.
    Send,
    /// It waits for a lookup that is in flight already.
    Coalesced,
    /// It does not wait, because the service fails and is left alone.
    Paused,
    /// It does not wait, because there is no room.
    Busy,
}

/// The lookups in flight, and the circuit that decides whether more may be sent.
#[derive(Debug)]
pub struct InFlight<W> {
    lookups: Vec<Lookup<W>>,
    circuit: Circuit,
}

#[derive(Debug)]
struct Lookup<W> {
    prefix: Prefix,
    since: Timestamp,
    waiters: Vec<W>,
}

impl<W> Default for InFlight<W> {
    fn default() -> Self {
        Self { lookups: Vec::new(), circuit: Circuit::default() }
    }
}

impl<W> InFlight<W> {
    /// Lets somebody wait for what is known about a prefix, if there is room.
    pub fn wait(&mut self, prefix: Prefix, waiter: W, now: Timestamp) -> Admission {
        if self.lookups.iter().map(|lookup| lookup.waiters.len()).sum::<usize>() >= MAX_WAITERS {
            return Admission::Busy;
        }
        if let Some(lookup) = self.lookups.iter_mut().find(|lookup| lookup.prefix == prefix) {
            lookup.waiters.push(waiter);
            return Admission::Coalesced;
        }
        if self.lookups.len() >= MAX_LOOKUPS {
            return Admission::Busy;
        }
        let (circuit, admitted) = self.circuit.admit(prefix.network(), now);
        self.circuit = circuit;
        if !admitted {
            return Admission::Paused;
        }
        self.lookups.push(Lookup { prefix, since: now, waiters: vec![waiter] });
        Admission::Send
    }

    /// The prefixes that have been asked about for longer than this. The host always answers in time; should it ever not, nobody
    /// waits for ever.
    pub fn overdue(&self, now: Timestamp, limit: Duration) -> Vec<Prefix> {
        self.lookups.iter().filter(|lookup| now.since(lookup.since) > limit).map(|lookup| lookup.prefix).collect()
    }

    /// Whether a lookup for this prefix is in flight.
    pub fn contains(&self, prefix: Prefix) -> bool {
        self.lookups.iter().any(|lookup| lookup.prefix == prefix)
    }

    /// Forgets waiters that have gone. Their lookups go on: the answers are kept for others.
    pub fn abandon(&mut self, gone: impl Fn(&W) -> bool) {
        self.lookups.iter_mut().for_each(|lookup| lookup.waiters.retain(|waiter| !gone(waiter)));
    }

    /// A prefix's lookup has ended. Returns who has waited for it; `None` if it is not in flight any more.
    pub fn settle(&mut self, prefix: Prefix, signal: Signal, now: Timestamp, random: u64) -> Option<Vec<W>> {
        let index = self.lookups.iter().position(|lookup| lookup.prefix == prefix)?;
        self.circuit = self.circuit.observe(signal, prefix.network(), now, random);
        Some(self.lookups.swap_remove(index).waiters)
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
        Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
    }

    #[test]
    fn one_lookup_for_each_prefix() {
        let mut in_flight = InFlight::default();
        assert_eq!(in_flight.wait(prefix(1), 'a', at(0)), Admission::Send);
        assert_eq!(in_flight.wait(prefix(1), 'b', at(0)), Admission::Coalesced);
        assert_eq!(in_flight.wait(prefix(2), 'c', at(0)), Admission::Send);
        assert_eq!(in_flight.wait(prefix(1), 'd', at(1)), Admission::Coalesced, "latecomers join what is in flight");
        assert_eq!(in_flight.settle(prefix(1), Signal::Works, at(1), 0), Some(vec!['a', 'b', 'd']));
        assert_eq!(in_flight.settle(prefix(1), Signal::Works, at(1), 0), None);
        assert_eq!(in_flight.wait(prefix(1), 'e', at(1)), Admission::Send, "and the next one asks anew");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut in_flight = InFlight::default();
        let limit = Duration::from_secs(1);
        in_flight.wait(prefix(1), 'a', at(0));
        assert_eq!(in_flight.overdue(at(1), limit), []);
        assert_eq!(in_flight.overdue(at(2), limit), [prefix(1)]);
    }

    #[test]
    fn who_has_gone_leaves_room_and_the_lookup_goes_on() {
        let mut in_flight = InFlight::default();
        for _ in 0..MAX_WAITERS {
            in_flight.wait(prefix(1), 'a', at(0));
        }
        assert_eq!(in_flight.wait(prefix(2), 'b', at(0)), Admission::Busy);
        in_flight.abandon(|waiter| *waiter == 'a');
        assert_eq!(in_flight.wait(prefix(1), 'b', at(0)), Admission::Coalesced);
        assert_eq!(in_flight.settle(prefix(1), Signal::Works, at(1), 0), Some(vec!['b']));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut in_flight = InFlight::default();
        for number in 0..MAX_LOOKUPS {
            assert_eq!(in_flight.wait(prefix(number), 0, at(0)), Admission::Send);
        }
        assert_eq!(in_flight.wait(prefix(MAX_LOOKUPS), 0, at(0)), Admission::Busy);
        for number in MAX_LOOKUPS..MAX_WAITERS {
            assert_eq!(in_flight.wait(prefix(0), number, at(0)), Admission::Coalesced);
        }
        assert_eq!(in_flight.wait(prefix(0), 0, at(0)), Admission::Busy);
        in_flight.settle(prefix(0), Signal::Works, at(0), 0);
        assert_eq!(in_flight.wait(prefix(MAX_LOOKUPS), 0, at(0)), Admission::Send, "there is room again");
    }

    #[test]
    fn while_the_circuit_is_open_nobody_waits_but_one_to_try_it() {
        let mut in_flight = InFlight::default();
        in_flight.wait(prefix(1), 0, at(0));
        in_flight.wait(prefix(2), 0, at(0));
        in_flight.settle(prefix(1), Signal::Overloaded, at(0), 500);
        assert_eq!(in_flight.wait(prefix(3), 0, at(0)), Admission::Paused);
        assert_eq!(in_flight.wait(prefix(2), 0, at(0)), Admission::Coalesced, "what is in flight is worth waiting for");
        assert_eq!(in_flight.wait(prefix(3), 0, at(1)), Admission::Send, "half-open");
        assert_eq!(in_flight.wait(prefix(4), 0, at(1)), Admission::Paused);
        in_flight.settle(prefix(3), Signal::Works, at(1), 0);
        assert_eq!(in_flight.wait(prefix(4), 0, at(1)), Admission::Send);
    }
}
