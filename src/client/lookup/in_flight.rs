//! The lookups that one worker has in flight, and which requests wait for each.
//!
//! Lookups are coalesced: one is in flight for each prefix, and whoever else asks about it waits for the same answer. Both are
//! bounded, for all networks together and for each: a request that finds no room goes on without.

use super::budget::{Budget, Spending};
use super::circuit::{Circuit, Signal};
use super::{Network, Prefix};
use crate::time::Timestamp;
use std::time::Duration;

/// How many lookups a worker has in flight at most.
pub const MAX_LOOKUPS: usize = 256;
/// How much memory requests of a worker may take while they wait, in bytes.
pub const MAX_WAITING: usize = 64 << 20;
/// One network has one part in so many of either.
pub const PARTS: usize = 4;

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
    /// It does not wait, because the lookup would be one too many.
    OverBudget,
}

/// The lookups in flight, and what decides whether more may be sent.
#[derive(Debug)]
pub struct InFlight<W> {
    lookups: Vec<Lookup<W>>,
    circuit: Circuit,
    spending: Spending,
}

#[derive(Debug)]
struct Lookup<W> {
    prefix: Prefix,
    since: Timestamp,
    waiters: Vec<Waiter<W>>,
    /// Of all waiters.
    bytes: usize,
}

#[derive(Debug)]
struct Waiter<W> {
    who: W,
    bytes: usize,
}

impl<W> InFlight<W> {
    /// None yet. `seed` is a random number.
    pub fn new(budget: Budget, seed: u64) -> Self {
        Self { lookups: Vec::new(), circuit: Circuit::default(), spending: Spending::new(budget, seed) }
    }

    /// Lets somebody, who takes so many bytes of memory, wait for what is known about a prefix, if there is room.
    pub fn wait(&mut self, prefix: Prefix, who: W, bytes: usize, now: Timestamp) -> Admission {
        let network = prefix.network();
        let fits =
            |bytes: usize, limit: usize, all: usize, own: usize| all + bytes <= limit && own + bytes <= limit / PARTS;
        if !fits(bytes, MAX_WAITING, self.sum(None, |it| it.bytes), self.sum(Some(network), |it| it.bytes)) {
            return Admission::Busy;
        }
        let waiter = Waiter { who, bytes };
        if let Some(lookup) = self.lookups.iter_mut().find(|lookup| lookup.prefix == prefix) {
            lookup.waiters.push(waiter);
            lookup.bytes += bytes;
            return Admission::Coalesced;
        }
        if !fits(1, MAX_LOOKUPS, self.sum(None, |_| 1), self.sum(Some(network), |_| 1)) {
            return Admission::Busy;
        }
        if !self.spending.affords(network, now) {
            return Admission::OverBudget;
        }
        let (circuit, admitted) = self.circuit.admit(network, now);
        self.circuit = circuit;
        if !admitted {
            return Admission::Paused;
        }
        self.spending.spend(network, now);
        self.lookups.push(Lookup { prefix, since: now, waiters: vec![waiter], bytes });
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
        for lookup in &mut self.lookups {
            lookup.waiters.retain(|waiter| !gone(&waiter.who));
            lookup.bytes = lookup.waiters.iter().map(|waiter| waiter.bytes).sum();
        }
    }

    /// A prefix's lookup has ended. Returns who has waited for it; `None` if it is not in flight any more.
    pub fn settle(&mut self, prefix: Prefix, signal: Signal, now: Timestamp, random: u64) -> Option<Vec<W>> {
        let index = self.lookups.iter().position(|lookup| lookup.prefix == prefix)?;
        self.circuit = self.circuit.observe(signal, prefix.network(), now, random);
        Some(self.lookups.swap_remove(index).waiters.into_iter().map(|waiter| waiter.who).collect())
    }

    /// Adds up what lookups take: those of this network, or all.
    fn sum(&self, of: Option<Network>, taken: impl Fn(&Lookup<W>) -> usize) -> usize {
        let counts = |lookup: &&Lookup<W>| of.is_none_or(|network| lookup.prefix.network() == network);
        self.lookups.iter().filter(counts).map(taken).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cache, Rate};
    use super::*;

    const NO_LIMIT: Rate = Rate { burst: u32::MAX, every: Duration::ZERO };

    fn in_flight<W>() -> InFlight<W> {
        InFlight::new(Budget { worker: NO_LIMIT, network: NO_LIMIT }, 0)
    }

    /// A prefix of a network.
    fn prefix_of(network: usize, number: usize) -> Prefix {
        let cache = Cache { entries: 1, ttl: Duration::MAX, negative_ttl: Duration::MAX, prefix_v4: 24, prefix_v6: 48 };
        let [network, number] = [network, number].map(|number| u8::try_from(number).unwrap());
        cache.prefix_of([11, network, number, 1].into()).unwrap()
    }

    /// Prefixes that are unrelated.
    fn prefix(number: usize) -> Prefix {
        prefix_of(number, 0)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
    }

    #[test]
    fn one_lookup_for_each_prefix() {
        let mut in_flight = in_flight();
        for (number, who, seconds, expected) in [
            (1, 'a', 0, Admission::Send),
            (1, 'b', 0, Admission::Coalesced),
            (2, 'c', 0, Admission::Send),
            (1, 'd', 1, Admission::Coalesced), // latecomers join what is in flight
        ] {
            assert_eq!(in_flight.wait(prefix(number), who, 1, at(seconds)), expected, "{who}");
        }
        assert_eq!(in_flight.settle(prefix(1), Signal::Works, at(1), 0), Some(vec!['a', 'b', 'd']));
        assert_eq!(in_flight.settle(prefix(1), Signal::Works, at(1), 0), None);
        assert_eq!(in_flight.wait(prefix(1), 'e', 1, at(1)), Admission::Send, "and the next one asks anew");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut in_flight = in_flight();
        let limit = Duration::from_secs(1);
        in_flight.wait(prefix(1), 'a', 1, at(0));
        assert_eq!(in_flight.overdue(at(1), limit), []);
        assert_eq!(in_flight.overdue(at(2), limit), [prefix(1)]);
    }

    #[test]
    fn who_has_gone_leaves_room_and_the_lookup_goes_on() {
        let mut in_flight = in_flight();
        in_flight.wait(prefix(1), 'a', MAX_WAITING / PARTS, at(0));
        assert_eq!(in_flight.wait(prefix(1), 'b', 1, at(0)), Admission::Busy);
        in_flight.abandon(|waiter| *waiter == 'a');
        assert_eq!(in_flight.wait(prefix(1), 'b', 1, at(0)), Admission::Coalesced);
        assert_eq!(in_flight.settle(prefix(1), Signal::Works, at(1), 0), Some(vec!['b']));
    }

    #[test]
    fn one_network_takes_a_part_of_the_room_and_leaves_the_others_theirs() {
        const OWN: usize = MAX_LOOKUPS / PARTS;
        let mut in_flight = in_flight();
        for network in 0..PARTS {
            for number in 0..OWN {
                assert_eq!(in_flight.wait(prefix_of(network, number), 0, 1, at(0)), Admission::Send);
            }
            assert_eq!(in_flight.wait(prefix_of(network, OWN), 0, 1, at(0)), Admission::Busy);
        }
        assert_eq!(in_flight.wait(prefix(PARTS), 0, 1, at(0)), Admission::Busy, "all room is taken");
        in_flight.settle(prefix(0), Signal::Works, at(0), 0);
        assert_eq!(in_flight.wait(prefix(PARTS), 0, 1, at(0)), Admission::Send, "there is room again");
    }

    #[test]
    fn so_many_bytes_may_wait() {
        let mut in_flight = in_flight();
        for network in 0..PARTS {
            assert_eq!(in_flight.wait(prefix(network), 0, MAX_WAITING / PARTS - 1, at(0)), Admission::Send);
            assert_eq!(in_flight.wait(prefix(network), 0, 2, at(0)), Admission::Busy);
            assert_eq!(in_flight.wait(prefix(network), 0, 1, at(0)), Admission::Coalesced);
        }
        assert_eq!(in_flight.wait(prefix(PARTS), 0, 1, at(0)), Admission::Busy);
    }

    #[test]
    fn what_is_not_sent_costs_nothing() {
        let one = Rate { burst: 1, every: Duration::from_secs(10) };
        let mut in_flight = InFlight::new(Budget { worker: NO_LIMIT, network: one }, 0);
        assert_eq!(in_flight.wait(prefix_of(1, 1), 0, 1, at(0)), Admission::Send);
        assert_eq!(in_flight.wait(prefix_of(1, 1), 0, 1, at(0)), Admission::Coalesced);
        assert_eq!(in_flight.wait(prefix_of(1, 2), 0, 1, at(0)), Admission::OverBudget);
        assert_eq!(in_flight.wait(prefix_of(2, 1), 0, 1, at(0)), Admission::Send);
        in_flight.settle(prefix_of(2, 1), Signal::Overloaded, at(0), 500);
        assert_eq!(in_flight.wait(prefix_of(3, 1), 0, 1, at(0)), Admission::Paused);
        assert_eq!(in_flight.wait(prefix_of(3, 1), 0, 1, at(1)), Admission::Send, "the refusal was free");
    }

    #[test]
    fn while_the_circuit_is_open_nobody_waits_but_some_to_try_it() {
        let mut in_flight = in_flight();
        in_flight.wait(prefix(1), 0, 1, at(0));
        in_flight.wait(prefix(2), 0, 1, at(0));
        in_flight.settle(prefix(1), Signal::Overloaded, at(0), 500);
        assert_eq!(in_flight.wait(prefix(3), 0, 1, at(0)), Admission::Paused);
        assert_eq!(
            in_flight.wait(prefix(2), 0, 1, at(0)),
            Admission::Coalesced,
            "what is in flight is worth waiting for"
        );
        assert_eq!(in_flight.wait(prefix(3), 0, 1, at(1)), Admission::Send, "half-open");
        assert_eq!(in_flight.wait(prefix_of(3, 1), 0, 1, at(1)), Admission::Paused, "one for each network");
        in_flight.settle(prefix(3), Signal::Works, at(1), 0);
        assert_eq!(in_flight.wait(prefix_of(3, 1), 0, 1, at(1)), Admission::Send);
    }
}
