//! A redirect that Envoy follows itself sends a request through the filter twice: it is one request, and its client stays where it was.

use serde_json::{Value, json};
use test_harness::plan::Plan;
use test_harness::region::MOVED_PATH;
use test_harness::{Response, World, eventually_equals, places::*};

const IN_TOKYO: &str = "region=ap-northeast;reason=nearest;km=0;rank=1;via=lookup;country=JP";
const ROUTE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0";

#[test]
fn a_client_that_was_looked_up_stays_where_it_is() {
    let world = three_regions()
        .filter(json!({"clientLocation": {"trust": {"any": null}}}))
        .trusted_hops(1)
        .lookup_service(json!({"timeout": "10s"}))
        .start();
    world.lookup().knows("8.8.8.0/24", TOKYO, "JP");
    for round in 1..=2 {
        let response = world.client().at("8.8.8.8").from(SUVA).get(MOVED_PATH);
        arrived(&response, "ap-northeast", IN_TOKYO);
        assert_eq!(world.sum("greatcircle_decisions_total", "region"), [("ap-northeast".to_owned(), round)].into());
        assert_eq!(world.ignored_geo_headers(), [("untrusted".to_owned(), round)].into());
    }
    assert_eq!(world.lookups(), [("found".to_owned(), 1), ("cached".to_owned(), 1)].into());
    assert_eq!(world.lookup().lookup_count(), 1);
}

#[test]
fn a_client_whom_the_edge_vouched_for_stays_where_it_is() {
    let secret = json!({"any": null, "header": "x-edge-auth", "equals": "s3cret"});
    let world = three_regions()
        .filter(json!({"clientLocation": {"trust": secret}}))
        .bootstrap(ROUTE, json!({"request_headers_to_remove": ["x-edge-auth", "x-greatcircle-region"]}))
        .start();
    let edge = world.client().header("x-edge-auth", "s3cret");
    let response = edge.clone().from(SUVA).get(MOVED_PATH);
    arrived(&response, "oceania", "region=oceania;reason=nearest;km=3218;rank=1;via=headers");
    assert_eq!(response.seen_header("x-edge-auth"), None);
    assert!(world.ignored_geo_headers().is_empty());
    assert_eq!(world.sum("greatcircle_decisions_total", "region"), [("oceania".to_owned(), 1)].into());
}

#[test]
fn a_client_cannot_pretend_that_it_was_redirected() {
    let world = three_regions().start();
    for name in ["x-envoy-original-url", "x-envoy-internal"] {
        for path in ["/", MOVED_PATH] {
            let forged =
                world.client().from(SUVA).header(name, "http://gateway/").header("x-greatcircle-region", "eu-west");
            let response = forged.get(path);
            assert_eq!((response.region.as_deref(), response.status), (Some("oceania"), 200), "{name} {path}");
        }
    }
    assert_eq!(world.sum("greatcircle_decisions_total", "region"), [("oceania".to_owned(), 4)].into());
}

#[test]
fn of_two_filters_in_one_chain_each_decides_once() {
    let second = json!({"output": {"regionHeader": "x-second", "decisionHeader": "x-second-decision"}});
    let world = three_regions().filter_behind("second", second).start();
    let decisions = || world.sum("greatcircle_decisions_total", "region").values().sum::<u64>();
    for (path, decided) in [("/", 2), (MOVED_PATH, 4)] {
        let client = world.client().from(SUVA).header("x-envoy-original-url", "http://gateway/");
        let response = client.get(path);
        assert_eq!(response.region.as_deref(), Some("oceania"), "{path}");
        assert_eq!(response.seen_headers("x-second"), ["oceania"], "{path}");
        assert_eq!(decisions(), decided, "{path}");
    }
}

#[test]
fn the_access_log_shows_the_decision_of_a_request_that_was_redirected() {
    let world = three_regions().start();
    world.client().from(SUVA).get(MOVED_PATH);
    let lines = || -> Vec<String> {
        let log = world.envoy().access_log();
        log.lines().filter(|line| line.contains("region=oceania reason=nearest km=3218")).map(Into::into).collect()
    };
    eventually_equals("both passes", 2, || lines().len());
}

#[track_caller]
fn arrived(response: &Response, region: &str, decision: &str) {
    let seen = response.json();
    assert_eq!((response.status, &seen["path"]), (200, &Value::from("/arrived")), "{seen}");
    assert_eq!((response.region.as_deref(), response.header("x-served-by-region")), (Some(region), Some(region)));
    assert_eq!(response.seen_headers("x-greatcircle-decision"), [decision]);
}

fn three_regions() -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        .region("ap-northeast", TOKYO)
        .bootstrap(format!("{ROUTE}/routes/0/route"), json!({"internal_redirect_policy": {}}))
}
