//! A gateway's pod: what Istio knows of it, and the bootstrap in which all that istiod would send it stands.

use super::api::{Labels, Metadata, Selector, TargetRef};
use super::kubernetes::{NAME_LABEL, SERVICE};
use super::localities::Locality;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A gateway's pod.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its namespace, and the name of its workload.
    pub metadata: Metadata,
    /// Its labels.
    pub labels: Labels,
    /// Its node's place: nothing else tells a gateway which region is its own.
    pub locality: Locality,
    /// On which port of the loopback each of its ports really listens. The Service in front of a gateway maps each port to the
    /// same one, as Istio's chart `gateway` and `istio/platform` have it.
    pub ports: BTreeMap<u16, u16>,
}

impl Proxy {
    /// The ingress gateway in this place, without ports.
    pub fn ingress_gateway(locality: Locality) -> Self {
        let metadata = Metadata { name: "istio-ingressgateway".into(), namespace: "istio-ingress".into() };
        let service = "istio-ingressgateway.istio-ingress.svc.cluster.local";
        let labels = [("istio", "ingressgateway"), (SERVICE, service)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { metadata, labels, locality, ports: BTreeMap::new() }
    }

    /// Whether a resource in `namespace` with this selector or these references is for this pod. Without any it is for its whole
    /// namespace, or for all if that is the root namespace.
    pub fn is_selected(&self, selector: Option<&Selector>, references: &[TargetRef], namespace: &str) -> bool {
        let own = namespace == self.metadata.namespace;
        let gateway = |it: &TargetRef| it.kind == "Gateway" && self.labels.get(NAME_LABEL) == Some(&it.name);
        match selector {
            _ if !references.is_empty() => own && references.iter().any(gateway),
            Some(selector) => (own || namespace == "istio-system") && self.has(&selector.match_labels),
            None => own || namespace == "istio-system",
        }
    }

    /// Whether it has all of these labels.
    pub fn has(&self, labels: &Labels) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }

    /// Whether what is exported so from `namespace` can be seen by this pod. Nothing said: by all.
    pub fn sees(&self, export_to: &[String], namespace: &str) -> bool {
        let to = |whom: &String| match whom.as_str() {
            "*" => true,
            "." => namespace == self.metadata.namespace,
            other => other == self.metadata.namespace,
        };
        export_to.is_empty() || export_to.iter().any(to)
    }

    /// The whole bootstrap.
    pub fn bootstrap(&self, listeners: Vec<Value>, clusters: Vec<Value>) -> Value {
        let Metadata { name, namespace } = &self.metadata;
        let mut locality = self.locality.to_json();
        locality["sub_zone"] = "".into();
        json!({
            "node": {
                "id": format!("router~127.0.0.1~{name}-0.{namespace}~{namespace}.svc.cluster.local"),
                "cluster": format!("{name}.{namespace}"),
                "locality": locality,
                "metadata": {
                    "NAMESPACE": namespace,
                    "WORKLOAD_NAME": name,
                    "CLUSTER_ID": self.locality.region,
                    "NETWORK": format!("net-{}", self.locality.region),
                    "MESH_ID": "greatcircle",
                    "ISTIO_VERSION": "1.32-dev",
                    "INSTANCE_IPS": "127.0.0.1",
                    "LABELS": self.labels,
                },
            },
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "static_resources": {"listeners": listeners, "clusters": clusters},
        })
    }
}

/// The name of a service as the whole mesh knows it: a short one belongs to the namespace of who names it.
pub fn full_name(host: &str, namespace: &str) -> String {
    match host.contains('.') || host == "*" {
        true => host.into(),
        false => format!("{host}.{namespace}.svc.cluster.local"),
    }
}

/// The name of a cluster that leads out of a gateway.
pub fn cluster_name(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}
