//! One client turns lookups off, fills the cache, spends the money, takes the room: for itself, and for nobody else.

use crate::attack;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;
use test_harness::lookup::Fault;
use test_harness::plan::Plan;
use test_harness::{Addresses, World, eventually, places::*};

const FOUND: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup;country=FJ";
const UNKNOWN: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";

#[test]
fn failures_of_one_network_leave_lookups_on_for_everybody_else() {
    attack("addresses of one client that the lookup service fails for: 400, 500, no answer", || {
        for (name, fault) in [("400", Fault::status(400)), ("500", Fault::status(500)), ("slow", Fault::Hangs)] {
            let world = started(dublin_and_sydney(json!({})));
            world.lookup().fails_with(fault);
            for number in 0..20 {
                assert_eq!(world.client().at(&of_one_client(number)).get("/").decision(), UNKNOWN, "{name}");
            }
            world.lookup().recovers();
            let decisions: Vec<_> =
                (0..20).map(|number| world.client().at(&regular(number)).get("/").decision()).collect();
            let found = decisions.iter().filter(|decision| *decision == FOUND).count();
            assert_eq!(found, 20, "{name}: {:?}", world.lookups());
        }
        "after 20 failures of each kind, 20 of 20 other clients are located".into()
    });
}

#[test]
fn failures_of_unrelated_networks_are_failures_of_the_service() {
    let world = started(dublin_and_sydney(json!({})));
    world.lookup().fails_with(Fault::status(400));
    for number in 0..20 {
        assert_eq!(world.client().at(&regular(number)).get("/").decision(), UNKNOWN);
    }
    assert_eq!(world.lookup().lookup_count(), 5, "then it is left alone");
}

#[test]
fn a_walk_over_one_clients_prefixes_leaves_regular_clients_their_answers() {
    attack("a walk over 6,000 prefixes of one network, through a cache of 1,000", || {
        const REGULARS: u32 = 500;
        let unlimited = json!({"burst": 1_000_000, "every": "1ms"});
        let settings = json!({"cache": {"entries": 1000}, "budget": {"worker": unlimited, "network": unlimited}});
        let world = started(dublin_and_sydney(settings));
        let visit = || {
            (0..REGULARS).for_each(|number| assert_eq!(world.client().at(&regular(number)).get("/").decision(), FOUND))
        };
        (0..3).for_each(|_| visit());
        let before = world.lookup().lookup_count();
        std::thread::scope(|scope| {
            for part in 0..4 {
                let client = world.client();
                scope.spawn(move || {
                    (part * 1500..(part + 1) * 1500)
                        .for_each(|number| drop(client.clone().at(&of_one_client(number)).get("/")))
                });
            }
        });
        let walked = world.lookup().lookup_count();
        visit();
        let lost = world.lookup().lookup_count() - walked;
        let left = 100.0 - 100.0 * lost as f64 / f64::from(REGULARS);
        assert!(left >= 90.0, "{left}");
        format!("{} lookups: {left:.1} % of {REGULARS} regular clients' answers are left", walked - before)
    });
}

#[test]
fn one_client_has_a_budget_and_spends_nobody_elses() {
    attack("1,000 prefixes of one client, each a lookup that costs money", || {
        let world = started(dublin_and_sydney(json!({})));
        let start = Instant::now();
        for number in 0..1000 {
            world.client().at(&of_one_client(number)).get("/");
        }
        let (asked, took) = (world.lookup().lookup_count() as u64, start.elapsed());
        let over_budget = world.lookups().get("overBudget").copied().unwrap_or_default();
        assert_eq!(world.client().at(&regular(1)).get("/").decision(), FOUND);
        assert!(asked <= 100 + took.as_secs() / 30, "{asked}");
        assert_eq!(asked + over_budget, 1000);
        format!("{asked} lookups, {over_budget} over budget")
    });
}

#[test]
fn one_client_leaves_room_for_others_to_wait() {
    attack("1,500 requests of one client wait for a lookup", || {
        let world = started(dublin_and_sydney(json!({"timeout": "10s"})));
        world.lookup().holds();
        let crowd = world.load().at(Addresses::in_networks(300)).burst(1500).start(); // nearly all of one network
        eventually("no more room", || world.lookups().contains_key("busy") && world.lookup().lookup_count() >= 64);
        let slots = world.lookup().lookup_count();
        std::thread::scope(|scope| {
            let client = world.client().at("8.8.8.8");
            let other = scope.spawn(move || client.get("/").decision());
            eventually("its lookup, or its end", || {
                other.is_finished() || world.lookup().addresses().contains(&"8.8.8.0".to_owned())
            });
            world.lookup().releases();
            assert_eq!(other.join().unwrap(), FOUND);
        });
        assert!(crowd.stop().failures().is_empty());
        format!("it has {slots} lookups under way; another client is located, and nobody fails")
    });
}

#[test]
fn only_so_many_requests_with_a_body_wait() {
    attack("100 requests with a body wait for a lookup", || {
        const CLIENTS: usize = 100;
        let world = started(dublin_and_sydney(json!({"timeout": "10s"})));
        world.lookup().holds();
        let uploads: Vec<_> = (0..CLIENTS as u32).map(|number| upload(&world, number)).collect();
        let busy = || world.lookups().get("busy").copied().unwrap_or_default() as usize;
        eventually("everybody waits, or does not", || world.lookup().lookup_count() + busy() == CLIENTS);
        let waiting = world.lookup().lookup_count();
        assert_eq!(waiting, 31, "64 MiB at 2 MiB each");
        // Requests without one have room all the same.
        std::thread::scope(|scope| {
            let other = scope.spawn(|| world.client().at("8.8.8.8").get("/").decision());
            eventually("its lookup", || world.lookup().addresses().contains(&"8.8.8.0".to_owned()));
            world.lookup().releases();
            assert_eq!(other.join().unwrap(), FOUND);
        });
        eventually("they are located", || world.lookups().get("found") == Some(&(waiting as u64 + 1)));
        drop(uploads);
        format!("{waiting} wait, the others go on at once")
    });
}

#[test]
fn an_answer_that_is_not_http_is_malformed_and_no_overload() {
    attack("nine answers of a lookup service that are broken or no HTTP", || {
        for (name, bytes, outcome) in [
            ("garbage", &b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03 what is this\r\n\r\n"[..], "malformed"),
            ("a greeting", b"220 mail.example ESMTP ready\r\n", "malformed"),
            ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", "malformed"),
            ("no number", b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}", "malformed"),
            ("half a body", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ip\": ", "reset"),
            ("more than the length", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{\"ip\": \"8.8.8.0\"}", "malformed"),
            ("a broken chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n", "reset"),
            ("half a head", b"HTTP/1.1 200 OK\r\ncontent-le", "malformed"),
            ("nothing", b"", "refused"),
        ] {
            let world = started(dublin_and_sydney(json!({})));
            world.lookup().fails_with(Fault::bytes(bytes));
            assert_eq!(world.client().at("8.8.8.8").get("/").decision(), UNKNOWN, "{name}");
            let lookups = world.lookups();
            assert_eq!(lookups.keys().collect::<Vec<_>>(), [outcome], "{name}");
            world.lookup().recovers();
            assert_eq!(
                world.client().at("8.8.4.4").get("/").decision(),
                FOUND,
                "{name}: one answer does not open the circuit"
            );
        }
        "each is one failure, and the next client is located".into()
    });
}

/// An address in the prefix (/48) of this number, all of them in one network (/28).
fn of_one_client(number: u32) -> String {
    format!("2a00:145{:x}:{:x}::7", number >> 16, number & 0xffff)
}

/// An address of a client in a network of its own; the first 7,000 are.
fn regular(number: u32) -> String {
    format!("{}.{}.0.7", 60 + number / 250, number % 250)
}

/// Announces a body, and begins with it.
fn upload(world: &World, number: u32) -> TcpStream {
    let mut stream = TcpStream::connect(world.address()).unwrap();
    let from = regular(number);
    let head = format!("POST / HTTP/1.1\r\nhost: gateway\r\nx-forwarded-for: {from}\r\ncontent-length: 1000\r\n\r\n");
    stream.write_all(format!("{head}the first bytes").as_bytes()).unwrap();
    stream
}

fn started(plan: Plan) -> World {
    let world = plan.start();
    world.lookup().knows("0.0.0.0/0", SUVA, "FJ");
    world.lookup().knows("::/0", SUVA, "FJ");
    world
}

/// Two regions, a gateway in Dublin behind a load balancer, one worker and a lookup service.
fn dublin_and_sydney(lookup: Value) -> Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).workers(1).trusted_hops(1).lookup_service(lookup)
}
