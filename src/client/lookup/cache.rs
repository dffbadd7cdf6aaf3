//! Answers kept for all workers: a set-associative cache, each set of which is one value in shared data.
//!
//! Values in shared data can be replaced but never removed. So the number of sets is fixed, an answer always belongs to the
//! same one, and a full set evicts the answer that would expire first: memory is bounded whatever clients do. Answers of several
//! configurations live side by side, told apart by a fingerprint of the service.

use super::answer::{Answer, Outcome};
use super::{Prefix, Settings};
use crate::client::country::Country;
use crate::geo::Coordinates;
use crate::stable_hash::stable_hash;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// How many answers a set holds. Reading one costs in proportion; with fewer, some would be full while others are empty.
pub const WAYS: u32 = 16;

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

/// The answers that share one value in shared data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Set(Vec<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    key: Key,
    expires: Timestamp,
    degrees: Option<(f64, f64)>,
    country: Option<[u8; 2]>,
}

impl Cache {
    /// What shares one answer with this address; `None` if nobody else can know where the address is.
    pub fn prefix_of(&self, address: IpAddr) -> Option<Prefix> {
        Prefix::of(address, self.prefix_v4, self.prefix_v6)
    }

    /// The number of the set that this key belongs to; `None` if nothing is kept.
    pub fn set_of(&self, key: Key) -> Option<u32> {
        let sets = u64::from(self.entries.div_ceil(WAYS));
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
}

impl Settings {
    /// Names everything that gives an answer its meaning: the answers of another service, or to another question, are not ours.
    pub fn fingerprint(&self) -> u32 {
        let Self { request, pointers, cache, timeout: _ } = self;
        stable_hash(&(request, pointers, cache.prefix_v4, cache.prefix_v6)) as u32
    }
}

impl Set {
    /// Reads what [`Set::to_bytes`] wrote; of anything else there is nothing to be had.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).unwrap_or_default()
    }

    /// The set as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// What is known under this key, if anything is; the answer may be that there is no place.
    pub fn find(&self, key: Key, now: Timestamp) -> Option<Answer> {
        self.0.iter().find(|entry| entry.key == key && now < entry.expires).map(Entry::answer)
    }

    /// Keeps an answer for this long, in place of an older one, or of the one that would expire first.
    pub fn keep(&mut self, key: Key, answer: Answer, now: Timestamp, lifetime: Duration) {
        let Answer { coordinates, country } = answer;
        let degrees = coordinates.map(|it| (it.latitude(), it.longitude()));
        self.0.retain(|entry| entry.key != key && now < entry.expires);
        while self.0.len() >= WAYS as usize {
            let soonest = self.0.iter().enumerate().min_by_key(|(_, entry)| entry.expires).map(|(index, _)| index);
            self.0.swap_remove(soonest.unwrap_or_default());
        }
        self.0.push(Entry { key, expires: now + lifetime, degrees, country: country.map(Country::code) });
    }
}

impl Entry {
    fn answer(&self) -> Answer {
        Answer {
            coordinates: self.degrees.and_then(|(latitude, longitude)| Coordinates::new(latitude, longitude).ok()),
            country: self.country.and_then(|code| Country::parse(&code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{CoordinatePointers, Pointers};
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

    fn at(seconds: u64) -> Timestamp {
        Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
    }

    fn geneva() -> Answer {
        Answer { coordinates: Coordinates::new(46.2, 6.14).ok(), country: Country::parse(b"CH") }
    }

    #[test]
    fn answers_of_another_service_or_to_another_question_are_not_ours() {
        let text = |text: &str| text.to_owned();
        let headers = Vec::new();
        let request =
            Request { cluster: text("a"), authority: text("b"), method: text("GET"), path: text("/{ip}"), headers };
        let pointers =
            Pointers { coordinates: CoordinatePointers::One(text("/loc")), country: text("/c"), address: text("/ip") };
        let settings =
            Settings { request: request.clone(), timeout: CACHE.ttl, pointers: pointers.clone(), cache: CACHE };
        for (what, ours, other) in [
            ("the timeout", true, Settings { timeout: Duration::ZERO, ..settings.clone() }),
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
    fn an_answer_is_kept_until_it_expires() {
        let mut set = Set::default();
        set.keep(key(1), geneva(), at(0), CACHE.ttl);
        set.keep(key(2), Answer::default(), at(0), CACHE.negative_ttl);
        let set = Set::from_bytes(&set.to_bytes());
        for (key, seconds, expected) in [
            (key(1), 0, Some(geneva())),
            (key(1), 3599, Some(geneva())),
            (key(1), 3600, None),
            (key(2), 59, Some(Answer::default())),
            (key(2), 60, None),
            (key(3), 0, None),
            (Key { service: 8, ..key(1) }, 0, None),
        ] {
            assert_eq!(set.find(key, at(seconds)), expected, "{key:?} after {seconds} s");
        }
    }

    #[test]
    fn a_newer_answer_replaces_the_older_one() {
        let mut set = Set::default();
        set.keep(key(1), Answer::default(), at(0), CACHE.ttl);
        set.keep(key(1), geneva(), at(1), CACHE.ttl);
        assert_eq!((set.find(key(1), at(1)), set.0.len()), (Some(geneva()), 1));
    }

    #[test]
    fn a_full_set_evicts_what_would_expire_first() {
        let mut set = Set::default();
        for number in 0..WAYS {
            let lifetime = Duration::from_secs(if number == 5 { 10 } else { 100 });
            set.keep(key(number), geneva(), at(0), lifetime);
        }
        set.keep(key(100), geneva(), at(1), CACHE.ttl);
        assert_eq!(set.0.len(), WAYS as usize);
        assert_eq!(set.find(key(5), at(1)), None);
        assert_eq!((set.find(key(4), at(1)), set.find(key(100), at(1))), (Some(geneva()), Some(geneva())));
        set.keep(key(101), geneva(), at(200), CACHE.ttl);
        assert_eq!(set.0.len(), 2, "what has expired goes first");
    }

    #[test]
    fn other_peoples_bytes_hold_no_answers() {
        for bytes in [&b""[..], b"\xff\xff\xff\xff\xff", b"greetings", &[0; 1000]] {
            assert_eq!(Set::from_bytes(bytes), Set::default());
        }
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
