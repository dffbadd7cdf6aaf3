//! Resources against their own definitions.
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
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What is wrong with a document, if anything.
pub(crate) fn check(document: &Value) -> Result<()> {
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
        ("gateway.networking.k8s.io/v1", "Gateway") => as_defined::<gateways::GatewaySpec>(spec)?,
        ("gateway.networking.k8s.io/v1", "HTTPRoute") => as_defined::<httproutes::HttpRouteSpec>(spec)?,
        ("v1", "Service") => as_defined::<ServiceSpec>(spec)?,
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
