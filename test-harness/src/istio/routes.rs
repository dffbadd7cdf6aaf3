//! VirtualServices, as Envoy's routes: one virtual host for each host that a Gateway and a VirtualService both name.
//!
//! A destination that does not exist is no error, neither here nor in Istio: such a route answers 503.

use super::api::{
    HeaderOperations, HttpMatch, HttpRoute, Labels, Metadata, Resource, StringMatch, VirtualService,
    WeightedDestination,
};
use super::listeners::BoundServer;
use super::policy::seconds;
use super::proxy::{Proxy, cluster_name, full_name};
use super::retries::retry_policy;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The route configuration of these servers, which share a port.
///
/// # Errors
/// If a VirtualService says something that is not imitated.
pub fn route_configuration(
    name: &str,
    servers: &[&BoundServer],
    services: &[Resource<VirtualService>],
    proxy: &Proxy,
) -> Result<Value> {
    let mut hosts: BTreeMap<String, Value> = BTreeMap::new();
    for bound in servers {
        let port = bound.server.port.number;
        let redirect = bound.server.tls.as_ref().is_some_and(|tls| tls.https_redirect);
        for service in services.iter().filter(|service| is_bound(service, bound, proxy)) {
            let routes = routes(service, port, bound)?;
            for host in common_hosts(&bound.server.hosts, service) {
                let host = hosts.entry(host.clone()).or_insert_with(|| virtual_host(&host, port));
                host["routes"].as_array_mut().context("no routes")?.extend(routes.iter().cloned());
                if redirect {
                    host["require_tls"] = "ALL".into();
                }
            }
        }
        if redirect {
            for host in bound.server.hosts.iter().map(|host| without_namespace(host)) {
                let host = hosts.entry(host.into()).or_insert_with(|| virtual_host(host, port));
                host["require_tls"] = "ALL".into();
            }
        }
    }
    let port = servers.first().map_or(0, |bound| bound.server.port.number);
    let nobody = || json!({"name": format!("blackhole:{port}"), "domains": ["*"], "routes": []});
    let hosts = if hosts.is_empty() { vec![nobody()] } else { hosts.into_values().map(catch_all_last).collect() };
    Ok(json!({
        "name": name,
        "virtual_hosts": hosts,
        "validate_clusters": false,
        "ignore_port_in_host_matching": true,
        "max_direct_response_body_size_bytes": 1_048_576,
    }))
}

fn virtual_host(host: &str, port: u16) -> Value {
    json!({"name": format!("{host}:{port}"), "domains": [host], "routes": [], "include_request_attempt_count": true})
}

/// Istio keeps the order but for routes that take everything, which go last.
fn catch_all_last(mut host: Value) -> Value {
    if let Some(routes) = host["routes"].as_array_mut() {
        routes.sort_by_key(|route| route["match"] == json!({"prefix": "/"}));
    }
    host
}

fn is_bound(service: &Resource<VirtualService>, bound: &BoundServer, proxy: &Proxy) -> bool {
    let own = &service.metadata.namespace;
    let gateway = |name: &String| match name.split_once('/') {
        Some((namespace, name)) => (namespace, name) == bound.gateway(),
        None => (own.as_str(), name.as_str()) == bound.gateway(),
    };
    service.spec.gateways.iter().any(gateway) && proxy.sees(&service.spec.export_to, own)
}

/// A Gateway may say which namespace's VirtualServices it means.
fn without_namespace(host: &str) -> &str {
    host.split_once('/').map_or(host, |(_, host)| host)
}

fn common_hosts(gateway: &[String], service: &Resource<VirtualService>) -> Vec<String> {
    let namespace = |host: &&String| match host.split_once('/') {
        Some((namespace, _)) => namespace == "*" || namespace == service.metadata.namespace,
        None => true,
    };
    let gateway: Vec<_> = gateway.iter().filter(namespace).map(|host| without_namespace(host)).collect();
    let narrower = |host: &str, other: &str| {
        host == other || other == "*" || other.strip_prefix('*').is_some_and(|end| host.ends_with(end))
    };
    let both = |host: &String| {
        let narrowest = |other: &&str| match narrower(host, other) {
            true => Some(host.clone()),
            false => narrower(other, host).then(|| (*other).to_owned()),
        };
        gateway.iter().filter_map(narrowest).collect::<Vec<_>>()
    };
    service.spec.hosts.iter().flat_map(both).map(|host| host.to_lowercase()).collect()
}

fn routes(service: &Resource<VirtualService>, port: u16, bound: &BoundServer) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    for rule in &service.spec.http {
        let everything = [HttpMatch::default()];
        let matches = if rule.r#match.is_empty() { &everything[..] } else { &rule.r#match };
        let (gateway_namespace, gateway_name) = bound.gateway();
        for when in matches {
            let this = |name: &String| *name == format!("{gateway_namespace}/{gateway_name}") || name == gateway_name;
            if when.port.is_some_and(|wanted| wanted != port)
                || !when.gateways.is_empty() && !when.gateways.iter().any(this)
            {
                continue;
            }
            out.push(route(rule, when, &service.metadata, port)?);
        }
    }
    Ok(out)
}

fn route(rule: &HttpRoute, when: &HttpMatch, of: &Metadata, listener_port: u16) -> Result<Value> {
    let Metadata { name: virtual_service, namespace } = of;
    let name = if when.name.is_empty() { rule.name.clone() } else { format!("{}.{}", rule.name, when.name) };
    let timeout = seconds(rule.timeout.as_deref())?.unwrap_or_else(|| "0s".into());
    let mut action = json!({"timeout": timeout, "max_grpc_timeout": timeout});
    if let Some(policy) = retry_policy(rule.retries.as_ref())? {
        action["retry_policy"] = policy;
    }
    let cluster = |to: &WeightedDestination| {
        let to = &to.destination;
        let port = to.port.as_ref().map_or(listener_port, |port| port.number);
        cluster_name(port, &to.subset, &full_name(&to.host, namespace))
    };
    let mut headers: Vec<_> = rule.headers.iter().collect();
    let operation = match rule.route.as_slice() {
        [] => bail!("the route {name} leads nowhere: redirects and direct responses are not imitated"),
        [only] => {
            headers.extend(&only.headers);
            action["cluster"] = cluster(only).into();
            let to = &only.destination;
            let port = to.port.as_ref().map_or(listener_port, |port| port.number);
            format!("{}:{port}", full_name(&to.host, namespace))
        }
        several => {
            let weighted = several.iter().filter(|to| to.weight != Some(0));
            let weighted = weighted.map(|to| match to.headers {
                Some(_) => bail!("headers of one of several destinations are not imitated"),
                None => Ok(json!({"name": cluster(to), "weight": to.weight.unwrap_or(1)})),
            });
            action["weighted_clusters"] = json!({"clusters": weighted.collect::<Result<Vec<_>>>()?});
            format!("{virtual_service}:{listener_port}")
        }
    };
    let matched = matcher(when)?;
    let path = match &matched {
        it if it["prefix"].is_string() => format!("{}*", it["prefix"].as_str().unwrap_or_default()),
        it => it["path"].as_str().or(it["safe_regex"]["regex"].as_str()).unwrap_or_default().to_owned(),
    };
    let mut route =
        json!({"name": name, "match": matched, "route": action, "decorator": {"operation": operation + &path}});
    for headers in headers {
        for (operations, add, remove) in [
            (&headers.request, "request_headers_to_add", "request_headers_to_remove"),
            (&headers.response, "response_headers_to_add", "response_headers_to_remove"),
        ] {
            append(&mut route, add, added(operations));
            append(&mut route, remove, operations.remove.iter().map(|name| json!(name)).collect());
        }
    }
    Ok(route)
}

fn append(route: &mut Value, to: &str, more: Vec<Value>) {
    let mut all = route[to].as_array().cloned().unwrap_or_default();
    all.extend(more);
    route[to] = all.into();
}

fn added(operations: &HeaderOperations) -> Vec<Value> {
    let each = |headers: &Labels, action: &str| -> Vec<Value> {
        let one = |(key, value)| json!({"header": {"key": key, "value": value}, "append_action": action});
        headers.iter().map(one).collect()
    };
    [each(&operations.set, "OVERWRITE_IF_EXISTS_OR_ADD"), each(&operations.add, "APPEND_IF_EXISTS_OR_ADD")].concat()
}

fn matcher(when: &HttpMatch) -> Result<Value> {
    let mut out = json!({"prefix": "/"});
    if let Some(uri) = &when.uri {
        out = match uri {
            StringMatch { exact: Some(exact), .. } => json!({"path": exact}),
            StringMatch { prefix: Some(prefix), .. } => json!({"prefix": prefix}),
            StringMatch { regex: Some(regex), .. } => json!({"safe_regex": {"regex": regex}}),
            _ => bail!("a uri to match without a value"),
        };
    }
    let with = when.headers.iter().map(|(name, value)| header(name, value));
    let without = when.without_headers.iter().map(|(name, value)| {
        let mut matcher = header(name, value);
        matcher["invert_match"] = true.into();
        if matcher["present_match"].is_null() {
            matcher["treat_missing_header_as_empty"] = true.into();
        }
        matcher
    });
    let headers: Vec<_> = with.chain(without).collect();
    if !headers.is_empty() {
        out["headers"] = headers.into();
    }
    Ok(out)
}

fn header(name: &str, value: &StringMatch) -> Value {
    let compared = match value {
        StringMatch { exact: Some(exact), .. } => json!({"exact": exact}),
        StringMatch { prefix: Some(prefix), .. } => json!({"prefix": prefix}),
        StringMatch { regex: Some(regex), .. } if regex != "*" => json!({"safe_regex": {"regex": regex}}),
        _ => return json!({"name": name, "present_match": true}),
    };
    json!({"name": name, "string_match": compared})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_serves_the_hosts_that_it_has_in_common_with_a_service() {
        for (gateway, service, expected) in [
            ("shop.example.com", "shop.example.com", Some("shop.example.com")),
            ("*", "Shop.example.com", Some("shop.example.com")),
            ("*.example.com", "shop.example.com", Some("shop.example.com")),
            ("shop.example.com", "*", Some("shop.example.com")),
            ("shop/*.example.com", "shop.example.com", Some("shop.example.com")),
            ("other/*.example.com", "shop.example.com", None),
            ("*.example.org", "shop.example.com", None),
        ] {
            let spec = VirtualService { hosts: vec![service.into()], ..VirtualService::default() };
            let service = Resource { metadata: Metadata { name: "a".into(), namespace: "shop".into() }, spec };
            let hosts = common_hosts(&[gateway.into()], &service);
            assert_eq!(hosts.first().map(String::as_str), expected, "{gateway}");
        }
    }

    #[test]
    fn what_takes_everything_goes_last_and_the_rest_keeps_its_order() {
        let route = |name: &str, matched: Value| json!({"name": name, "match": matched});
        let by_header = json!({"prefix": "/", "headers": [{"name": "x"}]});
        let routes = [route("a", by_header.clone()), route("all", json!({"prefix": "/"})), route("b", by_header)];
        let sorted = catch_all_last(json!({"routes": routes}));
        let names: Vec<_> = sorted["routes"].as_array().unwrap().iter().map(|route| route["name"].clone()).collect();
        assert_eq!(names, ["a", "b", "all"]);
    }
}
