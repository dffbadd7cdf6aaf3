//! Two configurations in one Envoy: each steers by its own, and what both ask of a region is asked once.
//!
//! Whatever is probed alike (cluster, authority, method, path, headers, expectations) has one record for all, and the shortest
//! interval among those that ask applies.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use test_harness::plan::Plan;
use test_harness::{Place, World, eventually, eventually_equals, places::*, region_entries};

const FAST: Duration = Duration::from_millis(300);
const SLOW: Duration = Duration::from_secs(3);

const HERE: [(&str, Place); 2] = [("eu-west", DUBLIN), ("oceania", SYDNEY)];
const THERE: [(&str, Place); 2] = [("eu-west", DUBLIN), ("ap-northeast", TOKYO)];

#[test]
fn two_listeners_with_regions_of_their_own_probe_what_they_share_once() {
    let world = three_regions(&configuration(&HERE, FAST)).start();
    world.add_listener_of("second", "second", configuration(&THERE, FAST));
    assert_decides(&world, "gateway", "oceania");
    assert_decides(&world, "second", "ap-northeast");
    assert_rates(&world, &[("eu-west", FAST), ("oceania", FAST), ("ap-northeast", FAST)]);
    assert_stays_up(&world);
}

#[test]
fn what_two_listeners_share_is_probed_as_often_as_the_faster_wants_and_the_slower_carries_on() {
    let world = three_regions(&configuration(&HERE, SLOW)).start();
    world.add_listener_of("second", "second", configuration(&THERE, FAST));
    assert_rates(&world, &[("eu-west", FAST), ("oceania", SLOW), ("ap-northeast", FAST)]);
    assert_stays_up(&world);

    world.remove_listener("second");
    assert_decides(&world, "gateway", "oceania");
    assert_rates(&world, &[("eu-west", SLOW), ("oceania", SLOW)]);
    eventually("no more probes of the region that nobody names", || is_left(&world, "ap-northeast", "eu-west"));
    let gauges = || ["eu-west", "oceania", "ap-northeast"].map(|name| world.health(name));
    eventually_equals("up, up and unknown", [Some(1), Some(1), Some(2)], gauges);
    assert_eq!(transitions(&world), 3, "each came up, and stayed");
}

#[test]
fn the_faster_one_may_have_been_there_first() {
    let world = three_regions(&configuration(&HERE, FAST)).start();
    world.add_listener_of("second", "second", configuration(&THERE, SLOW));
    assert_rates(&world, &[("eu-west", FAST), ("oceania", FAST), ("ap-northeast", SLOW)]);
    assert_stays_up(&world);
}

#[test]
fn two_filters_one_behind_the_other_decide_each_for_itself() {
    let mut behind = configuration(&THERE, SLOW);
    behind["output"] =
        json!({"regionHeader": "x-behind-region", "decisionHeader": "x-behind-decision", "responseHeader": "x-behind"});
    let world = three_regions(&configuration(&HERE, FAST)).filter_behind("behind", behind).start();
    for response in world.through_every_worker(|| world.client().from(SUVA).get("/")) {
        assert_eq!((response.status, response.region.as_deref()), (200, Some("oceania")));
        let seen = ["x-greatcircle-region", "x-behind-region"].map(|name| response.seen_headers(name));
        assert_eq!(seen, [["oceania"], ["ap-northeast"]]);
        assert_eq!(response.decision(), "region=oceania;reason=nearest;km=3218;rank=1;via=headers");
        let decision = "region=ap-northeast;reason=nearest;km=7243;rank=1;via=headers";
        assert_eq!(response.seen_headers("x-behind-decision"), [decision]);
        assert_eq!(response.header("x-behind"), Some("ap-northeast"));
    }
    assert_rates(&world, &[("eu-west", FAST), ("oceania", FAST), ("ap-northeast", SLOW)]);
    assert_stays_up(&world);
}

/// Of one name there may be an old configuration and a new one, which replaces it: as long as the old one still takes requests it is
/// none of the past.
#[test]
fn two_listeners_of_one_plugin_are_both_in_force_while_both_take_requests() {
    let world = three_regions(&configuration(&HERE, FAST)).start();
    world.add_listener("second", configuration(&THERE, FAST));
    let ask = |listener: &str| world.client_of(listener).from(SUVA).get("/").region;
    let counts = || world.regions().iter().map(|region| region.probe_count()).collect::<Vec<_>>();
    let before = counts();
    eventually("twenty more probes of every region", || {
        assert_eq!([ask("gateway"), ask("second")], [Some("oceania".into()), Some("ap-northeast".into())]);
        let now = counts();
        if now.iter().zip(&before).all(|(now, before)| *now >= before + 20) { Ok(()) } else { Err(now) }
    });
    assert_stays_up(&world);

    world.remove_listener("second");
    let before = world.region("oceania").probe_count();
    eventually("twenty more probes of the older one's region", || {
        assert_eq!(ask("gateway").as_deref(), Some("oceania"));
        world.region("oceania").probe_count() >= before + 20
    });
}

/// A gateway with a configuration, and clusters for three regions.
fn three_regions(configuration: &Value) -> Plan {
    let plan = World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).region("ap-northeast", TOKYO);
    plan.filter(configuration.clone())
}

fn configuration(regions: &[(&str, Place)], interval: Duration) -> Value {
    let interval = format!("{}ms", interval.as_millis());
    json!({
        "regions": region_entries(regions),
        "health": {"interval": interval, "edgeInterval": interval, "timeout": "200ms"},
    })
}

#[track_caller]
fn assert_decides(world: &World, listener: &str, expected: &str) {
    let client = world.client_of(listener).from(SUVA);
    eventually_equals(&format!("the region for Suva at {listener}"), Some(expected.into()), || client.get("/").region);
}

/// Each of these regions is probed once per its interval, for four of the slow ones.
#[track_caller]
fn assert_rates(world: &World, expected: &[(&str, Duration)]) {
    let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
    eventually("the first probes", || names.iter().all(|name| world.region(name).probe_count() > 0));
    let window = 4 * SLOW + SLOW / 5;
    let watched: BTreeMap<_, _> = world.watch_probes_of(&names, window).into_iter().collect();
    for (name, interval) in expected {
        let (probes, due) = (watched[name].len() as f64, window.as_secs_f64() / interval.as_secs_f64());
        let (least, most) = ((due * 0.7).floor(), (due * 1.2).ceil());
        println!("{name} saw {probes} probes in {window:?}, one per {interval:?} (limit: {least} to {most})");
        assert!((least..=most).contains(&probes), "{name}: {:?}", watched[name]);
    }
}

/// While every region has two more probes, every look at the gauges shows all three regions up.
#[track_caller]
fn assert_stays_up(world: &World) {
    let gauges = || world.sum("greatcircle_region_health", "region");
    let up: BTreeMap<_, _> = ["eu-west", "oceania", "ap-northeast"].map(|name| (name.to_owned(), 1)).into();
    eventually_equals("the gauges", up.clone(), gauges);
    let counts = || world.regions().iter().map(|region| region.probe_count()).collect::<Vec<_>>();
    let before = counts();
    eventually("two more probes of every region", || {
        assert_eq!(gauges(), up);
        counts().iter().zip(&before).all(|(now, before)| *now >= before + 2)
    });
    assert_eq!(transitions(world), 3, "each came up, and stayed");
}

/// Whether a region gets no probe while another one gets two.
fn is_left(world: &World, name: &str, other: &str) -> bool {
    let (before, asked) = (world.region(name).probe_count(), world.region(other).probe_count());
    eventually("two more probes", || world.region(other).probe_count() >= asked + 2);
    world.region(name).probe_count() == before
}

fn transitions(world: &World) -> usize {
    world.envoy().log().matches("greatcircle event=health ").count()
}
