//! Every manifest under `istio/`, and what the overlays make of them, against the resources' own definitions.
//!
//! The types are generated from the resource definitions of Istio (the release of spring 2026), the Gateway API and Kubernetes
//! 1.35. They read a document and write it again: a field that does not come back is one that the definition does not know.
//! They have no TrafficExtension yet; its fields are those of a WasmPlugin, moved under `wasm`.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ServiceSpec;
use kcr_extensions_istio_io::v1alpha1::wasmplugins::WasmPluginSpec;
use kcr_gateway_networking_k8s_io::v1::{gateways, httproutes};
use kcr_networking_istio_io::v1::{destinationrules, gateways as istio_gateways, serviceentries, virtualservices};
use kcr_networking_istio_io::v1alpha3::envoyfilters;
use kcr_security_istio_io::v1::{authorizationpolicies, peerauthentications};
use kcr_telemetry_istio_io::v1::telemetries;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use test_harness::bootstrap::repository;
use test_harness::istio::manifests::{self, documents};

/// What is wrong with a document, if anything.
fn check(document: &Value) -> Result<()> {
    let text = |key: &str| document[key].as_str().unwrap_or_default();
    let spec = &document["spec"];
    match (text("apiVersion"), text("kind")) {
        ("extensions.istio.io/v1alpha1", "WasmPlugin") => as_defined::<WasmPluginSpec>(spec)?,
        ("extensions.istio.io/v1alpha1", "TrafficExtension") => as_defined::<WasmPluginSpec>(&as_wasm_plugin(spec)?)?,
        ("networking.istio.io/v1", "DestinationRule") => as_defined::<destinationrules::DestinationRuleSpec>(spec)?,
        ("networking.istio.io/v1", "Gateway") => as_defined::<istio_gateways::GatewaySpec>(spec)?,
        ("networking.istio.io/v1", "ServiceEntry") => as_defined::<serviceentries::ServiceEntrySpec>(spec)?,
        ("networking.istio.io/v1", "VirtualService") => as_defined::<virtualservices::VirtualServiceSpec>(spec)?,
        ("networking.istio.io/v1alpha3", "EnvoyFilter") => as_defined::<envoyfilters::EnvoyFilterSpec>(spec)?,
        ("security.istio.io/v1", "AuthorizationPolicy") => {
            as_defined::<authorizationpolicies::AuthorizationPolicySpec>(spec)?;
        }
        ("security.istio.io/v1", "PeerAuthentication") => {
            as_defined::<peerauthentications::PeerAuthenticationSpec>(spec)?;
        }
        ("telemetry.istio.io/v1", "Telemetry") => as_defined::<telemetries::TelemetrySpec>(spec)?,
        ("gateway.networking.k8s.io/v1", "Gateway") => as_defined::<gateways::GatewaySpec>(spec)?,
        ("gateway.networking.k8s.io/v1", "HTTPRoute") => as_defined::<httproutes::HttpRouteSpec>(spec)?,
        ("v1", "Service") => as_defined::<ServiceSpec>(spec)?,
        // Read by istioctl alone; its schema leaves meshConfig open.
        ("install.istio.io/v1alpha1", "IstioOperator") => {}
        (version, kind) => anyhow::bail!("nobody knows {kind} of {version}"),
    }
    let known = ["apiVersion", "kind", "metadata", "spec"];
    let fields = document.as_object().into_iter().flat_map(|fields| fields.keys());
    let unknown: Vec<_> = fields.filter(|key| !known.contains(&key.as_str())).collect();
    ensure!(unknown.is_empty(), "unknown fields {unknown:?}");
    Ok(())
}

/// Whether this is what the type's definition allows: it can be read, and nothing is lost when it is written again.
fn as_defined<Definition: DeserializeOwned + Serialize>(spec: &Value) -> Result<()> {
    let read: Definition = serde_json::from_value(spec.clone())?;
    let written = serde_json::to_value(read)?;
    let lost = lost("spec", spec, &written);
    ensure!(lost.is_empty(), "unknown or misspelt: {}", lost.join(", "));
    Ok(())
}

/// The paths of what stands in the one and not in the other.
fn lost(path: &str, from: &Value, to: &Value) -> Vec<String> {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let nothing = Value::Null;
            let field = |(key, value)| lost(&format!("{path}.{key}"), value, to.get(key).unwrap_or(&nothing));
            from.iter().flat_map(field).collect()
        }
        (Value::Array(from), Value::Array(to)) if from.len() == to.len() => {
            let item = |(index, (from, to))| lost(&format!("{path}[{index}]"), from, to);
            from.iter().zip(to).enumerate().flat_map(item).collect()
        }
        (from, to) if from == to || from.as_f64().is_some_and(|number| Some(number) == to.as_f64()) => Vec::new(),
        _ => vec![path.to_owned()],
    }
}

fn as_wasm_plugin(spec: &Value) -> Result<Value> {
    let mut fields = spec.as_object().context("no spec")?.clone();
    let wasm = fields.remove("wasm").context("no wasm")?;
    let wasm = wasm.as_object().context("wasm is no object")?;
    let outside = ["selector", "targetRefs", "match", "phase", "priority"];
    let misplaced = fields.keys().find(|key| !outside.contains(&key.as_str()));
    ensure!(misplaced.is_none(), "{misplaced:?} belongs under wasm, or is unknown");
    let twice = wasm.keys().find(|key| outside.contains(&key.as_str()));
    ensure!(twice.is_none(), "{twice:?} does not belong under wasm");
    fields.extend(wasm.clone());
    Ok(fields.into())
}

/// Every file of this ending under a folder, but for kustomize's own.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|it| it == "yaml") && !path.ends_with("kustomization.yaml") => {
                found.push(path);
            }
            false => {}
        }
    }
    found.sort();
    found
}

/// What an overlay comes to.
fn rendered(folder: &str) -> Vec<Value> {
    let folder = repository().join("istio").join(folder);
    let rendered = manifests::rendered(&folder).and_then(|text| documents(&text));
    rendered.unwrap_or_else(|error| panic!("{}: {error:#}", folder.display()))
}

const OVERLAYS: [&str; 4] = ["base", "overlays/traffic-extension", "overlays/t2", "overlays/gateway-api"];

#[test]
fn every_file_is_what_its_definition_allows() {
    let files = files(&repository().join("istio"));
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        for document in documents(&std::fs::read_to_string(&file).unwrap()).unwrap() {
            if let Err(wrong) = check(&document) {
                panic!("{}, {} {}: {wrong:#}", file.display(), document["kind"], document["metadata"]["name"]);
            }
        }
    }
}

#[test]
fn what_the_overlays_make_of_them_is_so_too() {
    for overlay in OVERLAYS {
        for document in rendered(overlay) {
            if let Err(wrong) = check(&document) {
                panic!("{overlay}, {} {}: {wrong:#}", document["kind"], document["metadata"]["name"]);
            }
        }
    }
}

#[test]
fn what_is_wrong_is_found() {
    let good = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "b", "port": {"number": 80}}}]}]},
    });
    check(&good).unwrap();
    for (pointer, value, expected) in [
        ("/apiVersion", json!("networking.istio.io/v2"), "nobody knows VirtualService"),
        ("/kind", json!("VirtualServices"), "nobody knows VirtualServices"),
        ("/spec/hosts", json!("a"), "invalid type"),
        ("/spec/http/0/route/0/destination", json!({"host": "b", "subnet": "c"}), "destination.subnet"),
        ("/spec/http/0/route/0/destination/port", json!({"number": "80"}), "invalid type"),
        ("/spec/http/0", json!({"retries": {"attempt": 2}}), "retries.attempt"),
    ] {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        let message = format!("{:#}", check(&broken).unwrap_err());
        assert!(message.contains(expected), "{pointer}: {message}");
    }
    let mut with_status = good;
    with_status["specs"] = json!({});
    assert!(check(&with_status).is_err(), "an unknown field beside spec");

    let extension = |spec: Value| {
        check(&json!({"apiVersion": "extensions.istio.io/v1alpha1", "kind": "TrafficExtension", "spec": spec}))
    };
    extension(json!({"priority": 1, "wasm": {"url": "oci://a", "failStrategy": "FAIL_OPEN"}})).unwrap();
    for wrong in [
        json!({"url": "oci://a", "wasm": {}}),
        json!({"wasm": {"url": "oci://a", "priority": 1}}),
        json!({"wasm": {"url": "oci://a", "failStrategy": "OPEN"}}),
        json!({"lua": {}}),
    ] {
        assert!(extension(wrong.clone()).is_err(), "{wrong}");
    }
}

/// A region that is in one list and not in the other gets traffic without a route, or none at all.
#[test]
fn all_manifests_name_the_same_regions() {
    for overlay in OVERLAYS {
        let documents = rendered(overlay);
        let of_kind = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
        let texts = |value: &Value| value.as_str().map(str::to_owned);
        let plugin = of_kind("WasmPlugin").chain(of_kind("TrafficExtension")).next().unwrap();
        let config = [&plugin["spec"]["pluginConfig"], &plugin["spec"]["wasm"]["pluginConfig"]];
        let config = config.into_iter().find(|config| config.is_object()).unwrap();
        let regions: BTreeSet<_> =
            config["regions"].as_array().unwrap().iter().filter_map(|region| texts(&region["name"])).collect();
        assert!(regions.len() >= 2, "{overlay}");

        let matched = |header: &Value| texts(&header["x-greatcircle-region"]["exact"]);
        let routed = of_kind("VirtualService").flat_map(|it| it["spec"]["http"].as_array().unwrap());
        let routed = routed.filter_map(|route| matched(&route["match"][0]["headers"]));
        let named = of_kind("HTTPRoute").flat_map(|it| it["spec"]["rules"].as_array().unwrap());
        let named = named.filter_map(|rule| texts(&rule["matches"][0]["headers"][0]["value"]));
        assert_eq!(routed.chain(named).collect::<BTreeSet<_>>(), regions, "{overlay}: routes");

        // What the plugin probes exists: a subset of the host's rule, a ServiceEntry, or a Service.
        let pattern = config["health"]["cluster"].as_str().unwrap();
        for region in &regions {
            let cluster = pattern.replace("{region}", region);
            let [direction, port, subset, host]: [&str; 4] = cluster.split('|').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!((direction, port.parse::<u16>().is_ok()), ("outbound", true), "{cluster}");
            let subsets = of_kind("DestinationRule").filter(|rule| rule["spec"]["host"] == host);
            let mut subsets = subsets.flat_map(|rule| rule["spec"]["subsets"].as_array().into_iter().flatten());
            let entries = of_kind("ServiceEntry").any(|entry| entry["spec"]["hosts"][0] == host);
            let services = of_kind("Service")
                .any(|service| host.split('.').next().is_some_and(|name| service["metadata"]["name"] == name));
            let known = if subset.is_empty() { entries || services } else { subsets.any(|it| it["name"] == subset) };
            assert!(known, "{overlay}: no cluster {cluster}");
        }
    }
}
