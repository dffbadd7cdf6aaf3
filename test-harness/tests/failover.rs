//! A region dies under load: no request fails, the next ones go to the next nearest region, and come back afterwards.

use serde_json::json;
use std::time::Duration;
use test_harness::plan::Plan;
use test_harness::{Fault, Region, World, eventually, places::*};

const TO_SYDNEY: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
const TO_TOKYO: &str = "region=ap-northeast;reason=failover;km=7243;rank=2;via=headers";
const TO_DUBLIN: &str = "region=eu-west;reason=failover;km=16079;rank=3;via=headers";

/// interval + downAfter·edgeInterval + timeout of these worlds: how long probes may take to take a region away.
const BUDGET: Duration = Duration::from_millis(500 + 3 * 200 + 400);

#[test]
fn a_region_that_is_killed_costs_no_request() {
    outage("SIGKILL", Region::kill, Region::restart);
}

#[test]
fn a_region_that_answers_503_costs_no_request() {
    outage("503", |region| region.fails_with(Fault::Status(503)), Region::recovers);
}

#[test]
fn a_region_that_freezes_costs_time_and_no_request() {
    outage("SIGSTOP", Region::freeze, Region::thaw);
}

fn outage(name: &str, strike: impl Fn(&Region), heal: impl Fn(&Region)) {
    let world = three_regions().start();
    let oceania = world.region("oceania");
    let load = world.load().from(SUVA).rate(250).start();
    eventually("requests in Sydney", || oceania.request_count() >= 100);
    let struck = load.elapsed();
    strike(oceania);
    world.eventually_decides(SUVA, TO_TOKYO);
    let healed = load.elapsed();
    heal(oceania);
    world.eventually_decides(SUVA, TO_SYDNEY);
    let back = load.elapsed();
    eventually("requests in Sydney again", || load.elapsed() > back + Duration::from_millis(500));

    let report = load.stop();
    let seconds = |at: Duration, since: Duration| format!("{:.2} s", (at.saturating_sub(since)).as_secs_f64());
    let outage: Vec<_> = report.sent_after(struck).filter(|sample| sample.at < healed).collect();
    let last_steered_there =
        outage.iter().rev().find(|sample| sample.decision == TO_SYDNEY).map_or(struck, |last| last.at);
    let elsewhere = report.first_elsewhere("oceania", struck).expect("somebody else served");
    let back = report.sent_after(healed).find(|sample| sample.is_from("oceania") && sample.decision == TO_SYDNEY);
    println!(
        "{name} at {:.0} requests/s: failed {}; served elsewhere after {} (by a retry), steered elsewhere after {} \
         (budget {}); slowest {}; back after {}",
        report.rate(),
        report.failures().len(),
        seconds(elsewhere.at, struck),
        seconds(last_steered_there, struck),
        seconds(BUDGET, Duration::ZERO),
        seconds(report.latency(1.0), Duration::ZERO),
        seconds(back.expect("Sydney serves again").at, healed),
    );
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert!(last_steered_there < struck + 3 * BUDGET, "steered to a dead region for more than three budgets");
    // From the moment when all workers know, nobody is steered there.
    assert!(outage.last().is_some_and(|last| last.decision == TO_TOKYO && last.is_from("ap-northeast")));
}

#[test]
fn a_region_that_drops_answers_half_way_is_left_because_of_its_probes() {
    let world = three_regions().start();
    world.eventually_decides(SUVA, TO_SYDNEY);
    let oceania = world.region("oceania");
    // Half of the answer is with the client already: no retry can help, only the probes can.
    oceania.fails_with(Fault::DropsMidBody);
    let broken = || world.client().from(SUVA).try_request("GET", "/", b"").unwrap_err().to_string();
    assert_eq!(broken(), "the response broke off");
    world.eventually_decides(SUVA, TO_TOKYO);
    assert!(world.probes("oceania").get("reset") >= Some(&3));
    oceania.recovers();
    world.eventually_decides(SUVA, TO_SYDNEY);
}

#[test]
fn with_two_regions_down_the_third_nearest_serves() {
    let world = three_regions().start();
    world.region("oceania").kill();
    world.eventually_decides(SUVA, TO_TOKYO);
    world.region("ap-northeast").kill();
    world.eventually_decides(SUVA, TO_DUBLIN);
    world.region("oceania").restart();
    world.eventually_decides(SUVA, TO_SYDNEY);
    // To whom the dead region is the nearest, the second nearest is a failover as well.
    world.eventually_decides(TOKYO, "region=oceania;reason=failover;km=7826;rank=2;via=headers");
}

#[test]
fn a_region_comes_back_only_after_enough_successes_in_a_row() {
    let world = three_regions().filter(json!({"health": {"upAfter": 5}})).start();
    world.eventually_decides(SUVA, TO_SYDNEY);
    let oceania = world.region("oceania");
    oceania.fails_probes_with(Fault::Status(500));
    world.eventually_decides(SUVA, TO_TOKYO);
    // Never five in a row.
    oceania.fails_probes_with(Fault::Flaps { up: 4, down: 1 });
    let probes = oceania.probe_count();
    eventually("three rounds of it", || oceania.probe_count() >= probes + 15);
    assert_eq!(world.client().from(SUVA).get("/").decision(), TO_TOKYO);
    assert_eq!(world.transitions().get("oceania up").copied(), Some(1), "only the first result brought it up");
    oceania.recovers();
    world.eventually_decides(SUVA, TO_SYDNEY);
    assert_eq!(world.transitions().get("oceania up").copied(), Some(2));
}

/// Suva's order is Sydney, Tokyo, Dublin.
fn three_regions() -> Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).region("ap-northeast", TOKYO)
}
