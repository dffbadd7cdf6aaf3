//! Several configurations in one process share one prober, and when it stops another one carries on.

use serde_json::{Value, json};
use std::time::Duration;
use test_harness::{World, eventually, places::*};

#[test]
fn two_configurations_send_one_probe_per_interval_and_one_goes_on_when_the_other_is_gone() {
    let world = probing_every(SHORT);
    // Alike in what they probe.
    world.add_listener_of("second", "second", json!({"output": {"responseHeader": "x-second"}}));
    assert_eq!(world.client_of("second").get("/").header("x-second"), Some("eu-west"));
    assert_one_per(SHORT, &world, "with two configurations");

    world.remove_listener("second");
    assert_one_per(SHORT, &world, "with one again");
    // Nobody lost what was known: no region went anywhere.
    assert_eq!(world.transitions(), [("eu-west up".to_owned(), 1), ("oceania up".to_owned(), 1)].into());
}

// How often is not part of what is probed: two configurations may differ in it and still share a record.

#[test]
fn the_shortest_interval_probes_for_all_if_it_came_last() {
    assert_shortest_probes_for_all(LONG, SHORT);
}

#[test]
fn the_shortest_interval_probes_for_all_if_it_came_first() {
    assert_shortest_probes_for_all(SHORT, LONG);
}

#[track_caller]
fn assert_shortest_probes_for_all(first: Duration, last: Duration) {
    let world = probing_every(first);
    eventually("the first probes", || world.regions().iter().all(|region| region.probe_count() > 0));
    world.add_listener_of("last", "last", interval(last));
    assert_one_per(SHORT, &world, "by the one with the shorter interval");
    world.remove_listener("last");
    assert_one_per(first, &world, "by the one that is left");
}

const LONG: Duration = Duration::from_millis(600);
const SHORT: Duration = Duration::from_millis(300);

fn probing_every(duration: Duration) -> World {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).filter(interval(duration)).start()
}

/// With a tick of 75 ms.
fn interval(duration: Duration) -> Value {
    json!({"health": {"interval": format!("{}ms", duration.as_millis()), "edgeInterval": "300ms", "timeout": "200ms"}})
}

#[track_caller]
fn assert_one_per(interval: Duration, world: &World, when: &str) {
    for (region, probes) in world.watch_probes(interval * 10 + interval / 2) {
        println!("{when}: {region} saw {} probes in 10 intervals of {interval:?} (limit: 8 to 12)", probes.len());
        assert!((8..=12).contains(&probes.len()), "{when}: {region} saw {probes:?}");
    }
}
