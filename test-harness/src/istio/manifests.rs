//! The manifests: read from YAML, whether one file or a whole kustomization, and handed out by kind.
//!
//! Documents stay as they are written until somebody asks for them, so that a test can take one away or change it, as an
//! operator would.

use super::api::{
    DestinationRule, EnvoyFilter, Gateway, Resource, ServiceEntry, TrafficExtension, VirtualService, WasmPlugin,
};
use crate::bootstrap::repository;
use crate::patch::merge;
use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// Kinds that change nothing here: see the module's list of what is left out.
const LEFT_OUT: [&str; 4] = ["AuthorizationPolicy", "Namespace", "PeerAuthentication", "ProxyConfig"];

/// Kinds that are imitated, with the group that they belong to.
const IMITATED: [(&str, &str); 11] = [
    ("DestinationRule", "networking.istio.io"),
    ("EnvoyFilter", "networking.istio.io"),
    ("Gateway", "networking.istio.io"),
    ("Gateway", "gateway.networking.k8s.io"),
    ("HTTPRoute", "gateway.networking.k8s.io"),
    ("Service", ""),
    ("ServiceEntry", "networking.istio.io"),
    ("Telemetry", "telemetry.istio.io"),
    ("TrafficExtension", "extensions.istio.io"),
    ("VirtualService", "networking.istio.io"),
    ("WasmPlugin", "extensions.istio.io"),
];

/// Manifests, in the order in which they were written.
#[derive(Clone, Debug)]
pub struct Manifests {
    documents: Vec<Value>,
}

impl Manifests {
    /// What `kubectl apply --kustomize` would apply. The directory counts from the root of the repository.
    ///
    /// # Errors
    /// If it cannot be rendered, or there is a kind in it of which this module knows nothing.
    pub fn kustomized(directory: &str) -> Result<Self> {
        let rendered = rendered(&repository().join(directory));
        rendered.and_then(|text| Self::from_yaml(&text)).with_context(|| directory.to_owned())
    }

    /// The documents of a YAML stream.
    ///
    /// # Errors
    /// If it is no YAML, or there is a kind in it of which this module knows nothing.
    pub fn from_yaml(text: &str) -> Result<Self> {
        let documents = documents(text)?;
        for document in &documents {
            let (kind, group) = (kind(document), group(document));
            if !LEFT_OUT.contains(&kind) && !IMITATED.contains(&(kind, group)) {
                bail!("{kind} of {group:?} is neither imitated nor on the list of what is left out");
            }
        }
        Ok(Self { documents })
    }

    /// A SHA-256 digest of what is applied: these resources, whatever their files look like, and the mesh's own configuration.
    ///
    /// # Errors
    /// If `istio/mesh-config.yaml` cannot be read.
    pub fn digest(&self) -> Result<String> {
        // Tools render them in different orders.
        let mut documents: Vec<_> = self.documents.iter().map(Value::to_string).collect();
        documents.sort();
        let said = serde_json::to_vec(&(documents, mesh_config()?))?;
        Ok(Sha256::digest(said).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The resources, as JSON.
    pub fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// Whether there is a resource of this kind.
    pub fn has(&self, wanted: &str) -> bool {
        self.documents.iter().any(|document| kind(document) == wanted)
    }

    /// Without the resources of this kind.
    ///
    /// # Panics
    /// If there is none: a test that takes nothing away shows nothing.
    #[track_caller]
    #[must_use]
    pub fn without(mut self, unwanted: &str) -> Self {
        let before = self.documents.len();
        self.documents.retain(|document| kind(document) != unwanted);
        assert_ne!(before, self.documents.len(), "no {unwanted} to take away");
        self
    }

    /// Merges `patch` into the resource of this kind and name, as `kubectl patch --type merge` does.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn patched(mut self, of: &str, name: &str, patch: &Value) -> Self {
        let mut all = self.documents.iter_mut();
        let found = all.find(|document| kind(document) == of && document["metadata"]["name"] == name);
        merge(found.unwrap_or_else(|| panic!("no {of} {name}")), patch);
        self
    }

    /// Gateways of Istio's own API.
    ///
    /// # Errors
    /// If one has a field that is not imitated.
    pub fn gateways(&self) -> Result<Vec<Resource<Gateway>>> {
        self.all("Gateway", "networking.istio.io")
    }

    /// VirtualServices.
    ///
    /// # Errors
    /// If one has a field that is not imitated.
    pub fn virtual_services(&self) -> Result<Vec<Resource<VirtualService>>> {
        self.all("VirtualService", "networking.istio.io")
    }

    /// DestinationRules.
    ///
    /// # Errors
    /// If one has a field that is not imitated.
    pub fn destination_rules(&self) -> Result<Vec<Resource<DestinationRule>>> {
        self.all("DestinationRule", "networking.istio.io")
    }

    /// ServiceEntries.
    ///
    /// # Errors
    /// If one has a field that is not imitated.
    pub fn service_entries(&self) -> Result<Vec<Resource<ServiceEntry>>> {
        self.all("ServiceEntry", "networking.istio.io")
    }

    /// WasmPlugins.
    ///
    /// # Errors
    /// If one has a field that is not imitated.
    pub fn wasm_plugins(&self) -> Result<Vec<Resource<WasmPlugin>>> {
        self.all("WasmPlugin", "extensions.istio.io")
    }

    /// TrafficExtensions.
    ///
    /// # Errors
    /// If one has a field that is not imitated.
    pub fn traffic_extensions(&self) -> Result<Vec<Resource<TrafficExtension>>> {
        self.all("TrafficExtension", "extensions.istio.io")
    }

    /// EnvoyFilters.
    ///
    /// # Errors
    /// If one has a field that is not imitated.
    pub fn envoy_filters(&self) -> Result<Vec<Resource<EnvoyFilter>>> {
        self.all("EnvoyFilter", "networking.istio.io")
    }

    /// All of a kind and a group.
    pub(super) fn all<Spec: DeserializeOwned>(&self, of: &str, in_group: &str) -> Result<Vec<Resource<Spec>>> {
        let wanted = self.documents.iter().filter(|document| kind(document) == of && group(document) == in_group);
        let read = |document: &Value| {
            let name = || format!("{of} {}", document["metadata"]["name"]);
            serde_json::from_value(document.clone()).with_context(name)
        };
        wanted.map(read).collect()
    }
}

/// What `istioctl install` is told of the mesh: `meshConfig` in `istio/mesh-config.yaml`.
///
/// # Errors
/// If it cannot be read.
pub fn mesh_config() -> Result<Value> {
    let operator: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(repository().join("istio/mesh-config.yaml"))?)?;
    Ok(operator["spec"]["meshConfig"].clone())
}

/// The documents of a YAML stream, without the empty ones.
///
/// # Errors
/// If it is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

/// What a kustomization comes to, by `$KUSTOMIZE`, kustomize or kubectl. Where there is none, one that only lists files is read all
/// the same.
///
/// # Errors
/// If it cannot be rendered.
pub fn rendered(directory: &Path) -> Result<String> {
    let ours = std::env::var_os("KUSTOMIZE").unwrap_or_else(|| "kustomize".into());
    for (program, verb) in [(ours.as_os_str(), "build"), ("kubectl".as_ref(), "kustomize")] {
        match Command::new(program).arg(verb).arg(directory).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{}", program.display())),
            Ok(output) => {
                ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                return Ok(String::from_utf8(output.stdout)?);
            }
        }
    }
    let list: Value = serde_saphyr::from_str(&std::fs::read_to_string(directory.join("kustomization.yaml"))?)?;
    let only_files = list
        .as_object()
        .is_some_and(|list| list.keys().all(|key| matches!(key.as_str(), "apiVersion" | "kind" | "resources")));
    ensure!(only_files, "there is neither kustomize nor kubectl to render it with: put one on PATH, or set $KUSTOMIZE");
    let files = list["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let texts = files.map(|file| std::fs::read_to_string(directory.join(file)).with_context(|| file.to_owned()));
    Ok(texts.collect::<Result<Vec<_>>>()?.join("\n---\n"))
}

fn kind(document: &Value) -> &str {
    document["kind"].as_str().unwrap_or_default()
}

/// Versions do not matter here: of each kind all have the same fields.
fn group(document: &Value) -> &str {
    let version = document["apiVersion"].as_str().unwrap_or_default();
    version.rsplit_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_imitated_is_refused() {
        let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: ";
        for (yaml, expected) in [
            ("kind: Sidecar\napiVersion: networking.istio.io/v1", "Sidecar of \"networking.istio.io\" is neither"),
            (&format!("{gateway}{{servers: [{{hosts: [a], tls: {{mode: SIMPLE, crl: x}}}}]}}"), "unknown field `crl`"),
        ] {
            let read = Manifests::from_yaml(yaml).and_then(|manifests| manifests.gateways());
            let error = format!("{:#}", read.unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
