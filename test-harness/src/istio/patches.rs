//! EnvoyFilters: changes to routes and to the list of HTTP filters, after Istio has made them.
//!
//! Only those that the manifests use are imitated, the rest is refused.

use super::api::{ConfigPatch, EnvoyFilter, Resource};
use super::proxy::Proxy;
use anyhow::{Result, bail};
use serde_json::Value;

const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// Merges into the routes of a port what EnvoyFilters say.
///
/// # Errors
/// If one asks for something that is not imitated.
pub fn apply_to_routes(
    filters: &[Resource<EnvoyFilter>],
    proxy: &Proxy,
    port: u16,
    gateway: &str,
    routes: &mut Value,
) -> Result<()> {
    for change in patches(filters, proxy, "ROUTE_CONFIGURATION")? {
        let matched = change.r#match.route_configuration.as_ref().is_none_or(|wanted| {
            (wanted.name.is_empty() || routes["name"] == *wanted.name)
                && (wanted.port_number == 0 || wanted.port_number == port)
                && (wanted.gateway.is_empty() || wanted.gateway == gateway)
        });
        match change.patch.operation.as_str() {
            "MERGE" if matched => merge_message(routes, &change.patch.value),
            "MERGE" => {}
            other => bail!("{other} of a route configuration: Istio only knows MERGE"),
        }
    }
    Ok(())
}

/// Puts HTTP filters into the list of a port as EnvoyFilters say.
///
/// # Errors
/// If one asks for something that is not imitated.
pub fn apply_to_filters(
    filters: &[Resource<EnvoyFilter>],
    proxy: &Proxy,
    port: u16,
    http_filters: &mut Vec<Value>,
) -> Result<()> {
    for change in patches(filters, proxy, "HTTP_FILTER")? {
        let wanted = change.r#match.listener.as_ref();
        let matched = wanted.is_none_or(|wanted| {
            let filter = &wanted.filter_chain.filter.name;
            (wanted.port_number == 0 || wanted.port_number == port)
                && (filter.is_empty() || filter == CONNECTION_MANAGER)
        });
        let beside = wanted.and_then(|wanted| wanted.filter_chain.filter.sub_filter.as_ref());
        let beside = beside.map(|beside| http_filters.iter().position(|filter| filter["name"] == *beside.name));
        match (change.patch.operation.as_str(), beside) {
            _ if !matched => {}
            ("INSERT_FIRST", _) | ("INSERT_BEFORE", None) => http_filters.insert(0, change.patch.value.clone()),
            ("INSERT_BEFORE", Some(Some(place))) => http_filters.insert(place, change.patch.value.clone()),
            // What is not there changes nothing.
            ("INSERT_BEFORE", Some(None)) => {}
            (other, _) => bail!("{other} of an HTTP filter is not imitated"),
        }
    }
    Ok(())
}

fn patches<'a>(filters: &'a [Resource<EnvoyFilter>], proxy: &Proxy, to: &str) -> Result<Vec<&'a ConfigPatch>> {
    let mut out = Vec::new();
    for filter in filters {
        let (selector, references) = (filter.spec.workload_selector.as_ref(), &filter.spec.target_refs);
        if !proxy.is_selected(selector, references, &filter.metadata.namespace) {
            continue;
        }
        for change in &filter.spec.config_patches {
            match change.apply_to.as_str() {
                "ROUTE_CONFIGURATION" | "HTTP_FILTER" => {}
                other => bail!("{}: a patch of {other} is not imitated", filter.metadata.name),
            }
            if change.apply_to == to && matches!(change.r#match.context.as_str(), "" | "ANY" | "GATEWAY") {
                out.push(change);
            }
        }
    }
    Ok(out)
}

/// As Protocol Buffers merge: messages field by field, lists one after the other, anything else replaces.
fn merge_message(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge_message(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from.iter().cloned()),
        (into, from) => *into = from.clone(),
    }
}
