//! One Envoy takes over from another: what its gauges say while both live, and who probes.

use test_harness::envoy::Envoy;
use test_harness::{World, eventually, eventually_equals, places::*};

const REGIONS: [&str; 2] = ["eu-west", "oceania"];

#[test]
fn gauges_are_the_new_processs_own_and_it_probes_alone_when_the_old_one_is_gone() {
    let world = both_up();
    let suva = world.client().from(SUVA);
    let child = world.take_over(false).unwrap();
    eventually_equals("what the new process says", [Some(1); 2], || health(&child));
    assert_eq!(suva.get("/").region.as_deref(), Some("oceania"));
    let dublin = world.region("eu-west");
    let (seen, sent) = (dublin.probe_count(), probes(&child));
    eventually("the end of the old process", || {
        assert_eq!(health(&child), [Some(1); 2]);
        !world.envoy().is_alive()
    });
    let twice = (dublin.probe_count() - seen) as f64 / (probes(&child) - sent) as f64;
    println!("while both live: {twice:.1} probes for one of the new process");

    let (seen, sent) = (dublin.probe_count(), probes(&child));
    eventually("twenty more probes", || dublin.probe_count() >= seen + 20);
    let (seen, sent) = (dublin.probe_count() - seen, probes(&child) - sent);
    assert!(seen.abs_diff(sent) <= 1, "{seen} probes, and the new process has sent {sent}");
    assert_eq!(suva.get("/").region.as_deref(), Some("oceania"));
}

/// Envoy's default, and why the reference advises against it: 1 and 1 are 2, which stands for "unknown".
#[test]
#[ignore = "shows Envoy, not the filter; and there is one hot restart at a time in a process"]
fn with_the_old_processs_stats_gauges_are_sums() {
    let world = both_up();
    let child = world.take_over(true).unwrap();
    eventually_equals("sums", [Some(2); 2], || health(&child));
    eventually("the end of the old process", || !world.envoy().is_alive());
    eventually_equals("what the new process says", [Some(1); 2], || health(&child));
}

fn both_up() -> World {
    let world = World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).hot_restart().start();
    eventually_equals("both regions up", [Some(1); 2], || REGIONS.map(|name| world.health(name)));
    world
}

fn health(envoy: &Envoy) -> [Option<u64>; 2] {
    let metrics = envoy.metrics();
    REGIONS.map(|name| metrics.sample("greatcircle_region_health", &[("region", name)]))
}

/// How many probes of Dublin this process has sent.
fn probes(envoy: &Envoy) -> usize {
    let sent = envoy.metrics().sums("greatcircle_probes_total", &[("region", "eu-west")], &["outcome"]);
    sent.values().sum::<u64>() as usize
}
