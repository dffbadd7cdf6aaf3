//! Services and DestinationRules, as Envoy's clusters: one for each port, and one for each subset of it.
//!
//! Istio gives a gateway every service that it can see.

use super::api::{DestinationRule, Labels, Metadata, Resource, ServiceEntry, Subset, TrafficPolicy};
use super::kubernetes;
use super::localities::{Endpoint, Locality, assigned};
use super::manifests::Manifests;
use super::policy::{self, HTTP_OPTIONS};
use super::proxy::{Proxy, cluster_name, full_name};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A service as istiod knows it, from Kubernetes or from a ServiceEntry.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its full name.
    pub host: String,
    /// Its namespace.
    pub namespace: String,
    /// One of its ports, and what it speaks there (`http`, `http2` …).
    pub port: (u16, String),
    /// Who answers on that port.
    pub endpoints: Vec<Endpoint>,
}

/// Every cluster that this gateway gets.
///
/// # Errors
/// If a manifest says something that is not imitated.
pub fn clusters(services: &[Service], manifests: &Manifests, proxy: &Proxy) -> Result<Vec<Value>> {
    let rules = manifests.destination_rules()?;
    let clusters = services.iter().map(|service| of_service(service, rule_for(service, &rules, proxy)?, proxy));
    Ok(clusters.collect::<Result<Vec<_>>>()?.concat())
}

/// Services of Kubernetes that stand in manifests, one for each port: who of `pods` answers there says their selector.
///
/// # Errors
/// If one says something that is not imitated.
pub fn from_kubernetes(manifests: &Manifests, pods: &[Endpoint]) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    for service in manifests.all::<kubernetes::Service>("Service", "")? {
        let Metadata { name, namespace } = &service.metadata;
        services.extend(service.spec.ports.iter().map(|port| Service {
            host: full_name(name, namespace),
            namespace: namespace.clone(),
            port: (port.port, port.name.split('-').next().unwrap_or_default().into()),
            endpoints: pods.iter().filter(|pod| pod.has(&service.spec.selector)).cloned().collect(),
        }));
    }
    Ok(services)
}

/// ServiceEntries as services, one for each port. `loopback` says what really listens at an address and port of theirs.
///
/// # Errors
/// If one says something that is not imitated, or leads somewhere that `loopback` does not know.
pub fn from_entries(manifests: &Manifests, proxy: &Proxy, loopback: &BTreeMap<String, u16>) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    for entry in manifests.service_entries()?.iter().filter(|entry| sees(proxy, entry)) {
        ensure!(
            matches!(entry.spec.resolution.as_str(), "STATIC" | "DNS"),
            "{}: the resolution {} is not imitated",
            entry.metadata.name,
            entry.spec.resolution
        );
        for port in &entry.spec.ports {
            let endpoint = |at: &super::api::WorkloadEntry| -> Result<Endpoint> {
                let number = at.ports.get(&port.name).copied().or(port.target_port).unwrap_or(port.number);
                let address = format!("{}:{number}", at.address);
                let real = *loopback.get(&address).with_context(|| format!("nobody listens for {address}"))?;
                Ok(Endpoint::new(real, Locality::parse(&at.locality), at.labels.clone()))
            };
            let endpoints: Vec<_> = entry.spec.endpoints.iter().map(endpoint).collect::<Result<_>>()?;
            services.extend(entry.spec.hosts.iter().map(|host| Service {
                host: host.clone(),
                namespace: entry.metadata.namespace.clone(),
                port: (port.number, port.protocol.to_lowercase()),
                endpoints: endpoints.clone(),
            }));
        }
    }
    Ok(services)
}

fn sees(proxy: &Proxy, entry: &Resource<ServiceEntry>) -> bool {
    proxy.sees(&entry.spec.export_to, &entry.metadata.namespace)
}

/// The rule that counts: one in the gateway's own namespace, then one in the service's.
fn rule_for<'a>(
    service: &Service,
    rules: &'a [Resource<DestinationRule>],
    proxy: &Proxy,
) -> Result<Option<&'a DestinationRule>> {
    for namespace in [&proxy.metadata.namespace, &service.namespace] {
        let mut here = rules.iter().filter(|rule| {
            rule.metadata.namespace == *namespace
                && proxy.sees(&rule.spec.export_to, namespace)
                && full_name(&rule.spec.host, namespace) == service.host
        });
        let rule = here.next();
        ensure!(here.next().is_none(), "several DestinationRules for {}: merging them is not imitated", service.host);
        if let Some(rule) = rule {
            return Ok(Some(&rule.spec));
        }
    }
    Ok(None)
}

fn of_service(service: &Service, rule: Option<&DestinationRule>, proxy: &Proxy) -> Result<Vec<Value>> {
    let default = DestinationRule::default();
    let rule = rule.unwrap_or(&default);
    let whole = one(service, "", &Labels::new(), &rule.traffic_policy, proxy);
    let subset = |subset: &Subset| {
        let policy = policy::merged(&rule.traffic_policy, &subset.traffic_policy);
        one(service, &subset.name, &subset.labels, &policy, proxy)
    };
    std::iter::once(whole).chain(rule.subsets.iter().map(subset)).collect()
}

fn one(service: &Service, subset: &str, labels: &Labels, policy: &TrafficPolicy, proxy: &Proxy) -> Result<Value> {
    let (port, protocol) = &service.port;
    let name = cluster_name(*port, subset, &service.host);
    let endpoints: Vec<_> = service.endpoints.iter().filter(|endpoint| endpoint.has(labels)).cloned().collect();
    let setting = policy.load_balancer.as_ref().and_then(|it| it.locality_lb_setting.as_ref());
    let enabled = setting.and_then(|it| it.enabled).unwrap_or(true);
    // Istio only fails over where outlier detection can tell that there is a reason to.
    let failover = setting.map_or(&[][..], |it| &it.failover);
    let failover = (enabled && policy.outlier_detection.is_some()).then_some(failover);
    let speaks = match protocol.as_str() {
        "http" => json!({"http_protocol_options": {}}),
        "http2" | "grpc" => json!({"http2_protocol_options": {}}),
        other => bail!("{}: the protocol {other} is not imitated", service.host),
    };
    let mut cluster = json!({
        "name": name,
        // What statistics and access logs call it: the mark ends the name for the rules that make labels.
        "alt_stat_name": format!("{name};"),
        "type": "STATIC", // EDS in Istio; the assignment is the same
        "connect_timeout": "10s",
        "common_lb_config": {},
        "load_assignment": {"cluster_name": name, "endpoints": assigned(&endpoints, &proxy.locality, failover)},
        "circuit_breakers": {"thresholds": [{
            "max_connections": u32::MAX, "max_pending_requests": u32::MAX, "max_requests": u32::MAX, "max_retries": u32::MAX,
        }]},
        "typed_extension_protocol_options": {HTTP_OPTIONS: {
            "@type": format!("type.googleapis.com/{HTTP_OPTIONS}"),
            "explicit_http_config": speaks,
        }},
    });
    policy::apply(policy, &mut cluster)?;
    Ok(cluster)
}
