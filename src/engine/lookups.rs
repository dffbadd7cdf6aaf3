//! Lookups: the cache that all workers share, requests that wait, and calls on their behalf.

use super::event::{Event, LookupResult};
use super::request::Waiting;
use super::{Effects, Engine, Purpose, Stream};
use crate::call::{Failure, Reply};
use crate::client::Headers;
use crate::client::lookup::in_flight::{Admission, InFlight};
use crate::client::lookup::{Answer, Key, Outcome, Prefix, Set, Settings, answer};
use crate::shared::{self, Shared};
use crate::stable_hash::stable_hash;
use crate::time::Timestamp;
use std::time::Duration;

/// How long after its timeout a call is given up, should the host still owe its answer.
const GRACE: Duration = Duration::from_secs(1);

/// What Envoy keeps for a request that waits, in bytes: for the stream itself …
const STREAM: usize = 12 << 10;
/// … and of a body: with the default limit of a listener's buffer, 1 MiB, Envoy 1.40 was seen to take in 2 MiB of each.
const BODY: usize = 2 << 20;

/// One worker's lookups.
#[derive(Debug)]
pub(super) struct Lookups {
    settings: Settings,
    service: u32,
    in_flight: InFlight<Waiting>,
}

/// What a request gets when it asks about a prefix.
pub(super) enum Asked {
    /// It is known; the answer may be that there is no place.
    Known(Answer),
    /// It has to wait.
    Wait,
    /// Nobody will tell.
    Nobody,
}

impl Lookups {
    /// One byte more than is read, so that a body that is too long is known as such.
    pub(super) const BODY_LIMIT: usize = answer::BODY_LIMIT + 1;

    /// `seed` is a random number.
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        Self { service: settings.fingerprint(), in_flight: InFlight::new(settings.budget, seed), settings }
    }

    /// Asks about a prefix on behalf of a request, which takes so many bytes while it waits.
    pub(super) fn ask(
        &mut self,
        prefix: Prefix,
        (waiting, bytes): (Waiting, usize),
        now: Timestamp,
        shared: &dyn Shared,
        effects: &mut Effects,
    ) -> Asked {
        if let Some(answer) = self.find(prefix, now, shared) {
            effects.tell(Event::LookedUp(LookupResult::Cached));
            return Asked::Known(answer);
        }
        let refused = match self.in_flight.wait(prefix, waiting, bytes, now) {
            Admission::Send => {
                effects.send(self.settings.request_for(prefix), self.settings.timeout, Purpose::Lookup(prefix));
                return Asked::Wait;
            }
            Admission::Coalesced => return Asked::Wait,
            Admission::Paused => LookupResult::Paused,
            Admission::Busy => LookupResult::Busy,
            Admission::OverBudget => LookupResult::OverBudget,
        };
        effects.tell(Event::LookedUp(refused));
        Asked::Nobody
    }

    pub(super) fn abandon(&mut self, stream: Stream) {
        self.in_flight.abandon(|waiting| waiting.stream == stream);
    }

    pub(super) fn is_in_flight(&self, prefix: Prefix) -> bool {
        self.in_flight.contains(prefix)
    }

    /// The answer that is kept. That it was used is written down, unless another worker is faster: the next use does.
    fn find(&self, prefix: Prefix, now: Timestamp, shared: &dyn Shared) -> Option<Answer> {
        let key = Key::new(self.service, prefix);
        let name = self.cache_set(key)?;
        let (bytes, version) = shared.read(&name)?;
        let mut set = Set::from_bytes(&bytes);
        let answer = set.find(key, now)?;
        if set.mark_used(key) {
            shared.compare_and_swap(&name, Some(version), &set.to_bytes());
        }
        Some(answer)
    }

    fn keep(&self, prefix: Prefix, outcome: Outcome, answer: Answer, now: Timestamp, shared: &dyn Shared) {
        let key = Key::new(self.service, prefix);
        let lifetime = self.settings.cache.lifetime(outcome);
        let Some(set) = self.cache_set(key) else { return };
        shared::update(shared, &set, |bytes| {
            let mut set = Set::from_bytes(bytes);
            set.keep(key, answer, now, lifetime);
            Some((set.to_bytes(), ()))
        });
    }

    /// Where in shared data the set of this key is; `None` if nothing is kept. The number stands for the format.
    fn cache_set(&self, key: Key) -> Option<String> {
        self.settings.cache.set_of(key).map(|set| format!("greatcircle/lookup/3/{set}"))
    }
}

/// How much memory a request takes while it waits, in bytes.
pub(super) fn bytes_waiting(headers: &Headers, body_follows: bool) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    STREAM + headers + if body_follows { BODY } else { 0 }
}

impl Engine {
    /// A lookup has ended: keeps what it has told, and lets everybody go on who has waited for it.
    pub(super) fn settle_lookup(&mut self, prefix: Prefix, reply: &Reply<'_>, now: Timestamp, shared: &dyn Shared) {
        let Self { lookups: Some(lookups), effects, .. } = self else { return };
        let (outcome, answer) = answer::read(reply, prefix, &lookups.settings.pointers);
        // Spreads the trials of many gateways over time: other gateways have other clocks and ask about other prefixes.
        let random = stable_hash(&(now, prefix));
        let Some(waiters) = lookups.in_flight.settle(prefix, outcome.into(), now, random) else { return };
        effects.tell(Event::LookedUp(LookupResult::Ended(outcome)));
        lookups.keep(prefix, outcome, answer, now, shared);
        waiters.into_iter().for_each(|waiting| effects.resume(waiting.told(answer)));
    }

    pub(super) fn give_up_lookups(&mut self, now: Timestamp, shared: &dyn Shared) {
        let Some(lookups) = &self.lookups else { return };
        for prefix in lookups.in_flight.overdue(now, lookups.settings.timeout + GRACE) {
            self.settle_lookup(prefix, &Reply::Failed(Failure::Timeout), now, shared);
        }
    }
}
