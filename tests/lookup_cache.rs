//! The lookup cache under attack: whose answers are left after a walk over a million prefixes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

use greatcircle::client::lookup::{Answer, Cache, Key, Prefix, Set, set::SHARE, set::WAYS};
use greatcircle::time::Timestamp;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// With the defaults of the configuration.
const CACHE: Cache = Cache {
    entries: 10_000,
    ttl: Duration::from_secs(24 * 3600),
    negative_ttl: Duration::from_secs(300),
    prefix_v4: 24,
    prefix_v6: 48,
};

/// Clients who come time and again: more than half of what the cache holds.
const REGULARS: u32 = 6_000;

/// How many prefixes are walked over.
const WALK: u32 = 1_000_000;

/// All sets of a cache, and how many requests have come: one every ten milliseconds.
struct Sets {
    sets: Vec<Set>,
    requests: u32,
}

impl Sets {
    fn new() -> Self {
        Self { sets: vec![Set::default(); CACHE.entries.div_ceil(WAYS as u32) as usize], requests: 0 }
    }

    /// A request from this prefix, which is looked up if it has to be.
    fn request(&mut self, prefix: Prefix) {
        self.requests += 1;
        let (key, now) = (Key::new(7, prefix), self.now());
        let set = &mut self.sets[CACHE.set_of(key).unwrap() as usize];
        match set.find(key, now) {
            Some(_) => _ = set.mark_used(key),
            None => set.keep(key, Answer::default(), now, CACHE.ttl),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::after_origin(Duration::from_secs(1_000_000) + self.requests * Duration::from_millis(10))
    }

    /// How many of these are kept, in percent.
    fn kept(&self, prefixes: impl Iterator<Item = Prefix>) -> f64 {
        let found = |prefix| {
            let key = Key::new(7, prefix);
            self.sets[CACHE.set_of(key).unwrap() as usize].find(key, self.now()).is_some()
        };
        let found: Vec<bool> = prefixes.map(found).collect();
        100.0 * found.iter().filter(|found| **found).count() as f64 / found.len() as f64
    }
}

/// Regular clients are all over the internet.
fn regular(number: u32) -> Prefix {
    let [_, _, high, low] = number.to_be_bytes();
    CACHE.prefix_of(Ipv4Addr::new(60 + low % 32, low, high, 7).into()).unwrap()
}

/// A prefix (/48) of one customer's network: a /28.
fn of_one_network(number: u32) -> Prefix {
    CACHE.prefix_of(Ipv6Addr::from((0x2a00_1450_0000_u128 + u128::from(number)) << 80).into()).unwrap()
}

/// A prefix (/24) of one of 9,728 networks.
fn of_many_networks(number: u32) -> Prefix {
    let (network, subnet) = (number % 9_728, number / 9_728);
    let address = [130 + network / 256, network % 256, subnet, 1].map(|byte| u8::try_from(byte).unwrap());
    CACHE.prefix_of(address.into()).unwrap()
}

/// What is left of the regular clients' answers after a walk over so many prefixes that asks about each so often. They do not
/// come meanwhile.
fn left_after(walk: fn(u32) -> Prefix, prefixes: u32, times: u32) -> f64 {
    let mut sets = Sets::new();
    (0..3 * REGULARS).for_each(|request| sets.request(regular(request % REGULARS)));
    for number in 0..prefixes {
        (0..times).for_each(|_| sets.request(walk(number)));
    }
    sets.kept((0..REGULARS).map(regular))
}

#[test]
fn a_walk_over_one_network_leaves_regular_clients_their_answers() {
    for (prefixes, times) in [(WALK, 1), (WALK / 10, 2)] {
        let left = left_after(of_one_network, prefixes, times);
        println!("{prefixes} prefixes of one network, {times} requests each: {left:.1} % of the answers are left");
        assert!(left >= 90.0, "{left}");
    }
}

#[test]
fn a_crowd_of_a_million_that_comes_once_leaves_regular_clients_their_answers() {
    let left = left_after(of_many_networks, WALK, 1);
    println!("a million prefixes of 9,728 networks: {left:.1} % of the answers are left");
    assert!(left >= 90.0, "{left}");
}

#[test]
fn one_network_holds_no_more_than_its_share_even_if_nobody_else_comes() {
    let mut sets = Sets::new();
    (0..100_000).for_each(|number| sets.request(of_one_network(number)));
    let left = sets.kept((0..100_000).map(of_one_network)) / 100.0 * 100_000.0;
    println!("of 100,000 prefixes of one network {left:.0} are kept, {SHARE} in each set");
    assert!(left <= (SHARE * sets.sets.len()) as f64, "{left}");
}

#[test]
fn clients_that_come_for_the_first_time_find_room_after_a_walk() {
    let mut sets = Sets::new();
    (0..WALK / 10)
        .for_each(|number| [number, number].map(of_many_networks).into_iter().for_each(|prefix| sets.request(prefix)));
    (0..3 * REGULARS).for_each(|request| sets.request(regular(request % REGULARS)));
    let kept = sets.kept((0..REGULARS).map(regular));
    println!("after a walk, with two requests for each prefix: {kept:.1} % of new clients' answers are kept");
    assert!(kept >= 60.0, "{kept}");
}
