//! Answers that do not end: what Envoy keeps of each is bounded, whoever sends it.

use crate::attack;
use serde_json::json;
use test_harness::lookup::Fault as LookupFault;
use test_harness::{Addresses, Fault, Memory, World, eventually, eventually_equals, places::*};

const MEBIBYTE: u64 = 1 << 20;

/// Just below what Envoy would keep by default.
const ANSWER: usize = 31 << 20;

#[test]
fn a_lookup_service_that_answers_without_an_end_fills_no_memory() {
    attack("a lookup service that answers 60 lookups with 31 MiB each and no end", || {
        let world =
            World::new().region("eu-west", DUBLIN).trusted_hops(1).lookup_service(json!({"timeout": "10s"})).start();
        // What a first request costs is not what is to be measured.
        world.through_every_worker(|| assert_eq!(world.client().get("/").status, 200));
        let before = world.envoy().memory();
        world.lookup().fails_with(LookupFault::Floods(ANSWER));
        let report = world.load().at(Addresses::in_networks(10_000)).burst(60).start().stop();
        assert!(report.failures().is_empty(), "{:?}", report.failures());
        bounded(&before, &world.envoy().memory())
    });
}

#[test]
fn regions_that_answer_probes_without_an_end_fill_no_memory() {
    attack("twelve regions that answer each probe with 31 MiB and no end", || {
        let slow = json!({"health": {"interval": "5s", "edgeInterval": "1s", "timeout": "4s", "downAfter": 1}});
        let world = World::from_envoy_yaml().filter(slow).start();
        eventually("every region up", || world.regions().iter().all(|region| world.health(region.name()) == Some(1)));
        let before = world.envoy().memory();
        world.regions().iter().for_each(|region| region.fails_probes_with(Fault::Floods(ANSWER)));
        eventually_equals("no region up", 0, || {
            world.regions().iter().filter(|it| world.health(it.name()) == Some(1)).count()
        });
        bounded(&before, &world.envoy().memory())
    });
}

#[track_caller]
fn bounded(before: &Memory, after: &Memory) -> String {
    println!("before: {before}; after: {after}");
    assert!(after.peak < before.peak + 100 * MEBIBYTE, "before: {before}; after: {after}");
    format!("Envoy's memory: {} MiB before, {} MiB at most", before.resident / MEBIBYTE, after.peak / MEBIBYTE)
}
