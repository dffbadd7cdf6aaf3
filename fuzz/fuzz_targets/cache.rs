//! A cache set: shared data, into which anything else in the process may write as well.
#![no_main]

use greatcircle::client::country::Country;
use greatcircle::client::lookup::{Answer, Cache, Key, Set};
use greatcircle::geo::Coordinates;
use greatcircle::time::Timestamp;
use greatcircle_fuzz::{assert_on_the_globe, assert_on_the_map};
use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;
use std::time::Duration;

const CACHE: Cache =
    Cache { entries: 1, ttl: Duration::from_secs(60), negative_ttl: Duration::ZERO, prefix_v4: 24, prefix_v6: 48 };

fuzz_target!(|bytes: &[u8]| {
    let mut set = Set::from_bytes(bytes);
    let now = Timestamp::after_origin(Duration::from_secs(1_700_000_000));
    let [corpus, other] = [7, 8].map(key);
    for answer in [corpus, other].into_iter().filter_map(|key| set.find(key, now)) {
        answer.coordinates.into_iter().for_each(assert_on_the_globe);
        answer.country.into_iter().for_each(assert_on_the_map);
    }
    let geneva = Answer { coordinates: Coordinates::new(46.2, 6.14).ok(), country: Country::parse(b"CH") };
    set.keep(other, geneva, now, CACHE.ttl);
    let set = Set::from_bytes(&set.to_bytes());
    assert_eq!(set.find(other, now), Some(geneva), "what is kept is found, whatever else is there");
    assert_eq!(set.find(other, now + CACHE.ttl), None);
});

/// The key of a service's answer about 8.8.8.0/24; the corpus has those of service 7.
fn key(service: u32) -> Key {
    Key::new(service, CACHE.prefix_of(Ipv4Addr::new(8, 8, 8, 8).into()).expect("8.8.8.8 is public"))
}
