//! A trap of the filter's VM, should there ever be one, costs the requests in hand, and heals.
//!
//! The module of this test is the one that is shipped, but for a callback that traps at any request with a body.

use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use test_harness::plan::Plan;
use test_harness::{Response, World, eventually, eventually_equals, places::*};

const TO_SYDNEY: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
const TO_TOKYO: &str = "region=ap-northeast;reason=failover;km=7243;rank=2;via=headers";

#[test]
fn a_trap_costs_its_own_request_and_the_worker_heals() {
    let world = trapping_world();
    world.eventually_decides(SUVA, TO_SYDNEY);
    let load = world.load().from(SUVA).rate(100).start();
    const TRAPS: usize = 10;
    for _ in 0..TRAPS {
        assert_eq!(trap(&world).status, 503);
        world.eventually_decides(SUVA, TO_SYDNEY);
    }
    let report = load.stop();
    let (sent, failed) = (report.samples.len(), report.failures().len());
    println!("{TRAPS} traps cost {failed} of {sent} other requests in {:.1} s", report.lasted.as_secs_f64());
    assert!(failed < sent / 4, "{:?}", report.failures());
    assert!(report.samples.iter().all(|sample| sample.outcome.is_err() || sample.decision == TO_SYDNEY));
    let reloads = world.envoy().stats("wasm.greatcircle.vm_reload");
    assert_eq!(reloads["wasm.greatcircle.vm_reload_success"], TRAPS as u64, "{reloads:?}");
    assert_eq!(reloads["wasm.greatcircle.vm_reload_failure"], 0);
}

#[test]
fn a_reloaded_worker_knows_what_was_known_and_learns_what_comes() {
    let world = trapping_world();
    let oceania = world.region("oceania");
    oceania.kill();
    world.eventually_decides(SUVA, TO_TOKYO);
    let down = world.transitions().get("oceania down").copied();

    assert!(world.through_every_worker(|| trap(&world)).iter().all(|response| response.status == 503));
    // Every worker begins anew, and none of them tries the dead region first.
    let from_suva = world.client().from(SUVA);
    eventually("every worker serves again", || {
        let answers = world.through_every_worker(|| from_suva.get("/"));
        let served: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert!(served.iter().all(|answer| answer.decision() == TO_TOKYO), "{served:?}");
        served.len() == answers.len()
    });
    assert_eq!(world.transitions().get("oceania down").copied(), down, "nobody had to find out again");

    // Probing goes on, and what it finds reaches every worker.
    oceania.restart();
    world.eventually_decides(SUVA, TO_SYDNEY);
    assert!(oceania.probe_count() >= 3);
    oceania.kill();
    world.eventually_decides(SUVA, TO_TOKYO);
}

#[test]
fn a_trap_while_requests_wait_for_a_lookup_leaves_nothing_behind() {
    let world = trapping_plan().workers(1).trusted_hops(1).lookup_service(json!({"timeout": "10s"})).start();
    world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
    let active = |requests| {
        let gauge = "http.gateway.downstream_rq_active";
        eventually_equals("requests that wait", Some(requests), || world.envoy().stat(gauge));
    };
    world.lookup().holds();
    let mut waiting: Vec<_> = (0..5).map(|_| TcpStream::connect(world.address()).unwrap()).collect();
    for stream in &mut waiting {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: gateway\r\nx-forwarded-for: 8.8.8.8\r\n\r\n").unwrap();
    }
    active(5);
    assert_eq!(trap(&world).status, 503);
    world.lookup().releases();
    let found = format!("{};country=FJ", TO_SYDNEY.replace("headers", "lookup"));
    eventually("a lookup by the next one", || world.client().at("8.8.8.8").get("/").decision() == found);
    assert_eq!(world.lookup().lookup_count(), 2, "what was under way is nobody's any more");
    // Envoy does not end what waits in a VM that has trapped: that is left to its stream_idle_timeout, or to the client.
    active(5);
    drop(waiting);
    active(0);
    assert_eq!(world.client().at("8.8.8.8").get("/").decision(), found);
}

fn trapping_world() -> World {
    trapping_plan().workers(4).start()
}

fn trapping_plan() -> Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).region("ap-northeast", TOKYO).traps()
}

fn trap(world: &World) -> Response {
    world.client().from(SUVA).post("/", b"trap")
}
