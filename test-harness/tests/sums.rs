//! What an operator sums by in Prometheus: every series that the filter writes has its labels, and the sums are what happened.

use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use test_harness::plan::Plan;
use test_harness::{Fault, World, eventually, eventually_equals, places::*};

/// Every metric of the filter, and the labels of each of its series.
const LABELS: [(&str, &[&str], &str); 9] = [
    ("greatcircle_build_info", &["version"], "gauge"),
    ("greatcircle_config_info", &["hash"], "gauge"),
    ("greatcircle_config_rejected_total", &[], "counter"),
    ("greatcircle_decisions_total", &["reason", "region"], "counter"),
    ("greatcircle_geo_headers_ignored_total", &["why"], "counter"),
    ("greatcircle_lookups_total", &["outcome"], "counter"),
    ("greatcircle_probes_total", &["outcome", "region"], "counter"),
    ("greatcircle_region_health", &["region"], "gauge"),
    ("greatcircle_transitions_total", &["region", "to"], "counter"),
];

#[test]
fn decisions_summed_by_region_and_by_reason_are_the_requests_that_were_sent() {
    let world = three_regions().workers(4).start();
    let cities = [(SUVA, "oceania", 5), (AUCKLAND, "oceania", 3), (SEOUL, "ap-northeast", 4), (GENEVA, "eu-west", 6)];
    for (city, region, requests) in cities {
        for _ in 0..requests {
            assert_eq!(world.client().from(city).get("/").region.as_deref(), Some(region), "{}", city.name);
        }
    }
    (0..7).for_each(|_| assert_eq!(world.client().get("/").status, 200));
    let by = |label| world.sum("greatcircle_decisions_total", label);
    assert_eq!(by("region"), counts(&[("ap-northeast", 4), ("eu-west", 13), ("oceania", 8)]));
    assert_eq!(by("reason"), counts(&[("nearest", 18), ("noLocation", 7)]));

    world.region("oceania").fails_probes_with(Fault::Status(500));
    eventually_equals("Sydney down", Some(0), || world.health("oceania"));
    let elsewhere = || world.client().from(SUVA).get("/").region.as_deref() == Some("ap-northeast");
    eventually("every worker's word", || world.through_every_worker(elsewhere).iter().all(|elsewhere| *elsewhere));
    let before = by("reason");
    (0..10).for_each(|_| assert!(elsewhere()));
    let after = by("reason");
    assert_eq!(after["failover"], before["failover"] + 10);
    assert_eq!(after.values().sum::<u64>(), before.values().sum::<u64>() + 10);
    assert_eq!(
        after.values().sum::<u64>(),
        by("region").values().sum::<u64>(),
        "each request once, however it is summed"
    );
}

#[test]
fn a_refused_request_counts_for_no_region() {
    let world = three_regions().filter(json!({"steering": {"whenAllDown": "reject"}})).start();
    world.regions().iter().for_each(|region| region.fails_probes_with(Fault::Status(500)));
    eventually("every worker refuses", || {
        world.through_every_worker(|| world.client().get("/").status).iter().all(|status| *status == 503)
    });
    let rejected = || world.sample("greatcircle_decisions_total", &[("reason", "rejected"), ("region", "none")]);
    let before = rejected().unwrap();
    (0..3).for_each(|_| assert_eq!(world.client().from(SUVA).get("/").status, 503));
    assert_eq!(rejected(), Some(before + 3));
}

#[test]
fn probes_summed_by_outcome_are_the_probes_that_the_regions_saw() {
    let world = three_regions().start();
    world.region("oceania").fails_probes_with(Fault::Status(500));
    world.region("eu-west").kill();
    for (region, outcome) in [("oceania", "status"), ("eu-west", "refused"), ("ap-northeast", "success")] {
        eventually(&format!("five times {outcome} from {region}"), || world.probes(region).get(outcome) >= Some(&5));
    }
    // What is summed over one label has all of the other in it.
    let metrics = world.envoy().metrics();
    let sum = |label| metrics.sum("greatcircle_probes_total", label).values().sum::<u64>();
    assert_eq!(sum("outcome"), sum("region"));
    let sydney = || world.region("oceania").probe_count() as u64;
    let (before, counted, after) = (sydney(), world.probes("oceania"), sydney());
    // One may be under way.
    let possible = before.saturating_sub(1)..=after;
    assert!(possible.contains(&counted.values().sum()), "{possible:?} probes of Sydney: {counted:?}");
    eventually("who came up and who went down", || {
        let transitions = world.transitions();
        let has = |what: &str| transitions.get(what) == Some(&1);
        let awaited = ["ap-northeast up", "oceania down", "eu-west down"].into_iter().all(has);
        if awaited { Ok(()) } else { Err(transitions) }
    });
}

#[test]
fn every_series_has_the_labels_that_are_promised_and_no_others() {
    let world = three_regions().ecds().trusted_hops(1).lookup_service(json!({})).start();
    // One of each kind: a lookup, a request without one, headers that are ignored, a configuration that is refused.
    world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
    assert_eq!(world.client().at("8.8.8.8").get("/").region.as_deref(), Some("oceania"));
    assert_eq!(world.client().header("x-geo-latitude", "north").header("x-geo-longitude", "1").get("/").status, 200);
    world.update_filter_text("{");
    eventually("a refusal", || world.filter_updates().1 > 0);
    eventually("every metric", || {
        let metrics = world.envoy().metrics();
        let missing: Vec<_> = LABELS.iter().map(|(name, ..)| *name).filter(|name| metrics.lack(name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    });
    let (metrics, text) = (world.envoy().metrics(), world.envoy().prometheus());
    for (name, labels, kind) in LABELS {
        let expected: BTreeSet<_> = labels.iter().copied().collect();
        for sample in metrics.of(name) {
            assert_eq!(sample.labels.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{name}");
            assert!(sample.labels.values().all(|value| !value.is_empty()), "{sample:?}");
        }
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} is a {kind}");
    }
    let ours = text.lines().filter(|line| line.starts_with("greatcircle") || line.contains("wasmcustom"));
    for line in ours {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        assert!(LABELS.iter().any(|(known, ..)| *known == name), "nobody was told of {line}");
    }
}

#[test]
fn the_version_and_the_configuration_in_force_can_be_told() {
    let world = three_regions().ecds().start();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    eventually_equals("the version", Some(1), || world.sample("greatcircle_build_info", &version));
    let configurations = || world.sum("greatcircle_config_info", "hash");
    let in_force =
        || -> Vec<_> { configurations().into_iter().filter(|(_, value)| *value == 1).map(|(hash, _)| hash).collect() };
    eventually("one configuration", || configurations().len() == 1 && in_force().len() == 1);
    let (first, first_output) = (in_force(), world.configuration()["output"].clone());

    world.apply_filter(json!({"output": {"responseHeader": "x-second"}}));
    eventually("another one instead", || {
        let (all, now) = (configurations(), in_force());
        let replaced = now.len() == 1 && now != first && all.get(&first[0]) == Some(&0);
        if replaced { Ok(()) } else { Err(all) }
    });
    world.apply_filter(json!({"output": first_output}));
    eventually("the first one again", || if in_force() == first { Ok(()) } else { Err(configurations()) });
}

/// Suva's order is Sydney, Tokyo, Dublin.
fn three_regions() -> Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).region("ap-northeast", TOKYO)
}

fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}
