//! WasmPlugins and TrafficExtensions, as filters that Envoy discovers: what istiod sends, and what istio-agent makes of it.
//!
//! It travels as JSON in a `StringValue`.

use super::api::{Selector, TargetRef, TrafficSelector};
use super::manifests::Manifests;
use super::proxy::Proxy;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::PathBuf;

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

/// What istio-agent has got of a module.
#[derive(Clone, Debug)]
pub enum Module {
    /// It was downloaded, into this file.
    Arrives(PathBuf),
    /// The registry is gone, the digest is wrong, …
    CannotBeHad,
}

/// A plugin for one gateway.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its name in Envoy's list of filters.
    pub resource: String,
    /// In which part of the list it stands.
    pub phase: &'static str,
    /// Its place in that part: the highest first.
    pub priority: i32,
    name: String,
    ports: Vec<Vec<u16>>,
    plugin_name: String,
    fail_strategy: &'static str,
    configuration: Value,
}

impl Extension {
    /// Whether it stands in the listener of this port.
    pub fn is_on_port(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|ports| ports.is_empty() || ports.contains(&port))
    }

    /// Its place in the list: Envoy waits for it before it listens, however long it takes.
    pub fn http_filter(&self, source: &Value) -> Value {
        let mut source = source.clone();
        source["initial_fetch_timeout"] = "0s".into();
        json!({"name": self.resource, "config_discovery": {"config_source": source, "type_urls": [WASM, RBAC]}})
    }

    /// What istio-agent hands to Envoy.
    pub fn discovered(&self, module: &Module) -> Value {
        let typed_config = match module {
            Module::Arrives(file) => json!({"@type": WASM, "config": {
                "name": self.name,
                "root_id": self.plugin_name,
                "configuration":
                    {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": self.configuration.to_string()},
                "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}}},
                "failure_policy": self.fail_strategy,
            }}),
            // No rules let everybody pass, empty ones nobody.
            Module::CannotBeHad if self.fail_strategy == "FAIL_OPEN" => {
                json!({"@type": RBAC, "rules_stat_prefix": "wasm-default-allow"})
            }
            Module::CannotBeHad => json!({"@type": RBAC, "rules": {}, "rules_stat_prefix": "wasm-default-deny"}),
        };
        json!({"name": self.resource, "typed_config": typed_config})
    }
}

/// The plugins of this gateway. Since 1.30 Istio makes a TrafficExtension of a WasmPlugin, under another name.
///
/// # Errors
/// If one says something that is not imitated.
pub fn extensions(manifests: &Manifests, proxy: &Proxy) -> Result<Vec<Extension>> {
    let mut out = Vec::new();
    for plugin in manifests.wasm_plugins()? {
        let (at, spec) = (plugin.metadata, plugin.spec);
        let name = format!("{}~istio-translated-wasmplugin", at.name);
        out.extend(extension(
            proxy,
            &at.namespace,
            &name,
            Said {
                selector: spec.selector.as_ref(),
                references: &spec.target_refs,
                matches: &spec.r#match,
                phase: spec.phase.as_deref(),
                priority: spec.priority,
                plugin_name: &spec.plugin_name,
                fail_strategy: spec.fail_strategy.as_deref(),
                configuration: &spec.plugin_config,
            },
        )?);
    }
    for plugin in manifests.traffic_extensions()? {
        let (at, spec) = (plugin.metadata, plugin.spec);
        let Some(wasm) = &spec.wasm else { bail!("{}: Lua is not imitated", at.name) };
        out.extend(extension(
            proxy,
            &at.namespace,
            &at.name,
            Said {
                selector: spec.selector.as_ref(),
                references: &spec.target_refs,
                matches: &spec.r#match,
                phase: spec.phase.as_deref(),
                priority: spec.priority,
                plugin_name: &wasm.plugin_name,
                fail_strategy: wasm.fail_strategy.as_deref(),
                configuration: &wasm.plugin_config,
            },
        )?);
    }
    Ok(out)
}

/// What both kinds say.
struct Said<'a> {
    selector: Option<&'a Selector>,
    references: &'a [TargetRef],
    matches: &'a [TrafficSelector],
    phase: Option<&'a str>,
    priority: Option<i32>,
    plugin_name: &'a str,
    fail_strategy: Option<&'a str>,
    configuration: &'a Value,
}

fn extension(proxy: &Proxy, namespace: &str, name: &str, said: Said<'_>) -> Result<Option<Extension>> {
    // To Istio a gateway is a client, whoever connects to it.
    let for_gateways = |it: &&TrafficSelector| it.mode.as_deref() != Some("SERVER");
    let matches: Vec<_> = said.matches.iter().filter(for_gateways).collect();
    let selected = proxy.is_selected(said.selector, said.references, namespace);
    if !selected || matches.is_empty() && !said.matches.is_empty() {
        return Ok(None);
    }
    let ports = |it: &&TrafficSelector| it.ports.iter().map(|port| port.number).collect();
    Ok(Some(Extension {
        resource: format!("extensions.istio.io/trafficextension/{namespace}.{name}"),
        name: format!("{namespace}.{name}"),
        phase: match said.phase {
            None | Some("UNSPECIFIED_PHASE" | "UNSPECIFIED") => "UNSPECIFIED_PHASE",
            Some("AUTHN") => "AUTHN",
            Some("AUTHZ") => "AUTHZ",
            Some("STATS") => "STATS",
            Some(other) => bail!("{name}: no phase {other}"),
        },
        priority: said.priority.unwrap_or_default(),
        ports: matches.iter().map(ports).collect(),
        plugin_name: said.plugin_name.into(),
        fail_strategy: match said.fail_strategy {
            None | Some("FAIL_CLOSE") => "FAIL_CLOSED",
            Some("FAIL_OPEN") => "FAIL_OPEN",
            Some("FAIL_RELOAD") => "FAIL_RELOAD",
            Some(other) => bail!("{name}: no failStrategy {other}"),
        },
        configuration: said.configuration.clone(),
    }))
}
