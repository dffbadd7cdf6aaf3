//! A stream that outlives its configuration: it ends as it began, and what it belonged to does nothing any more.

use serde_json::{Value, json};
use std::time::Duration;
use test_harness::plan::Plan;
use test_harness::{Fault, World, eventually, eventually_equals, places::*, region_entries};

const DOWN: u64 = 0;
const UP: u64 = 1;
const UNKNOWN: u64 = 2;

#[test]
fn a_region_that_is_gone_after_an_update_by_ecds_is_left_alone_while_a_stream_lives_on() {
    for health in [UP, DOWN] {
        let world = three_regions().ecds().start();
        assert_left_alone(&world, health, |patch| world.apply_filter(patch));
    }
}

#[test]
fn a_region_that_is_gone_after_an_update_by_lds_is_left_alone_while_a_stream_lives_on() {
    for health in [UP, DOWN] {
        // Connections to the old listener may last longer than the test.
        let world = three_regions().lds().drain(Duration::from_secs(600)).start();
        assert_left_alone(&world, health, |patch| world.apply_listener("gateway", patch));
    }
}

/// Oceania goes and Tokyo comes, while Dublin holds a response back.
#[track_caller]
fn assert_left_alone(world: &World, health: u64, apply: impl Fn(Value)) {
    let (dublin, sydney, tokyo) = (world.region("eu-west"), world.region("oceania"), world.region("ap-northeast"));
    if health == DOWN {
        sydney.fails_probes_with(Fault::Status(500));
    }
    let before = if health == UP { "up" } else { "down" };
    eventually_equals("what is known of Oceania", Some(health), || world.health("oceania"));
    dublin.fails_with(Fault::Holds);
    let stream = world.client().begin("/held");

    apply(
        json!({"regions": region_entries(&[("eu-west", DUBLIN), ("ap-northeast", TOKYO)]), "health": {"path": "/healthz?second"}}),
    );
    // Whoever was about to ask has asked by now.
    eventually("three probes of Tokyo", || tokyo.probe_count() >= 3);
    let (said, left, asked) = (lines(world), sydney.probe_count(), tokyo.probe_count());
    // News that nobody is to hear.
    match health {
        DOWN => sydney.recovers(),
        _ => sydney.fails_probes_with(Fault::Status(500)),
    }
    eventually("ten more probes of Tokyo", || tokyo.probe_count() >= asked + 10);
    println!(
        "Oceania, {before}: {} probes while Tokyo had {}",
        sydney.probe_count() - left,
        tokyo.probe_count() - asked
    );
    assert_eq!(sydney.probe_count(), left, "nobody asks how a region is that is gone");
    assert_eq!(lines(world), said, "and nobody tells");
    eventually_equals("the gauge of a region that is gone", Some(UNKNOWN), || world.health("oceania"));

    dublin.recovers();
    assert!(stream.ends_well(), "the other half of the body, and nothing else");
}

fn lines(world: &World) -> usize {
    world.envoy().log().matches("event=health region=oceania ").count()
}

/// A gateway that knows Dublin and Sydney, and has a cluster for Tokyo.
fn three_regions() -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        .region("ap-northeast", TOKYO)
        .filter(json!({"regions": region_entries(&[("eu-west", DUBLIN), ("oceania", SYDNEY)])}))
}
