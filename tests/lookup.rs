//! Lookups whatever happens: answers of any bytes, any order of events for what is in flight, any stream of answers into the cache.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::cases;
use greatcircle::call::{Failure, Reply};
use greatcircle::client::lookup::answer::{BODY_LIMIT, CoordinatePointers, Pointers, read};
use greatcircle::client::lookup::circuit::Signal;
use greatcircle::client::lookup::in_flight::{Admission, InFlight};
use greatcircle::client::lookup::{Answer, Budget, Cache, Key, Outcome, Prefix, Rate, Set, set::WAYS};
use greatcircle::geo::Coordinates;
use greatcircle::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const CACHE: Cache = Cache {
    entries: 64,
    ttl: Duration::from_secs(100),
    negative_ttl: Duration::from_secs(50),
    prefix_v4: 24,
    prefix_v6: 48,
};

const NO_LIMIT: Rate = Rate { burst: u32::MAX, every: Duration::ZERO };

/// Prefixes of 20 networks.
fn prefix(number: usize) -> Prefix {
    let number = u32::try_from(number).unwrap();
    CACHE.prefix_of(IpAddr::from((0x0b00_0000 + (number % 20) * 65_536 + number / 20 * 256).to_be_bytes())).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
}

fn pointers() -> impl Strategy<Value = Pointers> {
    let coordinates = prop_oneof![
        Just(CoordinatePointers::One("/loc".into())),
        Just(CoordinatePointers::Pair { latitude: "/lat".into(), longitude: "/lon".into() }),
        any::<String>().prop_map(CoordinatePointers::One),
    ];
    (coordinates, any::<bool>()).prop_map(|(coordinates, whole)| Pointers {
        coordinates,
        country: if whole { String::new() } else { "/country".into() },
        address: "/ip".into(),
    })
}

/// JSON that is nearly what is expected, and bytes that are not JSON at all.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        select(vec![
            "null",
            "true",
            "\"\"",
            "\"CH\"",
            "\"46.2,6.14\"",
            "\"nan,0\"",
            "\"8.8.8.0\"",
            "\"0,0\"",
            "[]",
            "{}"
        ])
        .prop_map(String::from),
        any::<f64>().prop_map(|number| number.to_string()),
        (-200.0..200.0_f64).prop_map(|number| number.to_string()),
        (-200.0..200.0_f64, -200.0..200.0_f64).prop_map(|(lat, lon)| format!("\"{lat},{lon}\"")),
    ];
    let field = (select(vec!["ip", "loc", "lat", "lon", "country", "x"]), value);
    let object = vec(field, 0..6).prop_map(|fields| {
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", ")).into_bytes()
    });
    prop_oneof![4 => object, 1 => vec(any::<u8>(), 0..60)]
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn any_answer_is_a_place_on_the_globe_or_has_an_outcome(
        body in body(), pointers in pointers(), status in prop_oneof![3 => Just(200), 1 => any::<u16>()],
    ) {
        let (outcome, answer) = read(&Reply::Answered { status: Some(status), body: &body }, prefix(8), &pointers);
        prop_assert_eq!(outcome == Outcome::Found, answer != Answer::default());
        if let Some(coordinates) = answer.coordinates {
            prop_assert_eq!(Coordinates::new(coordinates.latitude(), coordinates.longitude()), Ok(coordinates));
            prop_assert!((200..300).contains(&status));
        }
    }

    /// Whoever is let in to wait gets an answer, once; lookups and waiters are bounded, and no prefix is asked about twice at a
    /// time.
    #[test]
    fn nobody_who_waits_is_forgotten(events in vec((0..40_usize, 0..4_u8, any::<u64>()), 1..400)) {
        let mut in_flight = InFlight::new(Budget { worker: NO_LIMIT, network: NO_LIMIT }, 0);
        let mut waiting: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, (about, event, random)) in events.into_iter().enumerate() {
            let now = at(number as u64 / 10);
            match event {
                0 | 1 => match in_flight.wait(prefix(about), number, 1, now) {
                    admission @ (Admission::Send | Admission::Coalesced) => {
                        prop_assert_eq!(admission == Admission::Send, !waiting.contains_key(&about));
                        waiting.entry(about).or_default().push(number);
                    }
                    Admission::Paused => prop_assert!(!waiting.contains_key(&about)),
                    Admission::Busy | Admission::OverBudget => prop_assert!(false, "there is room and money"),
                },
                2 => {
                    let gone = (random % 400) as usize;
                    in_flight.abandon(|waiter| *waiter == gone);
                    waiting.values_mut().for_each(|waiters| waiters.retain(|waiter| *waiter != gone));
                }
                _ => {
                    let signal = [Signal::Works, Signal::Fails, Signal::Overloaded][(random % 3) as usize];
                    prop_assert_eq!(in_flight.contains(prefix(about)), waiting.contains_key(&about));
                    prop_assert_eq!(in_flight.settle(prefix(about), signal, now, random), waiting.remove(&about));
                }
            }
        }
        for (about, expected) in waiting {
            prop_assert_eq!(in_flight.settle(prefix(about), Signal::Works, at(1000), 0), Some(expected));
        }
        prop_assert!(in_flight.overdue(at(10_000), Duration::ZERO).is_empty());
    }

    /// The cache may forget. What it remembers is the last answer, not expired, and it never holds more than its ways.
    #[test]
    fn the_cache_remembers_right_or_not_at_all(
        answers in vec((0..30_usize, any::<(bool, bool)>(), 1..100_u64, 0..20_u64), 1..120),
    ) {
        let mut bytes = Vec::new();
        let mut kept: BTreeMap<usize, (Answer, u64)> = BTreeMap::new();
        let mut now = 0;
        for (about, (found, used), lifetime, pause) in answers {
            now += pause;
            let answer = Answer { coordinates: Coordinates::new(about as f64 + 1.0, 1.0).ok().filter(|_| found), country: None };
            let mut set = Set::from_bytes(&bytes);
            if used {
                set.mark_used(Key::new(7, prefix(about)));
            }
            set.keep(Key::new(7, prefix(about)), answer, at(now), Duration::from_secs(lifetime));
            bytes = set.to_bytes();
            kept.insert(about, (answer, now + lifetime));

            let read = Set::from_bytes(&bytes);
            let remembered = (0..30).filter_map(|about| read.find(Key::new(7, prefix(about)), at(now)).map(|it| (about, it)));
            let remembered: BTreeMap<_, _> = remembered.collect();
            prop_assert!(remembered.len() <= WAYS);
            prop_assert!(remembered.contains_key(&about));
            for (about, answer) in remembered {
                prop_assert!(kept[&about].1 > now && kept[&about].0 == answer, "{about} at {now}");
            }
            prop_assert!(bytes.len() <= 70 * WAYS, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn any_bytes_are_a_set(bytes in vec(any::<u8>(), 0..200)) {
        let set = Set::from_bytes(&bytes);
        if let Some(coordinates) = set.find(Key::new(7, prefix(1)), at(0)).and_then(|answer| answer.coordinates) {
            prop_assert_eq!(Coordinates::new(coordinates.latitude(), coordinates.longitude()), Ok(coordinates));
        }
        let mut set = set;
        set.keep(Key::new(7, prefix(1)), Answer::default(), at(0), CACHE.ttl);
        prop_assert_eq!(set.find(Key::new(7, prefix(1)), at(0)), Some(Answer::default()));
    }
}

#[test]
fn what_nobody_answered_is_no_answer() {
    let pointers = Pointers {
        coordinates: CoordinatePointers::One("/loc".into()),
        country: "/country".into(),
        address: "/ip".into(),
    };
    for failure in [Failure::Timeout, Failure::Refused, Failure::Reset, Failure::NoHost, Failure::NoCluster] {
        let read = read(&Reply::Failed(failure), prefix(1), &pointers);
        assert_eq!(read, (Outcome::Failed(failure), Answer::default()));
    }
    let large = vec![b' '; BODY_LIMIT + 1];
    let read = read(&Reply::Answered { status: Some(200), body: &large }, prefix(1), &pointers);
    assert_eq!(read, (Outcome::TooLarge, Answer::default()));
}
