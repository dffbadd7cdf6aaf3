//! The chart under `istio/chart` and the examples under `istio/examples`: that what stands there is what the chart makes of its values,
//! that it is what the resources' definitions allow, and that filter, routes and clusters name the same regions.

#[path = "manifests/definitions.rs"]
mod definitions;

use anyhow::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use test_harness::istio::chart::{self, EXAMPLES};
use test_harness::istio::manifests::documents;
use test_harness::patch::merge;

#[test]
fn what_stands_in_the_examples_is_what_the_chart_makes_of_their_values() {
    for name in EXAMPLES {
        let rendered =
            chart::render(&chart::example(name).join("values.yaml")).unwrap_or_else(|wrong| panic!("{wrong:#}"));
        let written = chart::written(name).unwrap_or_default();
        let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&written), names(&rendered), "{name}: run ./build.sh manifests, and look at what changes");
        for (file, text) in rendered {
            assert_eq!(written[&file], text, "{name}/{file}: run ./build.sh manifests, and look at what changes");
        }
    }
}

/// The values of the first example, with these changes.
fn rendered(patch: &Value) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(chart::example("t1").join("values.yaml"))?;
    let mut values: Value = serde_saphyr::from_str(&text)?;
    merge(&mut values, patch);
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("values.json");
    std::fs::write(&file, values.to_string())?;
    let files = chart::render(&file)?;
    let documents = files.values().map(|text| documents(text)).collect::<Result<Vec<_>>>()?;
    Ok(documents.into_iter().flatten().collect())
}

#[test]
fn every_combination_is_what_the_definitions_allow_and_names_the_same_regions() {
    let addresses = [
        json!({"name": "eu-west", "latitude": 53.35, "longitude": -6.26, "address": "192.0.2.10"}),
        json!({"name": "us-east", "latitude": 39.04, "longitude": -77.49, "address": "us-east.example.com"}),
    ];
    let mut seen = 0;
    for topology in ["T1", "T2", "GatewayAPI"] {
        for api in ["WasmPlugin", "TrafficExtension"] {
            for more in [
                json!({}),
                json!({"lookup": {"tls": false, "authorizationFromEnv": ""}, "accessLog": {"format": "json"}}),
                json!({"gateway": {"create": false, "name": "theirs"}, "headerStripper": false, "mutualTls": false}),
                json!({"regionLabel": "topology.istio.io/network", "accessLog": {"enabled": false}, "lookup": null}),
            ] {
                let mut patch = json!({"topology": topology, "api": api, "regions": addresses});
                merge(&mut patch, &more);
                let documents = rendered(&patch).unwrap_or_else(|wrong| panic!("{patch}: {wrong:#}"));
                for document in &documents {
                    let name = || format!("{patch}: {} {}", document["kind"], document["metadata"]["name"]);
                    definitions::check(document).unwrap_or_else(|wrong| panic!("{}: {wrong:#}", name()));
                }
                names_the_same_regions(&documents);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 24);
}

#[test]
fn fifty_services_in_five_regions_have_a_route_each() {
    let regions = (0..5).map(|number| json!({"name": format!("r{number}"), "latitude": number, "longitude": 1}));
    let service = |number: u32| {
        json!({"name": format!("s{number}"), "namespace": "shop", "port": 8080, "hosts": ["shop.example.com"],
               "paths": [format!("/s{number}/")], "selector": {"app": format!("s{number}")}})
    };
    let (regions, services): (Vec<_>, Vec<_>) = (regions.collect(), (0..50).map(service).collect());
    for (topology, routes, methods) in [("T1", "VirtualService", 2), ("GatewayAPI", "HTTPRoute", 1)] {
        let documents = rendered(&json!({"topology": topology, "regions": regions, "services": services})).unwrap();
        names_the_same_regions(&documents);
        let count = documents.iter().filter(|document| document["kind"] == routes).map(|document| {
            let spec = &document["spec"];
            spec["http"].as_array().or(spec["rules"].as_array()).unwrap().len()
        });
        assert_eq!(count.sum::<usize>(), 50 * (5 + 1) * methods, "{topology}: for each region, and the default");
    }
}

/// Istio takes no variable from the container that is not named in the resource.
#[test]
fn a_secret_that_the_configuration_takes_from_the_environment_is_let_through() {
    let trust = json!({"peers": null, "header": "x-edge", "equals": {"env": "EDGE_SECRET"}});
    let documents = rendered(&json!({"env": ["EDGE_SECRET"], "config": {"clientLocation": {"trust": trust}}})).unwrap();
    let plugin = documents.iter().find(|document| document["kind"] == "WasmPlugin").unwrap();
    let env = plugin["spec"]["vmConfig"]["env"].as_array().unwrap();
    assert!(env.contains(&json!({"name": "EDGE_SECRET", "valueFrom": "HOST"})), "{env:?}");
}

/// The first of two services that share a host would take all of its requests.
#[test]
fn a_service_with_paths_comes_before_one_without() {
    let documents = rendered(&json!({})).unwrap();
    let routes = documents.iter().find(|document| document["kind"] == "VirtualService").unwrap();
    let names = routes["spec"]["http"].as_array().unwrap().iter().map(|route| route["name"].as_str().unwrap());
    let services = ["basket-eu-west", "basket-us-east", "basket", "shop-eu-west", "shop-us-east", "shop"];
    let expected: Vec<_> = services.iter().flat_map(|name| [format!("{name}-safe"), (*name).to_owned()]).collect();
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[test]
fn wrong_values_are_refused_by_name() {
    let region = json!({"name": "eu-west", "latitude": 53.35, "longitude": -6.26});
    let with = |key: &str, value: Value| {
        let mut region = region.clone();
        region[key] = value;
        json!({"regions": [region]})
    };
    for (patch, expected) in [
        (json!({"region": []}), "region"),
        (json!({"regions": []}), "regions"),
        (with("latitude", json!("53.35")), "latitude"),
        (with("latitude", json!(91)), "latitude"),
        (with("lat", json!(1)), "lat"),
        (with("name", json!("EU")), "regions.0.name"),
        (json!({"regions": [region, region]}), "eu-west stands twice"),
        (json!({"topology": "T3"}), "topology"),
        (json!({"topology": "T2"}), "T2 needs the address of eu-west"),
        (json!({"api": "Wasm"}), "api"),
        (json!({"services": [{"name": "shop", "namespace": "shop", "port": 8080}]}), "hosts"),
        (
            json!({"services": [
                {"name": "a", "namespace": "shop", "port": 80, "hosts": ["shop.example.com"]},
                {"name": "b", "namespace": "shop", "port": 80, "hosts": ["shop.example.com"]},
            ]}),
            "a and b both want all of shop.example.com",
        ),
        (json!({"env": ["A B"]}), "env"),
        (json!({"probedService": "shap"}), "no service \"shap\""),
        (json!({"gateway": {"credentialName": ""}}), "gateway.credentialName"),
        (json!({"gateway": {"credentials": "a"}}), "credentials"),
        (json!({"image": {"url": ""}}), "image.url"),
        (json!({"image": {"url": "registry.example/greatcircle"}}), "image.url"),
        (json!({"image": {"sha256": "sha256:00"}}), "image.sha256"),
        (json!({"config": {"regions": []}}), "regions"),
        (json!({"config": {"clientLocaton": {}}}), "clientLocaton"),
        (json!({"accessLog": {"format": "xml"}}), "accessLog.format"),
        (json!({"lookup": {"authorizationFromEnv": "A-B"}}), "authorizationFromEnv"),
        (json!({"retries": {"attempts": -1}}), "retries.attempts"),
    ] {
        let wrong = rendered(&patch).expect_err(&patch.to_string()).to_string();
        assert!(wrong.contains(expected), "{patch}: {wrong}");
    }
}

/// A region that is in one list and not in the other gets traffic without a route, or none at all.
fn names_the_same_regions(documents: &[Value]) {
    let of_kind = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
    let texts = |value: &Value| value.as_str().map(str::to_owned);
    let plugin = of_kind("WasmPlugin").chain(of_kind("TrafficExtension")).next().unwrap();
    let config = [&plugin["spec"]["pluginConfig"], &plugin["spec"]["wasm"]["pluginConfig"]];
    let config = config.into_iter().find(|config| config.is_object()).unwrap();
    let regions: BTreeSet<_> =
        config["regions"].as_array().unwrap().iter().filter_map(|region| texts(&region["name"])).collect();
    assert!(regions.len() >= 2);

    let rules = of_kind("DestinationRule");
    let subsets: BTreeMap<_, BTreeSet<_>> = rules
        .map(|rule| {
            let subsets = rule["spec"]["subsets"].as_array().into_iter().flatten();
            (texts(&rule["spec"]["host"]).unwrap(), subsets.filter_map(|it| texts(&it["name"])).collect())
        })
        .collect();
    let services: BTreeSet<_> = of_kind("Service").filter_map(|it| texts(&it["metadata"]["name"])).collect();

    // Every region of every service has its route, and what that leads to exists.
    let mut routed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for route in of_kind("VirtualService").flat_map(|it| it["spec"]["http"].as_array().unwrap()) {
        let Some(region) = texts(&route["match"][0]["headers"]["x-greatcircle-region"]["exact"]) else { continue };
        let destination = &route["route"][0]["destination"];
        let (host, subset) = (texts(&destination["host"]).unwrap(), texts(&destination["subset"]).unwrap());
        assert_eq!(subset, region);
        assert!(subsets[&host].contains(&subset), "no subset {subset} of {host}");
        let service = texts(&route["name"]).unwrap().replace(&format!("-{region}"), "").replace("-safe", "");
        routed.entry(service).or_default().insert(region);
    }
    for route in of_kind("HTTPRoute") {
        for rule in route["spec"]["rules"].as_array().unwrap() {
            let Some(region) = texts(&rule["matches"][0]["headers"][0]["value"]) else { continue };
            let backend = texts(&rule["backendRefs"][0]["name"]).unwrap();
            assert!(services.contains(&backend), "no service {backend}");
            routed.entry(texts(&route["metadata"]["name"]).unwrap()).or_default().insert(region);
        }
    }
    assert!(!routed.is_empty());
    for (service, routed) in routed {
        assert_eq!(routed, regions, "{service}");
    }

    let pattern = config["health"]["cluster"].as_str().unwrap();
    for region in &regions {
        let cluster = pattern.replace("{region}", region);
        let [direction, port, subset, host]: [&str; 4] = cluster.split('|').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((direction, port.parse::<u16>().is_ok()), ("outbound", true), "{cluster}");
        assert!(subsets[host].contains(subset), "no cluster {cluster} to probe");
    }
}
