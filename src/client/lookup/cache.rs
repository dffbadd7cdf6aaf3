//! Answers kept for all workers: a set-associative cache, each [`Set`](super::Set) of which is one value in shared data.
//!
//! Values in shared data can be replaced but never removed. So the number of sets is fixed, and an answer always belongs to the
//! same one: memory is bounded whatever clients do. Answers of several configurations live side by side, told apart by a
//! fingerprint of the service.

use super::answer::Outcome;
use super::set::WAYS;
use super::{Network, Prefix, Settings};
use crate::stable_hash::stable_hash;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// How long a lookup that nobody answered is remembered: long enough for a client not to wait with each of its requests, short
/// enough for its place to be known soon after the service is back.
const FAILURE_TTL: Duration = Duration::from_secs(10);

/// How answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// How many at most, rounded up to whole sets; 0: none.
    pub entries: u32,
    /// How long a place is believed.
    pub ttl: Duration,
    /// How long it is believed that there is none.
    pub negative_ttl: Duration,
    /// How many leading bits of an IPv4 address share one answer.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
}

/// What an answer is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    service: u32,
    prefix: Prefix,
}

impl Cache {
    /// What shares one answer with this address; `None` if nobody else can know where the address is.
    pub fn prefix_of(&self, address: IpAddr) -> Option<Prefix> {
        Prefix::of(address, self.prefix_v4, self.prefix_v6)
    }

    /// The number of the set that this key belongs to; `None` if nothing is kept.
    pub fn set_of(&self, key: Key) -> Option<u32> {
        let sets = u64::from(self.entries.div_ceil(WAYS as u32));
        stable_hash(&key).checked_rem(sets).and_then(|set| u32::try_from(set).ok())
    }

    /// How long the answer of a lookup that ended like this is kept.
    pub fn lifetime(&self, outcome: Outcome) -> Duration {
        match outcome {
            Outcome::Found => self.ttl,
            Outcome::Nowhere | Outcome::Malformed | Outcome::OtherAddress | Outcome::TooLarge => self.negative_ttl,
            Outcome::Limited | Outcome::ServerError | Outcome::Status | Outcome::Failed(_) => {
                self.negative_ttl.min(FAILURE_TTL)
            }
        }
    }
}

impl Key {
    /// The key of this service's answer about this prefix.
    pub fn new(service: u32, prefix: Prefix) -> Self {
        Self { service, prefix }
    }

    /// Stands for the key where its whole length would cost too much.
    pub(super) fn fingerprint(self) -> u32 {
        (stable_hash(&self) >> 32) as u32
    }

    /// Whose room the answer takes.
    pub(super) fn network(self) -> (u32, Network) {
        (self.service, self.prefix.network())
    }
}

impl Settings {
    /// Names everything that gives an answer its meaning: the answers of another service, or to another question, are not ours.
    pub fn fingerprint(&self) -> u32 {
        let Self { request, pointers, cache, timeout: _, budget: _ } = self;
        stable_hash(&(request, pointers, cache.prefix_v4, cache.prefix_v6)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{CoordinatePointers, Pointers};
    use super::super::{Budget, Rate};
    use super::*;
    use crate::call::Request;

    const CACHE: Cache = Cache {
        entries: 1000,
        ttl: Duration::from_secs(3600),
        negative_ttl: Duration::from_secs(60),
        prefix_v4: 24,
        prefix_v6: 48,
    };

    fn key(number: u32) -> Key {
        let address = IpAddr::from((0x0800_0000 + number * 256).to_be_bytes());
        Key::new(7, CACHE.prefix_of(address).unwrap())
    }

    #[test]
    fn answers_of_another_service_or_to_another_question_are_not_ours() {
        let text = |text: &str| text.to_owned();
        let headers = Vec::new();
        let request =
            Request { cluster: text("a"), authority: text("b"), method: text("GET"), path: text("/{ip}"), headers };
        let pointers =
            Pointers { coordinates: CoordinatePointers::One(text("/loc")), country: text("/c"), address: text("/ip") };
        let rate = Rate { burst: 1, every: CACHE.ttl };
        let budget = Budget { worker: rate, network: rate };
        let settings =
            Settings { request: request.clone(), timeout: CACHE.ttl, pointers: pointers.clone(), cache: CACHE, budget };
        let frugal = Budget { worker: Rate { burst: 2, ..rate }, ..budget };
        for (what, ours, other) in [
            ("the timeout", true, Settings { timeout: Duration::ZERO, ..settings.clone() }),
            ("the budget", true, Settings { budget: frugal, ..settings.clone() }),
            ("how long", true, Settings { cache: Cache { ttl: Duration::ZERO, ..CACHE }, ..settings.clone() }),
            ("the path", false, Settings { request: Request { path: text("/"), ..request }, ..settings.clone() }),
            (
                "the pointers",
                false,
                Settings { pointers: Pointers { country: text("/d"), ..pointers }, ..settings.clone() },
            ),
            ("IPv4", false, Settings { cache: Cache { prefix_v4: 16, ..CACHE }, ..settings.clone() }),
            ("IPv6", false, Settings { cache: Cache { prefix_v6: 32, ..CACHE }, ..settings.clone() }),
        ] {
            assert_eq!(settings.fingerprint() == other.fingerprint(), ours, "{what}");
        }
        assert_eq!(settings.request_for(key(0).prefix).path, "/8.0.0.0");
    }

    #[test]
    fn neighbours_share_an_answer() {
        for (address, first) in [
            ("8.8.8.8", Some("8.8.8.0")),
            ("8.8.8.255", Some("8.8.8.0")),
            ("::ffff:8.8.8.8", Some("8.8.8.0")),
            ("2001:4860:4860:1:2:3:4:8888", Some("2001:4860:4860::")),
            ("10.0.0.1", None),
            ("::1", None),
        ] {
            let prefix = CACHE.prefix_of(address.parse().unwrap());
            assert_eq!(prefix.map(Prefix::first), first.map(|first| first.parse().unwrap()), "{address}");
        }
        let exact = Cache { prefix_v4: 32, prefix_v6: 128, ..CACHE };
        assert_eq!(exact.prefix_of("8.8.8.8".parse().unwrap()).map(Prefix::first), "8.8.8.8".parse().ok());
    }

    #[test]
    fn keys_are_spread_over_all_sets() {
        let mut filled = vec![0; 63]; // 1000 entries, rounded up
        for number in 0..10_000 {
            filled[CACHE.set_of(key(number)).unwrap() as usize] += 1;
        }
        assert!(filled.iter().all(|count| (100..230).contains(count)), "{filled:?}");
        assert_eq!(Cache { entries: 0, ..CACHE }.set_of(key(1)), None);
    }

    #[test]
    fn what_nobody_answered_is_forgotten_soon() {
        use crate::call::Failure;
        for (outcome, seconds) in [
            (Outcome::Found, 3600),
            (Outcome::Nowhere, 60),
            (Outcome::Malformed, 60),
            (Outcome::Limited, 10),
            (Outcome::Failed(Failure::Timeout), 10),
        ] {
            assert_eq!(CACHE.lifetime(outcome), Duration::from_secs(seconds), "{outcome:?}");
        }
        let impatient = Cache { negative_ttl: Duration::from_secs(1), ..CACHE };
        assert_eq!(impatient.lifetime(Outcome::Limited), Duration::from_secs(1));
    }
}
