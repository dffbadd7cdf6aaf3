//! Configurations come and go: what the old ones leave behind in an idle Envoy, and what the updates cost while requests come in.

use serde_json::{Value, json};
use std::time::Duration;
use test_harness::plan::Plan;
use test_harness::{Idle, World, eventually, eventually_equals, places::*};

/// A second has 16 ticks of the filter in each thread: enough of them to count.
const WINDOW: Duration = Duration::from_secs(4);

#[test]
fn an_idle_envoy_costs_after_500_updates_by_ecds_what_it_cost_before() {
    let world = two_regions().ecds().start();
    assert_no_dearer(&world, 500, |patch| world.apply_filter(patch));
}

#[test]
fn an_idle_envoy_costs_after_500_updates_by_lds_what_it_cost_before() {
    let world = two_regions().lds().start();
    assert_no_dearer(&world, 500, |patch| world.apply_listener("gateway", patch));
}

#[test]
#[ignore = "takes minutes: 2,000 updates of each kind under load"]
fn two_thousand_updates_of_each_kind_under_load_cost_no_request_and_leave_nothing() {
    let world = two_regions().ecds().start();
    println!("by ECDS");
    assert_no_dearer(&world, 2000, |patch| world.apply_filter(patch));
    drop(world);
    println!("by LDS");
    // A client that has a connection to the old listener is to be told before it ends.
    let world = two_regions().lds().drain(Duration::from_secs(5)).start();
    assert_no_dearer(&world, 2000, |patch| world.apply_listener("gateway", patch));
}

/// So many updates while 100 requests per second come in. None of them fails, and afterwards Envoy idles as before.
#[track_caller]
fn assert_no_dearer(world: &World, updates: u32, apply: impl Fn(Value)) {
    eventually("a first look at the regions", || world.regions().iter().all(|region| region.probe_count() > 0));
    // What is set up for the first request is there before as well as afterwards.
    world.eventually_decides(GENEVA, "region=eu-west;reason=nearest;km=1191;rank=1;via=headers");
    let before = calmest(world, "before");

    let load = world.load().rate(100).start();
    for version in 1..=updates {
        apply(json!({"output": {"responseHeader": format!("x-version-{version}")}}));
    }
    let last = format!("x-version-{updates}");
    eventually("the last one on every worker", || {
        let answers = world.through_every_worker(|| world.client().get("/"));
        answers.iter().all(|answer| answer.header(&last) == Some("eu-west"))
    });
    let report = load.stop();
    println!("{} requests during {updates} updates in {:.0?}", report.samples.len(), report.lasted);
    assert!(report.failures().is_empty(), "{:?}", report.failures());

    world.eventually_drained();
    let after = calmest(world, "after");
    let is = |what: &str, of: fn(&Idle) -> f64, limit: f64| {
        let ratio = of(&after) / of(&before);
        assert!(ratio <= limit, "{what}, {ratio:.2} times as much as before: {after}; before: {before}");
    };
    is("wake-ups", |idle| idle.wakeups, 1.5);
    // Many timers that are left behind come to fire together after a while: fewer wake-ups, and no less work.
    is("CPU", |idle| idle.cpu, 1.6);
    is("memory", |idle| idle.resident as f64, 1.3);
    eventually_equals("every region's health", [Some(1); 2], || ["eu-west", "oceania"].map(|name| world.health(name)));
}

/// The least of three windows: a moment's noise of the machine is in one of them, what stays is in all.
fn calmest(world: &World, when: &str) -> Idle {
    let windows = [(); 3].map(|()| world.envoy().idle(WINDOW));
    windows.iter().for_each(|idle| println!("{when}: {idle}"));
    windows.into_iter().reduce(|a, b| a.least(&b)).expect("three windows")
}

/// With a tick of 62 ms.
fn two_regions() -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        .filter(json!({"health": {"interval": "1s", "edgeInterval": "250ms", "timeout": "200ms"}}))
}
