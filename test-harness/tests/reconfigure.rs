//! A new configuration while requests come in: all of it or nothing, and nothing that is still true is forgotten.

use serde_json::json;
use test_harness::plan::Plan;
use test_harness::{World, eventually, eventually_equals, places::*};

const TO_SYDNEY: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
const TO_TOKYO: &str = "region=ap-northeast;reason=failover;km=7243;rank=2;via=headers";

#[test]
fn a_wrong_configuration_is_refused_with_every_problem_and_the_old_one_serves_on() {
    let world = three_regions().filter(json!({"health": {"interval": "500ms"}})).start();
    world.eventually_decides(SUVA, TO_SYDNEY);
    let (_, refused) = world.filter_updates();
    world.update_filter(json!({
        "regions": [{"name": "Atlantis", "latitude": 91, "longitude": 0}],
        "health": {"interval": "soon"},
        "steering": {"whenAllDown": {"region": "mars"}},
        "typo": 1,
    }));
    eventually("Envoy's refusal", || world.filter_updates().1 > refused);
    let log = world.envoy().log();
    for problem in [
        "regions[0].name: found \"Atlantis\"",
        "regions[0].latitude: found 91",
        "health.interval: found \"soon\"",
        "configuration: found the unknown key \"typo\"",
    ] {
        assert!(log.contains(&format!("greatcircle event=configRejected {problem}")), "{problem}\n{log}");
    }
    assert_eq!(world.sample("greatcircle_config_rejected_total", &[]), Some(1));

    world.update_filter_text("{");
    eventually("another refusal", || world.filter_updates().1 > refused + 1);
    assert_eq!(world.sample("greatcircle_config_rejected_total", &[]), Some(2));

    // The old one serves, and probes.
    world.eventually_decides(SUVA, TO_SYDNEY);
    let probes = world.region("oceania").probe_count();
    eventually("further probes", || world.region("oceania").probe_count() >= probes + 3);
}

#[test]
fn an_envoy_with_a_wrong_configuration_does_not_start() {
    let error = World::new().region("eu-west", DUBLIN).filter(json!({"typo": 1})).try_start().err().unwrap();
    assert!(format!("{error:#}").contains("found the unknown key \"typo\""), "{error:#}");
}

#[test]
fn what_is_known_about_the_regions_that_stay_is_kept() {
    let world = asked_once_in_an_hour().start();
    let known = json!({"eu-west success": 1, "ap-northeast success": 1, "oceania noHost": 1});
    let probes = || json!(world.sums("greatcircle_probes_total", &[], &["region", "outcome"]));
    eventually_equals("one probe of each region", known.clone(), probes);
    world.eventually_decides(SUVA, TO_TOKYO);

    world.apply_filter(
        json!({"output": {"responseHeader": "x-second"}, "health": {"downAfter": 7, "timeout": "300ms"}}),
    );
    let decisions = world.through_every_worker(|| {
        let response = world.client().from(SUVA).get("/");
        assert_eq!(response.header("x-second"), Some("ap-northeast"));
        response.decision()
    });
    assert!(decisions.iter().all(|decision| decision == TO_TOKYO), "from the first request on: {decisions:?}");
    assert_eq!(probes(), known, "nobody had to ask again");
}

#[test]
fn a_region_whose_check_changed_starts_unknown_and_is_probed_at_once() {
    let world = asked_once_in_an_hour().start();
    world.eventually_decides(SUVA, TO_TOKYO);
    let log = |from: &str| {
        let line = format!("event=health region=oceania from={from}");
        world.envoy().log().matches(&line).count()
    };
    assert_eq!((log("unknown to=down cause=noHost"), log("unknown to=up"), log("down")), (1, 0, 0));
    let mut regions = world.configuration()["regions"].clone();
    regions[1]["health"]["cluster"] = "region-oceania".into();
    world.apply_filter(json!({"regions": regions}));
    world.eventually_decides(SUVA, TO_SYDNEY);
    eventually_equals("up, and not by recovery", (1, 1, 0), || {
        (log("unknown to=down cause=noHost"), log("unknown to=up cause=success"), log("down"))
    });
    assert_eq!(["eu-west", "ap-northeast"].map(|region| world.region(region).probe_count()), [1, 1]);
}

#[test]
fn a_new_region_is_probed_at_once_and_a_removed_one_is_left() {
    let world = asked_once_in_an_hour().start();
    let regions = world.configuration()["regions"].clone();
    let with = |indexes: &[usize]| json!({"regions": indexes.iter().map(|index| &regions[index]).collect::<Vec<_>>()});
    world.apply_filter(with(&[0]));
    world.eventually_decides(SUVA, "region=eu-west;reason=nearest;km=16079;rank=1;via=headers");
    world.region("ap-northeast").restart();
    assert_eq!(world.region("ap-northeast").probe_count(), 0);

    let mut tokyo = with(&[0, 2]);
    tokyo["regions"][1]["health"] = json!({"path": "/healthz?new"}); // to be another region than the one that was there
    world.apply_filter(tokyo);
    world.eventually_decides(SUVA, "region=ap-northeast;reason=nearest;km=7243;rank=1;via=headers");
    eventually_equals("one probe", 1, || world.region("ap-northeast").probe_count());
}

#[test]
fn fifty_updates_in_a_row_cost_no_request() {
    let world = three_regions().filter(json!({"health": {"interval": "500ms"}})).start();
    world.eventually_decides(SUVA, TO_SYDNEY);
    let vms = world.envoy().stat("wasm.wasm_vm_count");
    let load = world.load().from(SUVA).rate(100).start();
    for version in 1..=50 {
        world.apply_filter(json!({"output": {"responseHeader": format!("x-version-{version}")}}));
    }
    let report = load.stop();
    println!("{} requests during fifty updates in {:.1} s", report.samples.len(), report.lasted.as_secs_f64());
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert!(report.samples.iter().all(|sample| sample.decision == TO_SYDNEY));
    eventually("the last one on every worker", || {
        let answers = world.through_every_worker(|| world.client().from(SUVA).get("/"));
        answers.iter().all(|answer| answer.header("x-version-50") == Some("oceania"))
    });
    assert_eq!(world.envoy().stat("wasm.wasm_vm_count"), vms);
    assert_eq!(world.transitions().values().sum::<u64>(), 3, "nothing was forgotten on the way");
}

/// Suva's order is Sydney, Tokyo, Dublin.
fn three_regions() -> Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).region("ap-northeast", TOKYO).ecds()
}

/// One probe of each at the start, of which Sydney's finds nobody; then none for at least twenty minutes: what is known
/// later was not asked for again.
fn asked_once_in_an_hour() -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region_with("oceania", SYDNEY, json!({"health": {"cluster": "nobody"}}))
        .region("ap-northeast", TOKYO)
        .cluster(json!({"name": "nobody", "type": "STATIC", "load_assignment": {"cluster_name": "nobody"}}))
        .filter(json!({"health": {"interval": "1h"}}))
        .ecds()
}
