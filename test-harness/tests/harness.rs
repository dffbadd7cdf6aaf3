//! The harness proves itself: a region's faults as a client meets them, without Envoy.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use test_harness::region::HEALTH_PATH;
use test_harness::{Client, Fault, Region, Response, eventually};

fn region() -> (Region, Client, SocketAddr) {
    let region = Region::start("atlantis").unwrap();
    let address = ([127, 0, 0, 1], region.port()).into();
    (region, Client::of(address), address)
}

fn served(client: &Client) -> bool {
    client.try_request("GET", "/", b"").is_ok_and(|response| response.status == 200)
}

/// A request that nobody answers for this long is taken as hanging.
fn hangs(address: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: atlantis\r\n\r\n").unwrap();
    stream.read(&mut [0; 1]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_region_tells_what_it_saw() {
    let (_region, client, _) = region();
    let client = client.header("x-twice", "1").header("x-twice", "2").header_bytes("x-bytes", b"Z\xfcrich");
    let response: Response = client.post("/a/path?q=1", b"a body");
    assert_eq!((response.status, response.region.as_deref()), (200, Some("atlantis")));
    assert_eq!(response.json()["method"], "POST");
    assert_eq!(response.json()["path"], "/a/path?q=1");
    assert_eq!(response.json()["body"], "a body");
    assert_eq!(response.seen_headers("x-twice"), ["1", "2"]);
    assert_eq!(response.seen_header("x-bytes").as_deref(), Some("Z\u{fffd}rich"));
}

#[test]
fn probes_and_requests_are_counted_apart() {
    let (region, client, _) = region();
    assert_eq!(client.get(HEALTH_PATH).text(), "ok atlantis");
    client.get("/");
    client.get(HEALTH_PATH);
    assert_eq!((region.probe_count(), region.request_count()), (2, 1));
    let probes = region.probes();
    assert!(probes[0] < probes[1]);
}

#[test]
fn a_status_is_answered_until_the_region_recovers() {
    let (region, client, _) = region();
    region.fails_with(Fault::Status(418));
    assert_eq!((client.get("/").status, client.get(HEALTH_PATH).status), (418, 418));
    region.recovers();
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn probes_can_fail_alone() {
    let (region, client, _) = region();
    region.fails_probes_with(Fault::Status(503));
    assert_eq!((client.get("/").status, client.get(HEALTH_PATH).status), (200, 503));
}

#[test]
fn a_body_is_held_back_until_the_region_recovers() {
    let (region, client, _) = region();
    region.fails_with(Fault::Holds);
    let (first, second) = (client.begin("/first"), client.begin("/second"));
    assert_eq!(client.get(HEALTH_PATH).text(), "ok atlantis");
    drop(second);
    region.recovers();
    assert!(first.ends_well());
    region.fails_with(Fault::Holds);
    let killed = client.begin("/killed");
    region.kill();
    assert!(!killed.ends_well());
}

#[test]
fn flapping_goes_by_probes_and_requests_follow() {
    let (region, client, _) = region();
    region.fails_with(Fault::Flaps { up: 1, down: 2 });
    let seen: Vec<_> = (0..4).map(|_| (client.get(HEALTH_PATH).status, client.get("/").status)).collect();
    assert_eq!(seen, [(200, 200), (503, 503), (503, 503), (200, 200)]);
}

#[test]
fn a_refusing_region_drops_live_connections_and_comes_back_on_its_port() {
    use std::io::Read;
    let (region, client, address) = region();
    let mut live = TcpStream::connect(address).unwrap();
    region.fails_with(Fault::Refuses);
    assert_eq!(live.read(&mut [0; 1]).unwrap_or(0), 0, "the live connection ends");
    assert!(TcpStream::connect(address).is_err());
    region.recovers();
    assert!(served(&client));
}

#[test]
fn a_hanging_region_accepts_and_says_nothing() {
    let (region, client, address) = region();
    region.fails_with(Fault::Hangs);
    assert!(hangs(address));
    region.recovers();
    assert!(served(&client));
}

#[test]
fn a_body_can_break_in_the_middle() {
    let (region, client, _) = region();
    region.fails_with(Fault::DropsMidBody);
    let error = client.try_request("GET", "/", b"").unwrap_err();
    assert_eq!(error.to_string(), "the response broke off");
}

#[test]
fn a_slow_region_answers_late_but_well() {
    let (region, client, _) = region();
    region.fails_with(Fault::Slow(Duration::from_millis(300)));
    let start = Instant::now();
    assert_eq!(client.get("/").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_killed_region_refuses_and_can_be_restarted() {
    let (region, client, address) = region();
    client.get("/");
    region.kill();
    assert!(TcpStream::connect(address).is_err());
    region.restart();
    assert!(served(&client));
    assert_eq!(region.request_count(), 1, "counts begin anew");
}

#[test]
fn a_frozen_region_still_accepts_connections() {
    let (region, client, address) = region();
    region.freeze();
    assert!(hangs(address));
    region.thaw();
    eventually("an answer after the thaw", || served(&client));
}

#[test]
#[should_panic(expected = "it is frozen and cannot answer")]
fn asking_a_frozen_region_is_an_error_in_the_test() {
    let (region, ..) = region();
    region.freeze();
    region.probe_count();
}
