//! A configuration that changes again and again: what earlier ones knew costs nothing for long.

use crate::attack;
use serde_json::{Value, json};
use std::time::Duration;
use test_harness::{Idle, World, eventually, places::*};

const REGIONS: usize = 200;
const WINDOW: Duration = Duration::from_secs(3);

#[test]
fn a_header_of_probes_that_is_rotated_leaves_no_cost_behind() {
    attack("a probe's header that is rotated 15 times, 200 regions", || {
        let regions: Vec<Value> = (0..REGIONS)
            .map(|index| json!({"name": format!("r{index}"), "latitude": index as f64 / 10.0, "longitude": 5}))
            .collect();
        let world = World::new()
            .region("all", DUBLIN)
            .filter(
                json!({"regions": regions, "health": {"cluster": "probe-all", "interval": "2s", "edgeInterval": "1s"}}),
            )
            .ecds()
            .start();
        let all = world.region("all");
        eventually("two probes of each", || all.probe_count() >= 2 * REGIONS);
        let before = world.envoy().idle(WINDOW).least(&world.envoy().idle(WINDOW));
        for version in 0..15 {
            let asked = all.probe_count();
            world.apply_filter(json!({"health": {"headers": {"x-key": format!("{version}")}}}));
            eventually("a probe of each", || all.probe_count() >= asked + REGIONS);
        }
        let at_first = world.envoy().idle(WINDOW);
        let after = eventually("what it cost before", || {
            let after = world.envoy().idle(WINDOW);
            if after.cpu <= 1.5 * before.cpu { Ok(after) } else { Err(shown(&before, &at_first, &after)) }
        });
        shown(&before, &at_first, &after)
    });
}

fn shown(before: &Idle, at_first: &Idle, after: &Idle) -> String {
    format!(
        "CPU of an idle Envoy: {:.1} % before, {:.1} % at first, {:.1} % after",
        before.cpu, at_first.cpu, after.cpu
    )
}
