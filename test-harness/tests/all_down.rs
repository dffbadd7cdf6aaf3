//! When every region is down, the configuration says what becomes of a request.
//!
//! The regions fail their probes and serve requests all the same: so it shows where a request goes.

use serde_json::{Value, json};
use test_harness::{Fault, Response, World, eventually, eventually_equals, places::*};

#[test]
fn by_default_the_nearest_region_gets_it_in_spite_of_its_probes() {
    for policy in [Value::Null, json!("nearest")] {
        let world = all_down(policy);
        world.eventually_decides(SUVA, "region=oceania;reason=failOpen;km=3218;rank=1;via=headers");
        world.eventually_decides(GENEVA, "region=eu-west;reason=failOpen;km=1191;rank=1;via=headers");
        let nowhere = world.client().get("/").decision();
        assert_eq!(nowhere, "region=eu-west;reason=failOpen;rank=1;via=fallback");
        assert_eq!(world.client().from(SUVA).get("/").region.as_deref(), Some("oceania"));
        assert!(world.decisions().get("oceania failOpen").copied() >= Some(1));
    }
}

#[test]
fn a_region_of_last_resort_gets_it_wherever_the_client_is() {
    let world = all_down(json!({"region": "ap-northeast"}));
    world.eventually_decides(SUVA, "region=ap-northeast;reason=failOpen;km=7243;rank=2;via=headers");
    world.eventually_decides(TOKYO, "region=ap-northeast;reason=failOpen;km=0;rank=1;via=headers");
    assert_eq!(world.client().from(SUVA).get("/").region.as_deref(), Some("ap-northeast"));
    // As long as any other region is up, it is one of many.
    world.region("eu-west").recovers();
    world.eventually_decides(TOKYO, "region=eu-west;reason=failover;km=9585;rank=3;via=headers");
}

#[test]
fn it_can_be_refused_with_a_hint_when_to_come_back() {
    let world = all_down(json!("reject"));
    let seen = |world: &World| world.regions().iter().map(|region| region.request_count()).sum::<u64>();
    let refused = |response: &Response| response.status == 503 && response.text() == "no region is available\n";
    eventually("every worker refuses", || {
        world.through_every_worker(|| world.client().from(SUVA).get("/")).iter().all(refused)
    });

    let (counted, before) = (world.decisions().get("none rejected").copied(), seen(&world));
    let responses = [world.client().from(SUVA).get("/refused"), world.client().post("/refused", b"a body")];
    for response in &responses {
        assert!(refused(response), "{response:?}");
        // interval + (upAfter - 1)·edgeInterval = 0.5 s + 9·0.2 s, in whole seconds
        assert_eq!(response.header("retry-after"), Some("3"));
        assert_eq!(response.header("x-served-by-region"), None);
    }
    assert_eq!(world.decisions().get("none rejected").copied(), counted.map(|count| count + 2));
    assert_eq!(seen(&world), before, "no region sees a refused request");
    eventually_equals("two lines of the access log", 2, || {
        let log = world.envoy().access_log();
        log.lines()
            .filter(|line| line.contains("/refused 503") && line.contains("region=- reason=rejected km=-"))
            .count()
    });

    world.region("eu-west").recovers();
    world.eventually_decides(SUVA, "region=eu-west;reason=failover;km=16079;rank=3;via=headers");
}

/// Three regions, all of them down.
fn all_down(policy: Value) -> World {
    let world = World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        .region("ap-northeast", TOKYO)
        .filter(json!({"steering": {"whenAllDown": policy}, "health": {"upAfter": 10}}))
        .start();
    for region in world.regions() {
        region.fails_probes_with(Fault::Status(500));
    }
    for region in world.regions() {
        let name = region.name();
        eventually_equals(&format!("health of {name}"), Some(0), || world.health(name));
    }
    world
}
