//! One set of the cache: who stays when there are more answers than room.
//!
//! S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak: "FIFO queues are all you need for cache eviction", SOSP 2023), in small. A new answer
//! comes into a short queue, on probation. What is used there goes on to the main queue; what is not is evicted, and its
//! fingerprint is remembered for a while: should it be asked for again, it goes to the main queue at once. From the main queue
//! goes what has not been used since it was last considered. So a crowd of clients that come once evicts itself.
//!
//! A single client could use each of its many answers twice. So one network has no more than [`SHARE`] answers in a set.

use super::answer::Answer;
use super::cache::Key;
use crate::client::country::Country;
use crate::geo::Coordinates;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many answers a set holds. Reading one costs in proportion; with fewer, some would be full while others are empty.
pub const WAYS: usize = 16;
/// How many of them one network has at most.
pub const SHARE: usize = 2;
/// How many of them are on probation when the set is full: a tenth in the paper.
const PROBATION: usize = 2;
/// How many fingerprints are remembered.
const GHOSTS: usize = 16;

/// The answers that share one value in shared data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// Both queues, the oldest first.
    entries: Vec<Entry>,
    /// Fingerprints of what was evicted, the oldest first.
    ghosts: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    key: Key,
    expires: Timestamp,
    degrees: Option<(f64, f64)>,
    country: Option<[u8; 2]>,
    /// In the main queue, not on probation.
    main: bool,
    /// Since it came into its queue, or was last considered.
    used: bool,
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
        self.entries.iter().find(|entry| entry.key == key && now < entry.expires).map(Entry::answer)
    }

    /// Marks the answer under this key as used. Returns whether that changes anything: rarely, so that few uses cost a write.
    pub fn mark_used(&mut self, key: Key) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.key == key && !entry.used);
        entry.map(|entry| entry.used = true).is_some()
    }

    /// Keeps an answer for this long, in place of an older one.
    pub fn keep(&mut self, key: Key, answer: Answer, now: Timestamp, lifetime: Duration) {
        self.forget(|entry| entry.key == key || now >= entry.expires);
        let known = self.ghosts.contains(&key.fingerprint());
        self.ghosts.retain(|ghost| *ghost != key.fingerprint());
        self.make_room_within_share(key);
        (WAYS..=self.entries.len()).for_each(|_| self.evict());
        let Answer { coordinates, country } = answer;
        let degrees = coordinates.map(|it| (it.latitude(), it.longitude()));
        let (expires, country) = (now + lifetime, country.map(Country::code));
        self.entries.push(Entry { key, expires, degrees, country, main: known, used: false });
    }

    /// Removes entries. That they were of use is remembered.
    fn forget(&mut self, which: impl Fn(&Entry) -> bool) {
        let gone: Vec<_> = self.entries.iter().filter(|entry| which(entry)).copied().collect();
        self.entries.retain(|entry| !which(entry));
        gone.iter().filter(|entry| entry.main || entry.used).for_each(|entry| self.remember(entry.key));
    }

    /// Leaves this key's network one answer less than its share: what it has used least goes, and is not remembered.
    fn make_room_within_share(&mut self, key: Key) {
        let (entries, network) = (&self.entries, key.network());
        let own: Vec<_> = (0..).zip(entries).filter(|(_, entry)| entry.key.network() == network).collect();
        let least_used = own.iter().min_by_key(|(_, entry)| (entry.used, entry.main)).map(|(index, _)| *index);
        if let Some(index) = least_used.filter(|_| own.len() >= SHARE) {
            self.entries.remove(index);
        }
    }

    /// Removes one entry. Those that were used and come before it are considered, and go on to the main queue, or to its end.
    fn evict(&mut self) {
        for _ in 0..=self.entries.len() {
            let on_probation = self.entries.iter().filter(|entry| !entry.main).count();
            let from_main = on_probation < PROBATION;
            let Some(index) = self.entries.iter().position(|entry| entry.main == from_main) else { return };
            let entry = self.entries.remove(index);
            if !entry.used {
                return self.remember(entry.key);
            }
            self.entries.push(Entry { main: true, used: false, ..entry });
        }
    }

    fn remember(&mut self, key: Key) {
        let too_many = (self.ghosts.len() + 1).saturating_sub(GHOSTS);
        self.ghosts.drain(..too_many);
        self.ghosts.push(key.fingerprint());
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
    use super::super::Cache;
    use super::*;
    use std::net::IpAddr;

    const TTL: Duration = Duration::from_secs(3600);
    const NEGATIVE_TTL: Duration = Duration::from_secs(60);

    fn key_of(service: u32, address: [u8; 4]) -> Key {
        let cache = Cache { entries: 1, ttl: TTL, negative_ttl: NEGATIVE_TTL, prefix_v4: 24, prefix_v6: 48 };
        Key::new(service, cache.prefix_of(IpAddr::from(address)).unwrap())
    }

    /// Keys of unrelated networks.
    fn key(number: u8) -> Key {
        key_of(7, [11, number, 0, 1])
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
    }

    fn geneva() -> Answer {
        Answer { coordinates: Coordinates::new(46.2, 6.14).ok(), country: Country::parse(b"CH") }
    }

    /// A set with these answers, which came in this order.
    fn with(keys: impl IntoIterator<Item = Key>) -> Set {
        let mut set = Set::default();
        keys.into_iter().for_each(|key| set.keep(key, geneva(), at(0), TTL));
        set
    }

    fn kept(set: &Set, numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
        numbers.into_iter().filter(|number| set.find(key(*number), at(1)).is_some()).collect()
    }

    #[test]
    fn an_answer_is_kept_until_it_expires() {
        let mut set = Set::default();
        set.keep(key(1), geneva(), at(0), TTL);
        set.keep(key(2), Answer::default(), at(0), NEGATIVE_TTL);
        let set = Set::from_bytes(&set.to_bytes());
        for (key, seconds, expected) in [
            (key(1), 0, Some(geneva())),
            (key(1), 3599, Some(geneva())),
            (key(1), 3600, None),
            (key(2), 59, Some(Answer::default())),
            (key(2), 60, None),
            (key(3), 0, None),
            (key_of(8, [11, 1, 0, 1]), 0, None),
        ] {
            assert_eq!(set.find(key, at(seconds)), expected, "{key:?} after {seconds} s");
        }
    }

    #[test]
    fn a_newer_answer_replaces_the_older_one() {
        let mut set = Set::default();
        set.keep(key(1), Answer::default(), at(0), TTL);
        set.keep(key(1), geneva(), at(1), TTL);
        assert_eq!((set.find(key(1), at(1)), set.entries.len()), (Some(geneva()), 1));
    }

    #[test]
    fn what_came_once_is_evicted_and_what_is_used_stays() {
        let mut set = with((0..16).map(key));
        assert!(set.mark_used(key(0)), "the first use is worth a write");
        assert!(!set.mark_used(key(0)) && !set.mark_used(key(99)), "further ones are not");
        (100..200).for_each(|number| set.keep(key(number), geneva(), at(0), TTL));
        assert_eq!(kept(&set, 0..16), [0]);
        assert_eq!(set.entries.len(), WAYS);
    }

    #[test]
    fn a_crowd_that_comes_once_takes_no_more_than_probation() {
        let mut set = with((0..14).map(key));
        (0..14).for_each(|number| assert!(set.mark_used(key(number))));
        (100..250).for_each(|number| set.keep(key(number), geneva(), at(0), TTL));
        assert_eq!(kept(&set, 0..14), (0..14).collect::<Vec<_>>());
        assert_eq!(kept(&set, 100..250), [248, 249], "the newest are on probation");
    }

    #[test]
    fn what_was_evicted_too_early_stays_the_second_time() {
        let mut set = with((0..18).map(key));
        assert_eq!(kept(&set, 0..2), Vec::<u8>::new());
        set.keep(key(1), geneva(), at(0), TTL);
        (100..200).for_each(|number| set.keep(key(number), geneva(), at(0), TTL));
        assert_eq!(kept(&set, 0..18), [1]);
    }

    #[test]
    fn what_was_of_use_is_so_again_after_it_has_expired() {
        let mut set = with([key(1), key(2)]);
        set.mark_used(key(1));
        set.keep(key(3), geneva(), at(3600), TTL);
        assert_eq!(set.entries.len(), 1, "what has expired goes first");
        [1, 2].into_iter().for_each(|number| set.keep(key(number), geneva(), at(3600), TTL));
        assert_eq!(set.entries.iter().filter(|entry| entry.main).map(|entry| entry.key).collect::<Vec<_>>(), [key(1)]);
    }

    #[test]
    fn one_network_has_its_share_and_what_it_uses_most() {
        let [first, second, third] = [1, 2, 3].map(|number| key_of(7, [11, 1, number, 1]));
        let mut set = with([key(100), first, second]);
        set.mark_used(first);
        set.keep(third, geneva(), at(0), TTL);
        let found = [key(100), first, second, third].map(|key| set.find(key, at(0)).is_some());
        assert_eq!(found, [true, true, false, true]);
        set.keep(key_of(8, [11, 1, 4, 1]), geneva(), at(0), TTL);
        assert_eq!(set.entries.len(), 4, "of another service it has another one");
    }

    #[test]
    fn other_peoples_bytes_hold_no_answers() {
        for bytes in [&b""[..], b"\xff\xff\xff\xff\xff", b"greetings", &[0; 1000]] {
            assert_eq!(Set::from_bytes(bytes), Set::default());
        }
    }

    /// The format of `greatcircle/lookup/3/…`. Modules of several versions read it side by side: another format is another key.
    #[test]
    fn the_bytes_of_a_set() {
        let mut set = with([key(1)]);
        set.mark_used(key(1));
        set.keep(key(2), Answer::default(), at(0), TTL);
        set.ghosts.push(0xdead_beef);
        let hex: String = set.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "0207000b010000d0a03d00019a999999991947408fc2f5285c8f18400143480001\
            07000b020000d0a03d000000000001effdb6f50d";
        assert_eq!(hex, expected);
        assert_eq!(Set::from_bytes(&set.to_bytes()), set);
    }
}
