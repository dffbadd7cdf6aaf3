//! Which of several configurations is in force, and what the others still do: step by step, with the engines themselves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::store::Store;
use common::worker::Worker;
use common::{after, check, ms, regions_in_a_row};
use greatcircle::client::source::Source;
use greatcircle::engine::{Event, RequestHead};
use greatcircle::health::Health;
use greatcircle::probe::Check;
use greatcircle::region::{Region, Regions};
use greatcircle::shared::Shared;
use std::time::Duration;

/// Regions of these names, all checked alike, through clusters of the same names.
fn regions(names: &[&str]) -> Regions {
    regions_at(names, "/healthz")
}

fn regions_at(names: &[&str], path: &str) -> Regions {
    let region = |(index, name): (usize, &&str)| {
        let mut check = Check { interval: ms(1000), timeout: ms(100), edge_interval: ms(1000), ..check() };
        (check.request.cluster, check.request.path) = ((*name).to_owned(), path.to_owned());
        Region::new(*name, common::at(1.0 + index as f64, 1.0), check)
    };
    Regions::new(names.iter().enumerate().map(region).collect()).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn request(worker: &mut Worker<'_>, store: &Store, at: Duration) {
    worker.engine.request(
        RequestHead { stream: 1, headers: &[], body_follows: false, source: Source::default() },
        || after(at),
        store,
    );
    worker.poll();
}

/// Ticks a worker four times a second for so long. Returns which regions it has probed.
fn run(worker: &mut Worker<'_>, from: u64, to: u64) -> Vec<String> {
    let mut probed: Vec<_> = (from * 4..to * 4).flat_map(|tick| worker.tick(ms(tick * 250), &[])).collect();
    probed.sort();
    probed.dedup();
    probed
}

#[test]
fn of_several_configurations_under_one_name_the_newest_is_in_force() {
    let store = Store::default();
    let mut old = Worker::new(&store, "p", 1, regions(&["a", "b"]), seconds(0));
    assert_eq!(run(&mut old, 0, 10), ["a", "b"]);
    let mut new = Worker::new(&store, "p", 2, regions(&["b", "c"]), seconds(10));
    old.events.clear();
    assert_eq!(run(&mut new, 10, 13), ["b", "c"]);
    assert_eq!(run(&mut old, 10, 100), [""; 0]);
    assert_eq!(old.events, [Event::InForce { hash: 1, in_force: false }], "it tells that, and nothing after it");
}

#[test]
fn another_name_is_another_succession() {
    let store = Store::default();
    let mut one = Worker::new(&store, "p", 1, regions(&["a"]), seconds(0));
    let mut other = Worker::new(&store, "q", 2, regions(&["b"]), seconds(0));
    assert_eq!((run(&mut one, 0, 10), run(&mut other, 0, 10)), (vec!["a".to_owned()], vec!["b".to_owned()]));
}

#[test]
fn an_older_one_is_in_force_while_it_takes_requests_that_are_not_left_over() {
    let store = Store::default();
    let mut old = Worker::new(&store, "p", 1, regions(&["a"]), seconds(0));
    run(&mut old, 0, 10);
    let _new = Worker::new(&store, "p", 2, regions(&["b"]), seconds(10));
    request(&mut old, &store, seconds(11));
    assert_eq!(run(&mut old, 11, 20), [""; 0], "that one was on its way");
    request(&mut old, &store, seconds(20));
    assert_eq!(run(&mut old, 20, 79), ["a"]);
    assert_eq!(run(&mut old, 81, 200), [""; 0], "a minute after the last one");
    request(&mut old, &store, seconds(200));
    assert_eq!(run(&mut old, 200, 210), ["a"]);
}

#[test]
fn a_vm_that_is_made_anew_does_not_make_its_configuration_the_newest() {
    let store = Store::default();
    let _trapped = Worker::new(&store, "p", 1, regions(&["a"]), seconds(0));
    let mut new = Worker::new(&store, "p", 2, regions(&["b"]), seconds(10));
    let mut again = Worker::new(&store, "p", 1, regions(&["a"]), seconds(20));
    assert_eq!(run(&mut again, 20, 30), [""; 0]);
    assert_eq!(run(&mut new, 20, 30), ["b"]);
}

#[test]
fn the_return_to_an_earlier_configuration_is_in_force_when_the_later_one_is_gone() {
    let store = Store::default();
    let first = Worker::new(&store, "p", 1, regions(&["a"]), seconds(0));
    let second = Worker::new(&store, "p", 2, regions(&["b"]), seconds(10));
    let mut third = Worker::new(&store, "p", 1, regions(&["a"]), seconds(20));
    first.close(seconds(20));
    second.close(seconds(20));
    assert_eq!(run(&mut third, 20, 22), [""; 0]);
    assert_eq!(run(&mut third, 22, 30), ["a"]);
    // And if everybody is gone first, at once.
    let store = Store::default();
    Worker::new(&store, "p", 1, regions(&["a"]), seconds(0)).close(seconds(1));
    Worker::new(&store, "p", 2, regions(&["b"]), seconds(2)).close(seconds(3));
    let mut again = Worker::new(&store, "p", 1, regions(&["a"]), seconds(4));
    assert_eq!(run(&mut again, 4, 6), ["a"]);
}

#[test]
fn one_worker_that_lets_go_does_not_end_a_configuration_that_others_have() {
    let store = Store::default();
    let mut old = Worker::new(&store, "p", 1, regions(&["a"]), seconds(0));
    let gone = Worker::new(&store, "p", 2, regions(&["b"]), seconds(10));
    let mut stays = Worker::new(&store, "p", 2, regions(&["b"]), seconds(10));
    gone.close(seconds(11));
    for second in 11..30 {
        assert_eq!(run(&mut old, second, second + 1), [""; 0]);
        run(&mut stays, second, second + 1);
    }
}

#[test]
fn a_region_that_is_gone_is_unknown_to_the_gauge_unless_another_plugin_probes_it() {
    for (shared_with_q, expected) in [(false, Some(Health::Unknown)), (true, None)] {
        let store = Store::default();
        let mut old = Worker::new(&store, "p", 1, regions(&["a", "b"]), seconds(0));
        let q_has = if shared_with_q { "a" } else { "z" };
        let mut q = Worker::new(&store, "q", 7, regions_at(&[q_has], "/other"), seconds(0));
        (0..40).for_each(|tick| drop(old.tick(ms(tick * 250), &["a"])));
        run(&mut q, 0, 10);
        let mut new = Worker::new(&store, "p", 2, regions(&["b", "c"]), seconds(10));
        run(&mut new, 10, 12);
        run(&mut q, 10, 12);
        run(&mut old, 10, 12);
        let told = new.gauges().into_iter().rfind(|(name, _)| name == "a").map(|(_, health)| health);
        assert_eq!(told, expected);
        // A third configuration still knows about it.
        let mut third = Worker::new(&store, "p", 3, regions(&["c"]), seconds(12));
        run(&mut third, 12, 14);
        assert_eq!(third.gauges().into_iter().rfind(|(name, _)| name == "a").map(|(_, health)| health), expected);
    }
}

/// Two listeners under one plugin name: each has regions that the other one has not.
#[test]
fn the_newest_does_not_write_off_the_regions_of_an_older_one_that_is_in_force() {
    for interval in [1, 3600] {
        let store = Store::default();
        let own = |name: &str| {
            let check = Check { interval: seconds(interval), timeout: ms(100), stale_after: seconds(9000), ..check() };
            Regions::new(vec![Region::new(name, common::at(1.0, 1.0), check)]).unwrap()
        };
        let mut old = Worker::new(&store, "p", 1, own("a"), seconds(0));
        let mut new = Worker::new(&store, "p", 2, own("b"), seconds(0));
        let mut told = Vec::new();
        for tick in 0..400 {
            let at = ms(tick * 250);
            request(&mut old, &store, at);
            request(&mut new, &store, at);
            old.tick(at, &[]);
            new.tick(at, &[]);
            let gauges = [new.gauges(), old.gauges()].concat();
            told.extend(gauges.into_iter().filter(|_| at > seconds(20)));
        }
        assert!(told.iter().any(|(name, _)| name == "a") && told.iter().any(|(name, _)| name == "b"));
        assert!(told.iter().all(|(_, health)| *health == Health::Up), "every {interval} s: {told:?}");
    }
}

#[test]
fn the_gauge_of_a_region_is_down_if_it_is_so_for_any_configuration_in_force() {
    let store = Store::default();
    let mut p = Worker::new(&store, "p", 1, regions_at(&["a"], "/strict"), seconds(0));
    let mut q = Worker::new(&store, "q", 2, regions_at(&["a"], "/lax"), seconds(0));
    let tick = |tick: u64, p: &mut Worker<'_>, q: &mut Worker<'_>| {
        p.tick(ms(tick * 250), &["a"]);
        q.tick(ms(tick * 250), &[]);
    };
    (0..40).for_each(|at| tick(at, &mut p, &mut q));
    let last = |worker: &mut Worker<'_>| worker.gauges().pop().unwrap().1;
    assert_eq!((last(&mut p), last(&mut q)), (Health::Down, Health::Down), "they write one gauge and agree");
    // The strict one is replaced by one that finds nothing wrong.
    let mut next = Worker::new(&store, "p", 3, regions_at(&["a"], "/lax"), seconds(10));
    (40..80).for_each(|at| tick(at, &mut next, &mut q));
    let _ = (next.gauges(), q.gauges());
    (80..120).for_each(|at| {
        next.tick(ms(at * 250), &[]);
        q.tick(ms(at * 250), &[]);
    });
    assert_eq!((last(&mut next), last(&mut q)), (Health::Up, Health::Up));
}

#[test]
fn whoever_goes_last_takes_the_gauges_along() {
    let store = Store::default();
    let mut only = Worker::new(&store, "p", 1, regions(&["a"]), seconds(0));
    run(&mut only, 0, 10);
    let told = only.close(seconds(10));
    assert!(told.contains(&Event::InForce { hash: 1, in_force: false }), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, Event::Health { health: Health::Unknown, .. })), "{told:?}");
    // But not whoever is superseded.
    let store = Store::default();
    let old = Worker::new(&store, "p", 1, regions(&["a"]), seconds(0));
    let _new = Worker::new(&store, "p", 2, regions(&["a"]), seconds(1));
    assert_eq!(old.close(seconds(2)), []);
}

#[test]
fn thousands_of_configurations_leave_little_behind() {
    let store = Store::default();
    let name = |version: u64| format!("region-{}", version % 1500);
    for version in 1..=800 {
        let (one, other) = (name(version), name(version + 1));
        let mut worker = Worker::new(&store, "p", version, regions(&[&one, &other]), seconds(version));
        worker.tick(seconds(version), &[]);
        worker.close(seconds(version));
    }
    assert_eq!(store.keys().len(), 2, "{:?}", store.keys());
    let sizes = ["greatcircle/health/", "greatcircle/succession/"].map(|key| store.find(key).unwrap().len());
    println!("after 800 configurations: {sizes:?} bytes");
    assert!(sizes[0] < 100_000 && sizes[1] < 20_000, "{sizes:?}");
}

#[test]
fn other_peoples_bytes_do_no_harm() {
    for bytes in [&b""[..], b"\xff\xff\xff\xff\xff\xff\xff\xff", b"greetings", &[0; 100]] {
        let store = Store::default();
        drop(Worker::new(&store, "p", 1, regions_in_a_row(2, &check()), seconds(0)));
        for key in store.keys() {
            store.compare_and_swap(&key, None, bytes);
        }
        let mut worker = Worker::new(&store, "p", 2, regions(&["a"]), seconds(1));
        assert_eq!(run(&mut worker, 1, 10), ["a"], "{bytes:?}");
    }
}
