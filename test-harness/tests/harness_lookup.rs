//! The harness proves itself: a lookup service's answers and faults as a client meets them, and clients with addresses.

use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use test_harness::lookup::Fault;
use test_harness::{Addresses, Client, Load, LookupService, World, eventually, eventually_equals, places::*};

fn service() -> (LookupService, Client, SocketAddr) {
    let service = LookupService::start().unwrap();
    let address = ([127, 0, 0, 1], service.port()).into();
    (service, Client::of(address), address)
}

#[test]
fn it_tells_what_it_knows_about_an_address() {
    let (service, client, _) = service();
    service.knows("8.8.8.0/24", SUVA, "FJ");
    service.knows("2a00:1450::/32", DUBLIN, "IE");
    service.answers("8.8.8.8", &json!({"query": "{ip}", "lat": 1.5}));
    for (path, expected) in [
        ("/8.8.8.0/json", json!({"ip": "8.8.8.0", "city": "Suva", "loc": "-18.14,178.44", "country": "FJ"})),
        ("/json/2a00:1450::7", json!({"ip": "2a00:1450::7", "city": "Dublin", "loc": "53.35,-6.26", "country": "IE"})),
        ("/json/?ip=8.8.8.8&fields=lat", json!({"query": "8.8.8.8", "lat": 1.5})),
        ("/9.9.9.0/json", json!({"ip": "9.9.9.0", "bogon": true})),
        ("/suva/json", Value::Null),
    ] {
        let response = client.get(path);
        assert_eq!(
            (response.status, response.json()),
            (if expected.is_null() { 404 } else { 200 }, expected),
            "{path}"
        );
    }
}

#[test]
fn it_remembers_what_it_was_asked() {
    let (service, client, _) = service();
    client.clone().header("authorization", "Bearer a-token").get("/8.8.8.0/json?a=b");
    client.post("/json", b"hello");
    let lookups = service.lookups();
    assert_eq!((service.lookup_count(), lookups.len()), (2, 2));
    assert!(lookups[0].at < lookups[1].at);
    assert_eq!((lookups[0].method.as_str(), lookups[0].path.as_str()), ("GET", "/8.8.8.0/json?a=b"));
    assert_eq!(lookups[0].header("authorization"), Some("Bearer a-token"));
    assert_eq!((lookups[1].method.as_str(), lookups[1].header("authorization")), ("POST", None));
    assert_eq!(service.addresses(), ["8.8.8.0", "/json"]);
}

#[test]
fn it_answers_badly_on_command_and_well_again() {
    let (service, client, _) = service();
    service.knows("8.8.8.0/24", SUVA, "FJ");
    let ask = || client.get("/8.8.8.0/json");
    let good = ask().text();
    for (fault, status, begins, at_least) in [
        (Fault::status(500), 500, "{}", 2),
        (Fault::limited(7), 429, "{}", 2),
        (Fault::html(), 200, "<!doctype html>", 15),
        (Fault::not_utf8(), 200, "{\"ip\": \"8.8.8.0\", \"city\": \"Z\u{fffd}rich\"", 70),
        (Fault::large(5_000_000), 200, "{\"ip\":\"8.8.8.0\"", 5_000_000),
        (Fault::other_address(), 200, "{\"ip\": \"9.9.9.9\"", 50),
        (Fault::nested(1000), 200, "{\"more\": [[[[", 2000),
        (Fault::body(r#"{"loc": "nan,0"}"#), 200, "{\"loc\": \"nan,0\"}", 16),
    ] {
        service.fails_with(fault.clone());
        let response = ask();
        assert_eq!(response.status, status, "{begins}");
        assert!(response.text().starts_with(begins) && response.body.len() >= at_least, "{begins}");
        assert_eq!(response.header("retry-after"), (status == 429).then_some("7"));
        let html = response.header("content-type") == Some("text/html");
        assert_eq!(html, fault == Fault::html());
        service.recovers();
        assert_eq!(ask().text(), good);
    }
}

#[test]
fn it_refuses_on_command_and_comes_back_on_its_port() {
    let (service, client, address) = service();
    let mut live = TcpStream::connect(address).unwrap();
    live.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    service.fails_with(Fault::Refuses);
    // With a reset, if nobody had come to accept it yet.
    let end = live
        .read(&mut [0; 1])
        .or_else(|error| if error.kind() == ErrorKind::ConnectionReset { Ok(0) } else { Err(error) });
    assert_eq!(end.unwrap(), 0, "the live connection ends");
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // From one fault to another, and to none.
    service.fails_with(Fault::status(503));
    assert_eq!(client.get("/8.8.8.0/json").status, 503);
    service.fails_with(Fault::Refuses);
    service.recovers();
    assert_eq!(client.get("/8.8.8.0/json").status, 200);
}

#[test]
fn it_hangs_on_command() {
    let (service, client, address) = service();
    service.fails_with(Fault::Hangs);
    let mut stream = ask_by_hand(address);
    eventually_equals("the lookup", 1, || service.lookup_count());
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    service.recovers();
    assert_eq!(client.get("/8.8.8.0/json").status, 200);
}

#[test]
fn it_holds_its_answers_until_it_may_release_them() {
    let (service, _, address) = service();
    service.holds();
    let mut stream = ask_by_hand(address);
    eventually_equals("the lookup", 1, || service.lookup_count());
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    service.releases();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
}

#[test]
fn it_resets_the_connection_in_the_middle_of_a_body() {
    let (service, client, address) = service();
    service.fails_with(Fault::ResetsMidBody);
    let (mut stream, mut seen) = (ask_by_hand(address), Vec::new());
    assert_eq!(stream.read_to_end(&mut seen).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.starts_with("HTTP/1.1 200 OK") && seen.contains("content-length: 1000"), "{seen}");
    assert!(seen.ends_with(&format!("\r\n\r\n{}", "x".repeat(500))), "{seen}");
    service.recovers();
    assert_eq!(client.get("/8.8.8.0/json").status, 200);
}

#[test]
fn it_takes_its_time() {
    let (service, client, _) = service();
    service.takes(Duration::from_millis(300));
    let start = Instant::now();
    assert_eq!(client.get("/8.8.8.0/json").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_thousand_lookups_can_wait_at_once() {
    let (service, _, address) = service();
    service.holds();
    let burst = Load::on(address).path("/8.8.8.0/json").burst(1000).start();
    eventually_equals("lookups that wait", 1000, || service.lookup_count());
    service.releases();
    let answers = burst.stop().samples;
    assert_eq!(answers.len(), 1000);
    // No region has signed them, which counts as a failure.
    let answered = |outcome: &Result<String, String>| outcome.as_ref().is_err_and(|error| error.starts_with("200 OK"));
    assert!(answers.iter().all(|sample| answered(&sample.outcome)), "{answers:?}");
}

#[test]
fn load_can_come_from_many_addresses() {
    let (service, _, address) = service();
    let addresses = Addresses::in_networks(50);
    let load = Load::on(address).path("/8.8.8.0/json").rate(200).at(addresses.clone()).start();
    eventually("a hundred requests", || service.lookup_count() >= 100);
    let sent = load.stop().samples.len();
    let mut seen: Vec<_> =
        service.lookups().iter().map(|asked| asked.header("x-forwarded-for").unwrap().to_owned()).collect();
    let mut expected: Vec<_> = addresses.take(sent).map(|address| address.to_string()).collect();
    // On several connections they may overtake each other.
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn a_client_has_the_address_that_a_trusted_load_balancer_tells() {
    let world = World::new().region("eu-west", DUBLIN).trusted_hops(1).start();
    let untrusting = World::new().region("eu-west", DUBLIN).start();
    for address in ["8.8.4.4", "2a00:1450:4001::1"] {
        let seen = |world: &World| world.client().at(address).get("/").seen_header("x-envoy-external-address");
        assert_eq!(seen(&world).as_deref(), Some(address));
        assert_eq!(seen(&untrusting).as_deref(), Some("127.0.0.1"));
    }
}

#[test]
fn a_world_can_have_a_lookup_service() {
    let world = World::new().region("eu-west", DUBLIN).lookup_service(json!({})).start();
    world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
    let ipinfo = format!("ipinfo::127.0.0.1:{}::health_flags::healthy", world.lookup().port());
    assert!(world.envoy().admin("/clusters").contains(&ipinfo));
    let memory = world.envoy().memory();
    assert!(memory.resident > 1 << 20 && memory.allocated > 1 << 20, "{memory}");
}

/// A lookup, written byte by byte.
fn ask_by_hand(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET /8.8.8.0/json HTTP/1.1\r\nhost: ipinfo.io\r\n\r\n").unwrap();
    stream
}
