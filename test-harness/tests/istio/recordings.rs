//! The recordings themselves.

use serde_json::{Value, json};
use test_harness::istio::recording::Received;
use test_harness::istio::{Recording, chart, manifests};

#[test]
fn every_example_has_a_recording_that_belongs_to_it() {
    for example in chart::EXAMPLES {
        let recording = Recording::read(example).unwrap_or_else(|wrong| panic!("{wrong:#}"));
        assert_eq!(recording.gateways.len(), 2, "{example}");
    }
}

/// A digest says of which files somebody meant to take a recording. This says that it was these.
#[test]
fn a_recording_has_what_its_manifests_say() {
    for example in chart::EXAMPLES {
        let recording = Recording::read(example).unwrap_or_else(|wrong| panic!("{wrong:#}"));
        let manifests = manifests::of_example(example).unwrap();
        for (region, received) in &recording.gateways {
            for rule in manifests.iter().filter(|it| it["kind"] == "DestinationRule") {
                let said = &rule["spec"]["trafficPolicy"]["outlierDetection"]["baseEjectionTime"];
                let host = format!("||{}", rule["spec"]["host"].as_str().unwrap());
                let cluster =
                    received.clusters.iter().find(|it| it["name"].as_str().unwrap().ends_with(&host)).unwrap();
                assert_eq!(&cluster["outlier_detection"]["base_ejection_time"], said, "{example}/{region}: {host}");
            }
            let hosts = received.routes.iter().flat_map(|it| it["virtual_hosts"].as_array().into_iter().flatten());
            let routes: Vec<_> = hosts.flat_map(|it| it["routes"].as_array().unwrap()).collect();
            let said = manifests.iter().filter(|it| it["kind"] == "VirtualService");
            for said in said.flat_map(|it| it["spec"]["http"].as_array().unwrap()) {
                let (name, retries) = (&said["name"], &said["retries"]);
                let policies = routes.iter().filter(|it| it["name"] == *name).map(|it| &it["route"]["retry_policy"]);
                let mut fitting = policies.filter(|it| it["num_retries"] == retries["attempts"]);
                assert!(
                    fitting.any(|it| it["per_try_timeout"] == retries["perTryTimeout"]),
                    "{example}/{region}: {name}"
                );
            }
        }
    }
}

#[test]
fn a_recording_of_other_manifests_is_refused() {
    let recording = Recording::read("t1").unwrap_or_else(|wrong| panic!("{wrong:#}"));
    let mut manifests = manifests::of_example("t1").unwrap();
    let rule = manifests.iter_mut().find(|it| it["kind"] == "DestinationRule").unwrap();
    rule["spec"]["trafficPolicy"] = json!({});
    let wrong = recording.is_of(&manifests).unwrap_err().to_string();
    assert!(wrong.ends_with("to record anew, see test-harness/recordings/README.md"), "{wrong}");
}

/// The names by which runbooks and EnvoyFilters know them.
#[test]
fn listeners_routes_and_filters_have_the_names_that_istio_gives_them() {
    for (example, filter) in [
        ("t1", "extensions.istio.io/trafficextension/istio-ingress.greatcircle~istio-translated-wasmplugin"),
        ("traffic-extension", "extensions.istio.io/trafficextension/istio-ingress.greatcircle"),
    ] {
        let recording = Recording::read(example).unwrap_or_else(|wrong| panic!("{wrong:#}"));
        for (region, received) in &recording.gateways {
            let listener = &received.listeners[0];
            let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
            let filters = manager["http_filters"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
            let expected = [
                filter,
                "envoy.filters.http.grpc_stats",
                "envoy.filters.http.fault",
                "envoy.filters.http.cors",
                "envoy.filters.http.router",
            ];
            assert_eq!(filters.collect::<Vec<_>>(), expected, "{example}/{region}");
            assert_eq!(listener["name"], "0.0.0.0_443");
            assert_eq!(manager["rds"]["route_config_name"], "https.443.https.public.istio-ingress");
        }
    }
}

/// `$ISTIO_GATEWAYS` names the example that was applied to a real mesh, and its gateways as `test-harness record` wants them.
#[test]
#[ignore = "needs a real mesh in $ISTIO_GATEWAYS: see test-harness/recordings/README.md"]
fn a_real_mesh_has_what_was_recorded() {
    let named = std::env::var("ISTIO_GATEWAYS").expect("$ISTIO_GATEWAYS: t1 eu-west=http://… us-east=http://…");
    let (example, gateways) = named.split_once(' ').expect("an example and its gateways");
    let gateways = gateways.split_whitespace().map(|gateway| gateway.split_once('=').expect("REGION=URL"));
    let gateways: Vec<_> = gateways.map(|(region, url)| (region.to_owned(), url.to_owned())).collect();
    let now = Recording::of_gateways(example, &gateways).unwrap_or_else(|wrong| panic!("{wrong:#}"));
    let then = Recording::read(example).unwrap_or_else(|wrong| panic!("{wrong:#}"));
    for (region, received) in &now.gateways {
        let recorded = &then.gateways[region];
        for (what, now, then) in [
            ("listeners", &received.listeners, &recorded.listeners),
            ("routes", &received.routes, &recorded.routes),
            ("clusters", &received.clusters, &recorded.clusters),
            ("endpoints", &localities(received), &localities(recorded)),
        ] {
            assert_eq!(now, then, "{what} of {region}");
        }
    }
}

/// What is not about addresses.
fn localities(received: &Received) -> Vec<Value> {
    let groups = received.endpoints.iter().flat_map(|it| {
        let groups = it["endpoints"].as_array().into_iter().flatten();
        groups.map(|group| json!([it["cluster_name"], group["locality"], group["priority"]]))
    });
    groups.collect()
}
