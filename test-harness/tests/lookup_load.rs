//! Many clients from everywhere, and a crowd from one place: the lookup service is asked no more than it has to be, and
//! memory stays bounded.

use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use test_harness::plan::Plan;
use test_harness::{Addresses, Memory, Report, World, eventually, eventually_equals, places::*};

const FOUND: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup;country=FJ";
const NETWORKS: u32 = 50_000;
const RATE: u32 = 500;
const MEBIBYTE: u64 = 1 << 20;

#[test]
fn each_of_fifty_thousand_networks_is_asked_about_once() {
    let _alone = alone();
    let world = started(dublin_and_sydney(json!({"entries": NETWORKS})));
    let (report, before, after) = under_load(&world, Duration::from_secs(20));
    println!("  memory before: {before}; after: {after}");
    let asked = world.lookup().addresses();
    let networks = networks_of(&report);
    let mut times = BTreeMap::new();
    asked.iter().for_each(|address| *times.entry(address).or_insert(0) += 1);
    assert!(times.values().all(|times| *times <= 2), "more often than there are workers: {times:?}");
    // Twice only where two workers met the same network within one lookup's time: a few among thousands.
    assert!(asked.len() <= networks + networks / 100, "{} lookups for {networks} networks", asked.len());
}

#[test]
fn a_small_cache_stays_small() {
    let _alone = alone();
    let world = started(dublin_and_sydney(json!({"entries": 1000})));
    let (report, before, after) = under_load(&world, Duration::from_secs(8));
    println!("  with 1000 entries: memory before: {before}; after: {after}");
    assert!(world.lookup().lookup_count() <= report.samples.len());
    assert!(after.resident < before.resident + 64 * MEBIBYTE, "{before}; {after}");
}

#[test]
fn a_thousand_neighbours_at_once_wait_for_one_answer() {
    let _alone = alone();
    for workers in [1, 2] {
        let world = started(dublin_and_sydney(json!({})).workers(workers));
        world.lookup().holds();
        let crowd = world.load().at(Addresses::in_networks(1)).burst(1000).start();
        let active = || world.envoy().stat("http.gateway.downstream_rq_active");
        eventually_equals("a thousand that wait", Some(1000), active);
        let asked = world.lookup().lookup_count();
        world.lookup().releases();
        let report = crowd.stop();
        let found = report.samples.iter().filter(|sample| sample.decision == FOUND).count();
        println!(
            "a thousand at once, {workers} workers: {asked} lookups, {found} requests located by them; {:?} the slowest",
            report.latency(1.0)
        );
        assert!(report.failures().is_empty(), "{:?}", report.failures());
        assert!(asked <= workers as usize && world.lookup().lookup_count() == asked, "{asked} lookups");
        assert_eq!(found, 1000);
    }
}

/// Sends requests from networks drawn at random for so long; how much memory Envoy had before and after.
#[track_caller]
fn under_load(world: &World, duration: Duration) -> (Report, Memory, Memory) {
    world.lookup().takes(Duration::from_millis(20));
    // What a first request costs is not what is to be measured.
    world.through_every_worker(|| assert_eq!(world.client().at("8.8.8.8").get("/").decision(), FOUND));
    let before = world.envoy().memory();
    let load = world.load().at(Addresses::in_networks(NETWORKS)).rate(RATE).start();
    eventually("the end of the load", || load.elapsed() >= duration);
    let report = load.stop();
    let after = world.envoy().memory();
    let located = report.samples.iter().filter(|sample| sample.decision == FOUND).count();
    println!(
        "{} requests at {:.0}/s from {} networks: {located} located, {} lookups; median {:?}, 99% {:?}, slowest {:?}",
        report.samples.len(),
        report.rate(),
        networks_of(&report),
        world.lookup().lookup_count(),
        report.latency(0.5),
        report.latency(0.99),
        report.latency(1.0),
    );
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    (report, before, after)
}

/// From how many networks the requests came, the first ones' among them.
fn networks_of(report: &Report) -> usize {
    let addresses = Addresses::in_networks(NETWORKS).take(report.samples.len());
    1 + addresses.map(|address| [address.octets()[1], address.octets()[2]]).collect::<BTreeSet<_>>().len()
}

/// Figures mean nothing while another test of this file takes the processors.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn started(plan: Plan) -> World {
    let world = plan.start();
    world.lookup().knows("0.0.0.0/0", SUVA, "FJ");
    world
}

/// Two regions, a gateway in Dublin behind a load balancer, and a lookup service whose answers are kept like this.
fn dublin_and_sydney(cache: serde_json::Value) -> Plan {
    let unlimited = json!({"burst": 1_000_000, "every": "1ms"});
    let budget = json!({"worker": unlimited, "network": unlimited});
    let lookup = json!({"timeout": "10s", "cache": cache, "budget": budget});
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).trusted_hops(1).lookup_service(lookup)
}
