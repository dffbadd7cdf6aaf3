//! Whatever becomes of the lookup service, requests are served; what it costs them is bounded, and soon nothing.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use test_harness::lookup::Fault;
use test_harness::plan::Plan;
use test_harness::{World, eventually, places::*};

const UNKNOWN: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";
const FOUND: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup;country=FJ";

/// How long a lookup may take in these worlds.
const TIMEOUT: Duration = Duration::from_millis(200);

#[test]
fn a_broken_connection_costs_no_request() {
    survives("refusal", Fault::Refuses, "refused", 15);
    survives("hang", Fault::Hangs, "timeout", 15);
    survives("reset in the body", Fault::ResetsMidBody, "reset", 15);
}

#[test]
fn a_bad_status_costs_no_request() {
    // The first one opens the circuit each time, and it takes a while to close it again.
    survives("429", Fault::limited(60), "limited", 3);
    survives("500", Fault::status(500), "serverError", 15);
    survives("401", Fault::status(401), "status", 15);
    survives("302", Fault::status(302), "status", 15);
}

#[test]
fn a_bad_answer_costs_no_request() {
    survives("20 kB", Fault::large(20_000), "tooLarge", 15);
    survives("5 MB", Fault::large(5_000_000), "reset", 15); // Envoy itself keeps no more than 64 KiB
    survives("HTML", Fault::html(), "malformed", 15);
    survives("not UTF-8", Fault::not_utf8(), "malformed", 15);
    survives("nan,0", Fault::body(r#"{"ip": "{ip}", "loc": "nan,0"}"#), "malformed", 15);
    survives("another address", Fault::other_address(), "otherAddress", 15);
    survives("nested", Fault::nested(5_000), "malformed", 15);
    survives("nothing", Fault::body(""), "malformed", 15);
}

/// Sends requests from so many distinct prefixes while the service has this fault; with a success between each two, so that
/// the circuit does not hide what a failure costs.
#[track_caller]
fn survives(name: &str, fault: Fault, outcome: &str, requests: usize) {
    let world = started(dublin_and_sydney());
    let mut addresses = distinct_prefixes();
    let mut latencies = Vec::new();
    for request in 0..requests {
        world.lookup().fails_with(fault.clone());
        latencies.push(is_served(&world, &addresses.next().unwrap(), request % 2 == 1));
        world.lookup().recovers();
        eventually(&format!("a lookup after {name}"), || {
            world.client().at(&addresses.next().unwrap()).get("/").decision() == FOUND
        });
    }
    assert_eq!(world.lookups().get(outcome).copied(), Some(requests as u64), "{name}");
    report(name, latencies);
    unharmed(&world);
}

#[test]
fn a_cluster_that_is_not_there_or_has_no_hosts_costs_no_request() {
    for (name, cluster, outcome) in [("no cluster", "nobody", "noCluster"), ("no hosts", "empty", "noHost")] {
        let empty = json!({"name": "empty", "type": "STATIC", "load_assignment": {"cluster_name": "empty"}});
        let world = started(dublin_and_sydney().lookup_service(json!({"cluster": cluster})).cluster(empty));
        // As many as it takes to open the circuit.
        let served = |(index, address): (usize, String)| is_served(&world, &address, index % 2 == 1);
        let latencies: Vec<_> = distinct_prefixes().take(5).enumerate().map(served).collect();
        assert_eq!(world.lookups(), [(outcome.to_owned(), 5)].into(), "{name}");
        report(name, latencies);
        unharmed(&world);
    }
}

/// The request of a client at this address is served, by its country if a trusted header tells that. Returns how long it took.
#[track_caller]
fn is_served(world: &World, address: &str, with_country: bool) -> Duration {
    let client = world.client().at(address);
    let client = if with_country { client.header("x-geo-country", "FJ") } else { client };
    let start = Instant::now();
    let response = client.get("/");
    let took = start.elapsed();
    let decision = response.decision();
    let by_country = decision.starts_with("region=oceania;") && decision.ends_with(";via=country;country=FJ");
    assert_eq!(response.status, 200);
    assert!(if with_country { by_country } else { decision == UNKNOWN }, "{decision}");
    took
}

#[test]
fn a_service_that_fails_time_and_again_is_left_alone_and_found_again() {
    is_left_alone_and_found_again("hang", Fault::Hangs, 5);
    is_left_alone_and_found_again("HTML", Fault::html(), 5);
    is_left_alone_and_found_again("500", Fault::status(500), 5);
}

#[test]
fn a_service_that_is_overloaded_is_left_alone_and_found_again() {
    is_left_alone_and_found_again("429", Fault::limited(1), 1);
}

/// So many failures open the circuit.
#[track_caller]
fn is_left_alone_and_found_again(name: &str, fault: Fault, failures: usize) {
    let world = started(dublin_and_sydney());
    let mut addresses = distinct_prefixes();
    let mut send = |requests: usize| -> Vec<_> {
        addresses.by_ref().take(requests).map(|address| is_served(&world, &address, false)).collect()
    };
    world.lookup().fails_with(fault);
    report(&format!("{name}, until the circuit opens"), send(failures));
    assert_eq!(world.lookup().lookup_count(), failures, "{name}");
    report(&format!("{name}, while it is open"), send(200));
    let asked = world.lookup().lookup_count();
    // Five trials after each pause, and the pauses double.
    assert!(asked <= failures + 15, "{name}: asked {asked} times for {} requests", failures + 200);
    assert_eq!(world.lookups().get("paused").copied(), Some((failures + 200 - asked) as u64), "{name}");

    world.lookup().recovers();
    eventually(&format!("a lookup after {name}"), || {
        world.client().at(&addresses.next().unwrap()).get("/").decision() == FOUND
    });
    let (paused, asked) = (world.lookups().get("paused").copied(), world.lookup().lookup_count());
    for address in addresses.by_ref().take(10) {
        assert_eq!(world.client().at(&address).get("/").decision(), FOUND, "{name}");
    }
    assert_eq!((world.lookups().get("paused").copied(), world.lookup().lookup_count()), (paused, asked + 10), "{name}");
}

#[test]
fn a_failure_is_remembered_for_a_while() {
    let world = started(dublin_and_sydney());
    for (address, fault) in [("8.8.8.8", Fault::Hangs), ("8.8.4.4", Fault::html())] {
        world.lookup().fails_with(fault);
        is_served(&world, address, false);
        world.lookup().recovers();
        let asked = world.lookup().lookup_count();
        is_served(&world, address, false);
        assert_eq!(world.lookup().lookup_count(), asked, "{address}");
    }
    assert_eq!(world.lookups().get("cached").copied(), Some(2));
}

fn report(name: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let milliseconds = |latency: Duration| format!("{:.1} ms", latency.as_secs_f64() * 1000.0);
    println!(
        "{name}: median latency of {} requests {}, longest {} (timeout + 50 ms: {})",
        latencies.len(),
        milliseconds(latencies[latencies.len() / 2]),
        milliseconds(latencies[latencies.len() - 1]),
        milliseconds(TIMEOUT + Duration::from_millis(50)),
    );
}

#[track_caller]
fn unharmed(world: &World) {
    let traps = world.envoy().stats("wasm.greatcircle.vm_reload");
    assert!(traps.values().all(|count| *count == 0), "{traps:?}");
}

/// Addresses in unrelated networks, as long as there are any.
fn distinct_prefixes() -> impl Iterator<Item = String> {
    (0..=u8::MAX).flat_map(|low| (0..=u8::MAX).map(move |high| format!("45.{high}.{low}.7")))
}

fn started(plan: Plan) -> World {
    let world = plan.start();
    world.lookup().knows("0.0.0.0/0", SUVA, "FJ");
    world
}

/// Two regions, a gateway in Dublin behind a load balancer, one worker and therefore one circuit, and a lookup service.
fn dublin_and_sydney() -> Plan {
    let timeout: Value = json!({"timeout": format!("{}ms", TIMEOUT.as_millis())});
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).workers(1).trusted_hops(1).lookup_service(timeout)
}
