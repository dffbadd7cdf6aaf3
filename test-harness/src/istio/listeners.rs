//! Gateways, as Envoy's listeners: one for each port, with the connection manager and the filters that Istio gives a gateway.
//!
//! TLS is left out: see the module above.

use super::api::{Gateway, Resource, Server};
use super::extensions::Extension;
use super::manifests::Manifests;
use super::patches;
use super::proxy::Proxy;
use super::routes::route_configuration;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One server of one Gateway.
pub struct BoundServer {
    gateway: Resource<Gateway>,
    /// What it serves.
    pub server: Server,
}

impl BoundServer {
    /// Its Gateway's namespace and name.
    pub fn gateway(&self) -> (&str, &str) {
        (&self.gateway.metadata.namespace, &self.gateway.metadata.name)
    }

    fn is_http(&self) -> bool {
        matches!(self.server.port.protocol.as_str(), "HTTP" | "HTTP2" | "GRPC")
    }

    /// Where the routes of this server are found, and what an EnvoyFilter can match.
    fn route_name(&self) -> Result<String> {
        let (port, (namespace, name)) = (&self.server.port, self.gateway());
        if self.is_http() {
            return Ok(format!("http.{}", port.number));
        }
        let mode = self.server.tls.as_ref().map_or("", |tls| &tls.mode);
        match (port.protocol.as_str(), mode) {
            ("HTTPS", "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL" | "ISTIO_MUTUAL") => {
                Ok(format!("https.{}.{}.{name}.{namespace}", port.number, port.name))
            }
            (protocol, mode) => bail!("{namespace}/{name}: {protocol} with TLS {mode} is not imitated"),
        }
    }
}

/// What Istio calls the listener of a port.
pub fn listener_name(port: u16) -> String {
    format!("0.0.0.0_{port}")
}

/// What a gateway's listeners are made of, beside Gateways.
pub struct Parts<'a> {
    /// The rest of the manifests.
    pub manifests: &'a Manifests,
    /// Whose listeners these are.
    pub proxy: &'a Proxy,
    /// Its plugins.
    pub extensions: &'a [Extension],
    /// Where plugins are discovered.
    pub filters: &'a Value,
    /// Its access logs.
    pub access_logs: &'a [Value],
}

/// Every listener of this gateway.
///
/// # Errors
/// If a manifest says something that is not imitated, or asks for a port that the gateway does not have.
pub fn listeners(parts: &Parts<'_>) -> Result<Vec<Value>> {
    let mut ports: BTreeMap<u16, Vec<BoundServer>> = BTreeMap::new();
    for gateway in parts.manifests.gateways()?.iter().chain(&super::gateway_api::gateways(parts.manifests)?) {
        if !parts.proxy.has(&gateway.spec.selector) {
            continue;
        }
        for server in &gateway.spec.servers {
            let bound = BoundServer { gateway: gateway.clone(), server: server.clone() };
            ports.entry(server.port.number).or_default().push(bound);
        }
    }
    ports.iter().map(|(port, servers)| listener(*port, servers, parts)).collect()
}

fn listener(port: u16, servers: &[BoundServer], parts: &Parts<'_>) -> Result<Value> {
    // Each server with TLS has a chain of its own, chosen by SNI.
    let one_chain = servers.iter().all(BoundServer::is_http) || servers.len() == 1;
    ensure!(one_chain, "several servers with TLS on port {port}: telling them apart by SNI is not imitated");
    let first = servers.first().context("a port without servers")?;
    let mut services = parts.manifests.virtual_services()?;
    services.extend(super::gateway_api::virtual_services(parts.manifests)?);
    let all: Vec<_> = servers.iter().collect();
    let mut routes = route_configuration(&first.route_name()?, &all, &services, parts.proxy)?;
    let here: Vec<_> = parts.extensions.iter().filter(|extension| extension.is_on_port(port)).collect();
    let mut http_filters = http_filters(&here, parts.filters);
    let envoy_filters = parts.manifests.envoy_filters()?;
    let gateway = format!("{}/{}", first.gateway().0, first.gateway().1);
    patches::apply_to_routes(&envoy_filters, parts.proxy, port, &gateway, &mut routes)?;
    patches::apply_to_filters(&envoy_filters, parts.proxy, port, &mut http_filters)?;
    let real = parts.proxy.ports.get(&port).with_context(|| format!("the gateway has no port {port}"))?;
    let mut manager = connection_manager(port, routes, http_filters);
    manager["access_log"] = parts.access_logs.into();
    Ok(json!({
        "name": listener_name(port),
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": real}},
        "traffic_direction": "OUTBOUND",
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    }))
}

fn connection_manager(port: u16, routes: Value, http_filters: Vec<Value>) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": format!("outbound_{};", listener_name(port)),
        "use_remote_address": true,
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"subject": true, "cert": true, "dns": true, "uri": true},
        "server_name": "istio-envoy",
        "proxy_100_continue": true,
        "normalize_path": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "request_id_extension": {"typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
            "use_request_id_for_trace_sampling": true,
        }},
        "route_config": routes, // RDS in Istio
        "http_filters": http_filters,
    })
}

/// Metadata exchange, authentication and authorization would stand between the phases.
fn http_filters(extensions: &[&Extension], source: &Value) -> Vec<Value> {
    let phase = |phase: &'static str| {
        let mut here: Vec<_> = extensions.iter().filter(|extension| extension.phase == phase).collect();
        here.sort_by_key(|extension| std::cmp::Reverse(extension.priority));
        here.into_iter().map(|extension| extension.http_filter(source)).collect::<Vec<_>>()
    };
    let stock = [
        (
            "envoy.filters.http.grpc_stats",
            "grpc_stats.v3.FilterConfig",
            json!({"emit_filter_state": true, "stats_for_all_methods": false}),
        ),
        ("envoy.filters.http.fault", "fault.v3.HTTPFault", json!({})),
        ("envoy.filters.http.cors", "cors.v3.Cors", json!({})),
        ("envoy.filters.http.router", "router.v3.Router", json!({})),
    ];
    let stock = stock.map(|(name, message, mut config)| {
        config["@type"] = format!("type.googleapis.com/envoy.extensions.filters.http.{message}").into();
        json!({"name": name, "typed_config": config})
    });
    ["AUTHN", "AUTHZ", "STATS", "UNSPECIFIED_PHASE"].into_iter().flat_map(phase).chain(stock).collect()
}
