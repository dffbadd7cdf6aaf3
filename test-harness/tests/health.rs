//! One prober for the whole process, whatever the number of workers, and one state of each region that all of them share.

use serde_json::json;
use std::time::Duration;
use test_harness::plan::Plan;
use test_harness::{Fault, World, eventually, eventually_equals, places::*};

const SUVA_TO_SYDNEY: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
const SUVA_TO_TOKYO: &str = "region=ap-northeast;reason=failover;km=7243;rank=2;via=headers";

#[test]
fn a_gateway_with_four_workers_sends_each_region_one_probe_per_interval() {
    let world = three_regions()
        .workers(4)
        .filter(json!({"health": {"interval": "1s", "edgeInterval": "500ms", "timeout": "500ms"}}))
        .start();
    // The first probes go out at once and the second ones spread over the interval; from there on it is even.
    eventually("the first probes", || world.regions().iter().all(|region| region.probe_count() > 0));
    for (region, probes) in world.watch_probes(Duration::from_millis(30_500)) {
        let mut gaps: Vec<_> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort();
        println!(
            "{region}: {} probes in 30 intervals of 1 s (limit: 24 to 36); {:?} to {:?} apart, median {:?}",
            probes.len(),
            gaps[0],
            gaps[gaps.len() - 1],
            gaps[gaps.len() / 2]
        );
        assert!((24..=36).contains(&probes.len()), "{region} saw {probes:?}");
    }
}

#[test]
fn a_region_that_fails_every_second_probe_goes_down_on_every_worker_and_stays_down() {
    let world = three_regions().workers(4).start();
    world.eventually_decides(SUVA, SUVA_TO_SYDNEY);
    let oceania = world.region("oceania");
    oceania.fails_probes_with(Fault::Flaps { up: 1, down: 1 });
    world.eventually_decides(SUVA, SUVA_TO_TOKYO);
    // A good one now and then does not bring it back.
    let probes = oceania.probe_count();
    eventually("twelve more probes", || oceania.probe_count() >= probes + 12);
    world.eventually_decides(SUVA, SUVA_TO_TOKYO);
    assert_eq!(transitions(&world, "oceania"), (1, 1));
    oceania.recovers();
    world.eventually_decides(SUVA, SUVA_TO_SYDNEY);
    assert_eq!(transitions(&world, "oceania"), (2, 1));
}

#[test]
fn a_region_that_fails_one_probe_in_four_stays_up() {
    let world = three_regions().start();
    eventually_equals("Sydney is up", Some(1), || world.health("oceania"));
    let oceania = world.region("oceania");
    oceania.fails_probes_with(Fault::Flaps { up: 3, down: 1 });
    eventually("four failed probes", || world.probes("oceania").get("status") >= Some(&4));
    world.eventually_decides(SUVA, SUVA_TO_SYDNEY);
    assert_eq!(transitions(&world, "oceania"), (1, 0));
}

#[test]
fn every_transition_is_logged_once_whatever_the_number_of_workers() {
    let world = three_regions().workers(4).start();
    let oceania = world.region("oceania");
    let log = || transition_lines(&world.envoy().log());
    let mut expected = vec!["greatcircle event=health region=oceania from=unknown to=up cause=success".to_owned()];
    eventually_equals("the first result", expected.clone(), log);
    oceania.fails_with(Fault::Status(500));
    expected.push("greatcircle event=health region=oceania from=up to=down cause=status".into());
    eventually_equals("the fall", expected.clone(), log);
    oceania.recovers();
    expected.push("greatcircle event=health region=oceania from=down to=up cause=success".into());
    eventually_equals("the recovery", expected.clone(), log);
    let probes = oceania.probe_count();
    eventually("five more probes", || oceania.probe_count() >= probes + 5);
    assert_eq!(log(), expected);
    assert_eq!(transitions(&world, "oceania"), (2, 1));
    assert_eq!(transitions(&world, "ap-northeast"), (1, 0));
}

/// Suva's order is Sydney, Tokyo, Dublin.
fn three_regions() -> Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).region("ap-northeast", TOKYO)
}

/// How often a region went up and down.
fn transitions(world: &World, region: &str) -> (u64, u64) {
    let counted = world.sums("greatcircle_transitions_total", &[("region", region)], &["to"]);
    let count = |to: &str| counted.get(to).copied().unwrap_or(0);
    (count("up"), count("down"))
}

fn transition_lines(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| line.split_once("wasm log: ")).map(|(_, line)| line.to_owned());
    lines.filter(|line| line.contains("event=health region=oceania ")).collect()
}
