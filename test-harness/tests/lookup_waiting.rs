//! Requests that wait for a lookup: with bodies, with neighbours, through hang-ups and new configurations.
//!
//! The lookup service holds its answers until the test has seen what it wants to see.

use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use test_harness::plan::Plan;
use test_harness::{Addresses, Fault, Report, World, eventually, eventually_equals, places::*};

const FOUND: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup;country=FJ";

#[test]
fn a_body_waits_with_its_request() {
    let world = started(dublin_and_sydney());
    let client = world.client().at("8.8.8.8");
    let body = "0123456789".repeat(300_000); // more than Envoy's buffers take
    world.lookup().holds();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.post("/", body.as_bytes()));
        eventually_equals("the lookup", 1, || world.lookup().lookup_count());
        world.lookup().releases();
        let response = waiting.join().unwrap();
        assert_eq!((response.status, response.decision().as_str()), (200, FOUND));
        let arrived = response.json();
        assert!(arrived["method"] == "POST" && arrived["body"] == body.as_str(), "not the whole body");
    });
}

#[test]
fn a_body_that_comes_while_its_request_waits_is_not_lost() {
    let world = started(dublin_and_sydney());
    world.lookup().holds();
    let mut stream = connect(&world, "POST", "8.8.8.8", "content-length: 10\r\n");
    stream.write_all(b"01234").unwrap();
    eventually_equals("the lookup", 1, || world.lookup().lookup_count());
    stream.write_all(b"56789").unwrap();
    world.lookup().releases();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(FOUND), "{answer}");
    assert!(answer.contains(r#""body":"0123456789""#), "{answer}");
}

#[test]
fn a_body_and_its_trailers_wait_although_the_plugin_may_stop_at_headers_alone() {
    let world = started(dublin_and_sydney().trailers().plugin(json!({"allow_on_headers_stop_iteration": true})));
    let chunk = format!("{:x}\r\n{}\r\n", 100_000, "0".repeat(100_000));
    world.lookup().holds();
    let more = "transfer-encoding: chunked\r\nx-greatcircle-region: eu-west\r\nx-greatcircle-decision: forged\r\n";
    let mut stream = connect(&world, "POST", "8.8.8.8", more);
    eventually_equals("the lookup", 1, || world.lookup().lookup_count());
    let mut writing = stream.try_clone().unwrap();
    // More than Envoy's buffers take.
    let rest = std::thread::spawn(move || {
        (0..30).for_each(|_| writing.write_all(chunk.as_bytes()).unwrap());
        writing.write_all(b"0\r\nx-checksum: 42\r\n\r\n").unwrap();
    });
    let paused = || world.envoy().stat("http.gateway.downstream_flow_control_paused_reading_total");
    eventually("Envoy takes no more of it", || paused() > Some(0));
    world.lookup().releases();
    rest.join().unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{}", &answer[..answer.len().min(400)]);
    let seen: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let value = |name: &str| seen["headers"].as_array().unwrap().iter().find(|pair| pair[0] == name).map(|it| &it[1]);
    assert_eq!(value("x-greatcircle-decision"), Some(&FOUND.into()));
    assert_eq!(value("x-greatcircle-region"), Some(&"oceania".into()));
    assert_eq!((seen["region"].as_str(), seen["body"].as_str().map(str::len)), (Some("oceania"), Some(3_000_000)));
    assert_eq!(seen["trailers"], json!([["x-checksum", "42"]]));
    unharmed(&world);
}

#[test]
fn a_client_that_hangs_up_does_not_take_its_neighbours_with_it() {
    let world = started(dublin_and_sydney().workers(1));
    let active = |requests| {
        let gauge = "http.gateway.downstream_rq_active";
        eventually_equals("requests that wait", Some(requests), || world.envoy().stat(gauge));
    };
    world.lookup().holds();
    let impatient = connect(&world, "GET", "8.8.8.1", "");
    eventually_equals("its lookup", 1, || world.lookup().lookup_count());
    std::thread::scope(|scope| {
        let neighbours: Vec<_> = (2..7)
            .map(|host| world.client().at(&format!("8.8.8.{host}")))
            .map(|client| scope.spawn(move || client.get("/").decision()))
            .collect();
        active(6);
        drop(impatient);
        active(5);
        world.lookup().releases();
        for neighbour in neighbours {
            assert_eq!(neighbour.join().unwrap(), FOUND);
        }
    });
    assert_eq!(world.lookup().lookup_count(), 1, "they all waited for the same answer");
}

#[test]
fn the_only_one_who_waits_may_hang_up() {
    let world = started(dublin_and_sydney().workers(1));
    world.lookup().holds();
    let impatient = connect(&world, "GET", "8.8.8.1", "");
    eventually_equals("its lookup", 1, || world.lookup().lookup_count());
    drop(impatient);
    let gauge = "http.gateway.downstream_rq_active";
    eventually_equals("the end of its request", Some(0), || world.envoy().stat(gauge));
    world.lookup().releases();
    eventually_equals("the answer", Some(1), || world.lookups().get("found").copied());
    assert_eq!(world.client().at("8.8.8.2").get("/").decision(), FOUND);
    assert_eq!(world.lookup().lookup_count(), 1, "what was asked for is kept for the next one");
    unharmed(&world);
}

#[test]
fn a_new_configuration_leaves_nobody_waiting() {
    for patch in [
        json!({"output": {"responseHeader": "x-changed"}}),
        json!({"clientLocation": {"lookup": {"cluster": "nobody"}}}),
        json!({"clientLocation": {"lookup": null}}),
    ] {
        let world = started(dublin_and_sydney().ecds());
        let addresses = Addresses::in_networks(40);
        world.lookup().holds();
        let waiting = world.load().at(addresses).burst(50).start();
        let gauge = "http.gateway.downstream_rq_active";
        eventually_equals("fifty that wait", Some(50), || world.envoy().stat(gauge));
        let (before, _) = world.filter_updates();
        world.update_filter(patch.clone());
        eventually("the update", || world.filter_updates().0 > before);
        world.lookup().releases();
        all_found(&waiting.stop(), 50);
        unharmed(&world);
    }
}

#[test]
fn a_listener_that_goes_away_takes_nobody_elses_lookup_with_it() {
    let world = started(dublin_and_sydney());
    world.add_listener("second", json!({"output": {"responseHeader": "x-second"}}));
    world.lookup().holds();
    std::thread::scope(|scope| {
        let (here, there) = (world.client().at("8.8.8.8"), world.client_of("second").at("8.8.4.4"));
        let stays = scope.spawn(move || here.get("/").decision());
        let goes = scope.spawn(move || there.try_request("GET", "/", b""));
        eventually_equals("both lookups", 2, || world.lookup().lookup_count());
        world.remove_listener("second");
        let gone = goes.join().unwrap();
        assert!(gone.is_err() || gone.is_ok_and(|response| response.status == 503));
        world.lookup().releases();
        assert_eq!(stays.join().unwrap(), FOUND);
    });
    unharmed(&world);
}

#[test]
fn where_no_region_is_left_a_request_that_waited_is_refused() {
    let reject = json!({"steering": {"whenAllDown": "reject"}});
    let world = started(dublin_and_sydney().filter(reject));
    for region in world.regions() {
        region.fails_probes_with(Fault::Status(500));
    }
    eventually("every worker refuses", || {
        world.through_every_worker(|| world.client().from(SUVA).get("/").status).iter().all(|status| *status == 503)
    });
    world.lookup().holds();
    std::thread::scope(|scope| {
        let client = world.client().at("8.8.8.8");
        let waiting = scope.spawn(move || (client.get("/refused"), client.post("/refused", b"a body")));
        eventually_equals("the lookup", 1, || world.lookup().lookup_count());
        world.lookup().releases();
        let (get, post) = waiting.join().unwrap();
        for response in [get, post] {
            assert_eq!((response.status, response.text().as_str()), (503, "no region is available\n"));
            assert!(response.header("retry-after").is_some());
        }
    });
    unharmed(&world);
}

#[track_caller]
fn all_found(report: &Report, requests: usize) {
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    let decisions: Vec<_> = report.samples.iter().map(|sample| sample.decision.as_str()).collect();
    assert_eq!(decisions, vec![FOUND; requests]);
}

#[track_caller]
fn unharmed(world: &World) {
    let traps = world.envoy().stats("wasm.greatcircle.vm_reload");
    assert!(traps.values().all(|count| *count == 0), "{traps:?}");
}

/// The head of a request from this address, byte by byte; hanging up is dropping it.
fn connect(world: &World, method: &str, address: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!("{method} / HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\nx-forwarded-for: {address}\r\n");
    stream.write_all(format!("{head}{more}\r\n").as_bytes()).unwrap();
    stream
}

/// Two regions, a gateway in Dublin behind a load balancer, and a lookup service that puts everybody into Suva.
fn started(plan: Plan) -> World {
    let world = plan.start();
    world.lookup().knows("0.0.0.0/0", SUVA, "FJ");
    world
}

/// A lookup service that may take its time.
fn dublin_and_sydney() -> Plan {
    let patient = json!({"timeout": "10s"});
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).trusted_hops(1).lookup_service(patient)
}
