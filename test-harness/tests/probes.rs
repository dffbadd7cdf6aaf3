//! What a probe asks, what may come back, and what each answer counts as.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use test_harness::plan::Plan;
use test_harness::{Fault, World, eventually, eventually_equals, places::*};

#[test]
fn every_way_in_which_a_probe_can_end_is_counted_under_its_name() {
    let nobody = json!({"name": "nobody", "type": "STATIC", "load_assignment": {"cluster_name": "nobody"}});
    let world = World::new()
        .region("success", DUBLIN)
        .region("status", SYDNEY)
        .region_with("body", TOKYO, json!({"health": {"expectedBody": "ok body"}}))
        .region("timeout", MUMBAI)
        .region("refused", DUBAI)
        .region("reset", CAPE_TOWN)
        .region_with("no-host", SAO_PAULO, json!({"health": {"cluster": "nobody"}}))
        .region_with("no-cluster", ASHBURN, json!({"health": {"cluster": "missing-{region}"}}))
        .cluster(nobody)
        // A healthy region has to answer in time even on a machine that stutters.
        .filter(json!({"health": {"interval": "1s", "timeout": "900ms"}}))
        .workers(4)
        .start();
    world.region("status").fails_probes_with(Fault::Status(404));
    world.region("body").fails_probes_with(Fault::Status(200)); // "200 from body"
    world.region("timeout").fails_probes_with(Fault::Hangs);
    world.region("reset").fails_probes_with(Fault::DropsMidBody);
    world.region("refused").kill();
    for (region, outcome) in [
        ("success", "success"),
        ("status", "status"),
        ("body", "body"),
        ("timeout", "timeout"),
        ("refused", "refused"),
        ("reset", "reset"),
        ("no-host", "noHost"),
        ("no-cluster", "noCluster"),
    ] {
        let counted = || world.probes(region);
        let count = |outcome: &str| counted().get(outcome).copied().unwrap_or(0);
        // Before its fault a region may have answered well, or gone away during an answer.
        eventually(
            &format!("{region} ends as {outcome}"),
            || if count(outcome) >= 4 { Ok(()) } else { Err(counted()) },
        );
        let others: BTreeMap<_, _> =
            counted().into_iter().filter(|(name, _)| name != outcome && name != "success").collect();
        assert!(others.values().sum::<u64>() <= u64::from(region == "refused"), "{region}: {others:?}");
    }
}

#[test]
fn a_region_may_be_asked_in_its_own_way_and_expected_to_answer_in_its_own() {
    let expected = [
        ("usual", json!({}), UP),
        ("its-body", json!({"expectedBody": "ok its-body"}), UP),
        ("another-body", json!({"expectedBody": "ok its-body"}), DOWN),
        ("its-status", json!({"expectedStatuses": ["100-199", "200"]}), UP),
        ("another-status", json!({"expectedStatuses": ["201-299", "404"]}), DOWN),
        ("head", json!({"method": "HEAD"}), UP),
        // Anything but /healthz is a request to a region of the harness, which tells what it saw.
        ("method", json!({"path": "/live", "method": "GET", "expectedBody": "\"method\":\"GET\""}), UP),
        ("path", json!({"path": "/live?deep=1", "expectedBody": "\"path\":\"/live?deep=1\""}), UP),
        ("host", json!({"path": "/live", "expectedBody": "[\"host\",\"host.example.com\"]"}), UP),
        ("authority", json!({"path": "/live", "authority": "a.{region}.b", "expectedBody": "\"a.authority.b\""}), UP),
        ("header", json!({"path": "/live", "headers": {"X-Probe": "7"}, "expectedBody": "[\"x-probe\",\"7\"]"}), UP),
        ("agent", json!({"path": "/live", "expectedBody": "[\"user-agent\",\"greatcircle/"}), UP),
        ("no-such-header", json!({"path": "/live", "expectedBody": "[\"x-probe\""}), DOWN),
        ("elsewhere", json!({"cluster": "region-usual", "expectedBody": "ok usual"}), UP),
    ];
    let plan = World::new().filter(json!({"health": {"authority": "{region}.example.com"}}));
    let add =
        |plan: Plan, (name, health, _): &(&str, Value, u64)| plan.region_with(name, DUBLIN, json!({"health": health}));
    let world = expected.iter().fold(plan, add).start();
    for (name, health, gauge) in &expected {
        eventually_equals(&format!("{name}: {health}"), Some(*gauge), || world.health(name));
    }
    assert_eq!(world.region("path").probe_count(), 0);
    assert_eq!(world.region("elsewhere").probe_count(), 0);
}

#[test]
fn a_region_may_have_thresholds_of_its_own() {
    let world = World::new()
        .region_with("fragile", DUBLIN, json!({"health": {"downAfter": 1, "upAfter": 1}}))
        .region_with("patient", SYDNEY, json!({"health": {"downAfter": 1000}}))
        .region("usual", TOKYO)
        .filter(json!({"health": {"downAfter": 2}}))
        .start();
    let health = || ["fragile", "patient", "usual"].map(|name| world.health(name));
    eventually_equals("all up", [Some(UP); 3], health);
    world.region("patient").fails_probes_with(Fault::Status(500));
    world.region("usual").fails_probes_with(Fault::Status(500));
    world.region("fragile").fails_probes_with(Fault::Flaps { up: 0, down: 1 });
    eventually_equals("one fails, one is patient", [Some(DOWN), Some(UP), Some(DOWN)], health);
    eventually("ten failures of the patient one", || world.probes("patient").get("status") >= Some(&10));
    assert_eq!(health(), [Some(DOWN), Some(UP), Some(DOWN)]);
}

#[test]
fn a_cluster_that_may_still_be_on_its_way_is_no_news_and_later_a_failure() {
    let world = World::new()
        .region("eu-west", DUBLIN)
        .region_with("oceania", SYDNEY, json!({"health": {"cluster": "missing", "staleAfter": "3s"}}))
        // A tick of 250 ms: the lease stays where it is even on a machine that stutters.
        .filter(json!({"health": {"interval": "1s", "edgeInterval": "1s", "timeout": "500ms"}}))
        .workers(4)
        .start();
    let health = || world.health("oceania");
    eventually_equals("nothing known yet", Some(UNKNOWN), health);
    let served = world.client().from(SUVA).get("/").decision();
    assert_eq!(served, "region=oceania;reason=nearest;km=3218;rank=1;via=headers", "unknown counts as up");

    eventually_equals("down in the end", Some(DOWN), health);
    let log = world.envoy().log();
    let line = |what: &str| {
        let mut lines = log.lines().filter(|line| line.contains(what));
        let (first, more) = (lines.next(), lines.count());
        assert_eq!(more, 0, "more than one line with {what}");
        first.unwrap_or_else(|| panic!("no line with {what}"))
    };
    line("event=noCluster region=oceania cluster=\"missing\"");
    let down = line("event=health region=oceania from=unknown to=down cause=noCluster");
    let configured = log.lines().find(|line| line.contains("event=configured")).unwrap();
    let patience = (seconds_of_day(down) - seconds_of_day(configured)).rem_euclid(86_400.0);
    println!("unknown for {patience:.1} s (at least staleAfter = 3 s)");
    assert!(patience > 2.99, "{configured}\n{down}");

    // Meanwhile and afterwards everybody else is looked after.
    let probes = world.region("eu-west").probe_count();
    assert!(probes >= 3, "{probes} probes of the other region");
    eventually("more of them", || world.region("eu-west").probe_count() >= probes + 2);
    assert_eq!(world.health("eu-west"), Some(UP));
}

#[test]
fn an_unknown_region_counts_as_up_or_down_as_configured() {
    let never_known = |unknown_is: &str| json!({"health": {"cluster": "missing", "unknownIs": unknown_is}});
    let world = World::new()
        .region("eu-west", DUBLIN)
        .region_with("us-east", ASHBURN, never_known("up"))
        .region_with("oceania", SYDNEY, never_known("down"))
        .region("ap-northeast", TOKYO)
        .start();
    eventually("an attempt at both", || {
        ["us-east", "oceania"].iter().all(|name| world.probes(name).get("noCluster") >= Some(&1))
    });
    assert_eq!(
        world.client().from(NEW_YORK).get("/").decision(),
        "region=us-east;reason=nearest;km=350;rank=1;via=headers"
    );
    assert_eq!(
        world.client().from(SUVA).get("/").decision(),
        "region=ap-northeast;reason=failover;km=7243;rank=2;via=headers"
    );
    assert_eq!(["us-east", "oceania"].map(|name| world.health(name)), [Some(UNKNOWN); 2]);
}

const DOWN: u64 = 0;
const UP: u64 = 1;
const UNKNOWN: u64 = 2;

/// The time of day of a line such as `[2026-01-02 03:04:05.678][…`.
fn seconds_of_day(line: &str) -> f64 {
    let mut parts = line[12..24].split(':').map(|part| part.parse::<f64>().unwrap());
    let mut next = || parts.next().unwrap();
    next() * 3600.0 + next() * 60.0 + next()
}
