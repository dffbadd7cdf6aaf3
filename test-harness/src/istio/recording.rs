//! What a real istiod sent to each gateway, recorded, in place of what is imitated here.
//!
//! A recording is a directory under `test-harness/recordings`: `recording.json` says of what it is one, and `<region>.json` is what the
//! Envoy there had received. A gateway that is started from it reads all of it from files instead of ADS, with these changes alone:
//! - Addresses: a listener's becomes a port of the loopback, an endpoint's that of a pod in the same zone.
//! - TLS is taken away, as in the imitation: the transport socket of a chain, and the choice of a chain by server name.
//! - What istio-agent does: the module becomes a file, and the variables that are meant for the agent go.
//! - Whose geo headers are believed is every operator's own, and taken from the manifests of the test.

use super::extensions::Module;
use super::localities::{Endpoint, Locality};
use super::manifests::Manifests;
use super::proxy::Proxy;
use crate::bootstrap::repository;
use crate::discovery::Discovered;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How to record, for whoever needs a new one.
pub const HOW: &str = "to record anew, see test-harness/recordings/README.md";

/// Of what a recording is one.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct About {
    /// The version of Istio.
    pub istio: String,
    /// The version of Envoy.
    pub envoy: String,
    /// The kustomization that was applied.
    pub manifests: String,
    /// [`Manifests::digest`] of it.
    pub sha256: String,
}

/// What one gateway received, each list sorted by name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct Received {
    /// By LDS.
    pub listeners: Vec<Value>,
    /// By RDS.
    pub routes: Vec<Value>,
    /// By CDS.
    pub clusters: Vec<Value>,
    /// By EDS.
    pub endpoints: Vec<Value>,
    /// By ECDS.
    pub filters: Vec<Value>,
}

/// What every gateway of a topology received.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Of what it is one.
    pub about: About,
    /// By region.
    pub gateways: BTreeMap<String, Received>,
}

impl Recording {
    /// Where the recording of this name is: `istio-<version>/<topology>`.
    pub fn directory(name: &str) -> PathBuf {
        repository().join("test-harness/recordings").join(name)
    }

    /// The recording of this name.
    ///
    /// # Errors
    /// If it cannot be read, or the manifests have changed since.
    pub fn read(name: &str) -> Result<Self> {
        let (mut about, mut gateways) = (None, BTreeMap::new());
        for entry in fs::read_dir(Self::directory(name)).with_context(|| format!("no recording {name}: {HOW}"))? {
            let file = entry?.path();
            let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let text = fs::read_to_string(&file)?;
            match stem {
                _ if file.extension().is_none_or(|extension| extension != "json") => {}
                "recording" => about = Some(serde_json::from_str::<About>(&text)?),
                region => drop(gateways.insert(region.to_owned(), serde_json::from_str(&text)?)),
            }
        }
        let about = about.with_context(|| format!("{name} has no recording.json"))?;
        let recording = Self { about, gateways };
        recording.is_of(&Manifests::kustomized(&recording.about.manifests)?).with_context(|| name.to_owned())?;
        Ok(recording)
    }

    /// Writes it where [`Recording::read`] finds it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str) -> Result<()> {
        let directory = Self::directory(name);
        fs::create_dir_all(&directory)?;
        let write = |file: &str, text: String| fs::write(directory.join(file), text + "\n");
        write("recording.json", serde_json::to_string_pretty(&self.about)?)?;
        for (region, received) in &self.gateways {
            write(&format!("{region}.json"), serde_json::to_string_pretty(received)?)?;
        }
        Ok(())
    }

    /// Whether it was made of these manifests.
    ///
    /// # Errors
    /// If it was not: then it shows nothing about them.
    pub fn is_of(&self, manifests: &Manifests) -> Result<()> {
        let (is, was) = (manifests.digest()?, &self.about.sha256);
        let from = &self.about.manifests;
        ensure!(
            is == *was,
            "{from} or istio/mesh-config.yaml has changed since it was recorded ({was}, now {is}): {HOW}"
        );
        Ok(())
    }

    /// A bootstrap with all that this gateway received, which Envoy reads from files in `directory`.
    ///
    /// # Errors
    /// If the recording has something that cannot be had here, or other pods than these.
    pub fn bootstrap(&self, proxy: &Proxy, parts: &Parts<'_>) -> Result<Value> {
        let region = &proxy.locality.region;
        let received = self.gateways.get(region).with_context(|| format!("nothing was recorded in {region}"))?;
        let files = Files { directory: parts.directory };
        let mut listeners = received.listeners.clone();
        for listener in &mut listeners {
            without_tls(listener)?;
            at_loopback(listener, proxy)?;
            for manager in managers(listener) {
                let name = text(&manager["rds"]["route_config_name"])?;
                let routes = named(&received.routes, "name", &name)?;
                files.in_place_of_ads(&mut manager["rds"]["config_source"], &routes)?;
                for filter in manager["http_filters"].as_array_mut().into_iter().flatten() {
                    let name = text(&filter["name"])?;
                    if let Some(discovery) = filter.get_mut("config_discovery") {
                        let filter = arrived(named(&received.filters, "name", &name)?, parts.module, parts.trust)?;
                        files.in_place_of_ads(&mut discovery["config_source"], &filter)?;
                    }
                }
            }
        }
        let pods = pods_by_address(&received.endpoints, parts.pods)?;
        let mut clusters = received.clusters.clone();
        for cluster in clusters.iter_mut().filter(|cluster| cluster["type"] == "EDS") {
            let source = &mut cluster["eds_cluster_config"];
            let mut endpoints = named(&received.endpoints, "cluster_name", &text(&source["service_name"])?)?;
            for (_, address) in addresses(&mut endpoints) {
                *address = socket(*pods.get(&address.to_string()).with_context(|| format!("no pod for {address}"))?);
            }
            files.in_place_of_ads(&mut source["eds_config"], &endpoints)?;
        }
        for resource in listeners.iter_mut().chain(&mut clusters).filter_map(Value::as_object_mut) {
            resource.remove("@type");
        }
        Ok(proxy.bootstrap(listeners, clusters))
    }
}

/// What a recording needs to come to life.
pub struct Parts<'a> {
    /// Where files may be written.
    pub directory: &'a Path,
    /// Who answers.
    pub pods: &'a [Endpoint],
    /// What istio-agent has got of the module.
    pub module: &'a Module,
    /// Whose geo headers are believed.
    pub trust: &'a Value,
}

struct Files<'a> {
    directory: &'a Path,
}

impl Files<'_> {
    /// One file for each resource: Envoy wants it alone.
    fn in_place_of_ads(&self, source: &mut Value, resource: &Value) -> Result<()> {
        let ads = source.as_object_mut().and_then(|source| source.remove("ads"));
        ensure!(ads.is_some(), "{source}: only ADS is replaced");
        let number = fs::read_dir(self.directory)?.count();
        let file = Discovered::in_file(self.directory.join(format!("received-{number}.json")));
        file.publish(std::slice::from_ref(resource))?;
        source["path_config_source"] = file.source()["path_config_source"].clone();
        Ok(())
    }
}

fn without_tls(listener: &mut Value) -> Result<()> {
    let chains = listener["filter_chains"].as_array_mut().context("no filter chains")?;
    ensure!(chains.len() == 1, "chains that only a server name tells apart");
    for chain in chains.iter_mut().filter_map(Value::as_object_mut) {
        chain.remove("transport_socket");
        chain.remove("filter_chain_match");
    }
    if let Some(inspectors) = listener["listener_filters"].as_array_mut() {
        inspectors.retain(|filter| filter["name"] != "envoy.filters.listener.tls_inspector");
    }
    Ok(())
}

fn at_loopback(listener: &mut Value, proxy: &Proxy) -> Result<()> {
    let port = &listener["address"]["socket_address"]["port_value"];
    let real = port.as_u64().and_then(|port| proxy.ports.get(&u16::try_from(port).ok()?));
    listener["address"] = socket(*real.with_context(|| format!("the gateway has no port {port}"))?);
    Ok(())
}

fn socket(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn managers(listener: &mut Value) -> impl Iterator<Item = &mut Value> {
    let chains = listener["filter_chains"].as_array_mut().into_iter().flatten();
    let filters = chains.filter_map(|chain| chain["filters"].as_array_mut()).flatten();
    filters.map(|filter| &mut filter["typed_config"]).filter(|manager| manager["rds"].is_object())
}

/// What istio-agent hands to Envoy.
fn arrived(mut filter: Value, module: &Module, trust: &Value) -> Result<Value> {
    let Module::Arrives(file) = module else { bail!("a module that cannot be had is not imitated with a recording") };
    let config = &mut filter["typed_config"]["config"];
    config["vm_config"]["code"] = json!({"local": {"filename": file}});
    let variables = config["vm_config"]["environment_variables"]["key_values"].as_object_mut();
    variables.context("no variables for the agent")?.retain(|name, _| !name.starts_with("ISTIO_META_WASM_"));
    let mut configuration: Value = serde_json::from_str(&text(&config["configuration"]["value"])?)?;
    configuration["clientLocation"]["trust"] = trust.clone();
    config["configuration"]["value"] = configuration.to_string().into();
    Ok(filter)
}

/// In each zone the first address is the first pod, and so on.
fn pods_by_address(endpoints: &[Value], pods: &[Endpoint]) -> Result<BTreeMap<String, u16>> {
    let mut recorded: BTreeMap<Locality, BTreeSet<String>> = BTreeMap::new();
    for (locality, address) in endpoints.to_vec().iter_mut().flat_map(addresses) {
        recorded.entry(locality).or_default().insert(address.to_string());
    }
    let mut out = BTreeMap::new();
    for (locality, addresses) in recorded {
        let here: Vec<_> = pods.iter().filter(|pod| pod.locality == locality).collect();
        ensure!(here.len() == addresses.len(), "{locality:?}: {} pods, recorded with {}", here.len(), addresses.len());
        out.extend(addresses.into_iter().zip(here).map(|(address, pod)| (address, pod.port)));
    }
    Ok(out)
}

/// Every address of a load assignment, and where it is.
fn addresses(assignment: &mut Value) -> Vec<(Locality, &mut Value)> {
    let mut out = Vec::new();
    for group in assignment["endpoints"].as_array_mut().into_iter().flatten() {
        let part = |name: &str| group["locality"][name].as_str().unwrap_or_default().to_owned();
        let locality = Locality::new(&part("region"), &part("zone"));
        let all = group["lb_endpoints"].as_array_mut().into_iter().flatten();
        out.extend(all.map(|endpoint| (locality.clone(), &mut endpoint["endpoint"]["address"])));
    }
    out
}

fn named(resources: &[Value], key: &str, name: &str) -> Result<Value> {
    let found = resources.iter().find(|resource| resource[key] == *name);
    Ok(found.with_context(|| format!("{name} was not recorded"))?.clone())
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no text"))?.to_owned())
}
