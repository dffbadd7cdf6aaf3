//! What real gateways had received from a real istiod for an example, recorded.
//!
//! A recording is a directory under `test-harness/recordings`: `recording.json` says of what it is one, and `<region>.json` is what the
//! Envoy there had, as its admin interface tells it. `test-harness/recordings/README.md` says how to take one.

use super::{chart, manifests};
use crate::bootstrap::repository;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// How to record, for whoever needs a new one.
const HOW: &str = "to record anew, see test-harness/recordings/README.md";

/// What of a node's metadata tells where a gateway is. The rest is about its proxy.
const METADATA: [&str; 7] =
    ["CLUSTER_ID", "ISTIO_VERSION", "LABELS", "MESH_ID", "NAMESPACE", "NETWORK", "WORKLOAD_NAME"];

/// Of what a recording is one.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct About {
    /// The version of Istio.
    pub istio: String,
    /// The version of Envoy.
    pub envoy: String,
    /// The example that was applied.
    pub example: String,
    /// [`manifests::digest`] of it.
    pub sha256: String,
}

/// What one gateway had, each list sorted by name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct Received {
    /// Who it is, to istiod and to the filter: from its bootstrap, which istio-agent writes.
    pub node: Value,
    /// How labels are taken out of names of stats: from its bootstrap as well.
    pub stats_tags: Vec<Value>,
    /// By LDS.
    pub listeners: Vec<Value>,
    /// By RDS.
    pub routes: Vec<Value>,
    /// By CDS.
    pub clusters: Vec<Value>,
    /// By EDS.
    pub endpoints: Vec<Value>,
    /// By ECDS, as istio-agent hands them on.
    pub filters: Vec<Value>,
}

/// What every gateway of a mesh had.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Of what it is one.
    pub about: About,
    /// By region.
    pub gateways: BTreeMap<String, Received>,
}

impl Recording {
    /// Where the recording of an example is.
    pub fn directory(example: &str) -> PathBuf {
        repository().join("test-harness/recordings").join(example)
    }

    /// The recording of an example.
    ///
    /// # Errors
    /// If it cannot be read, or the manifests have changed since.
    pub fn read(example: &str) -> Result<Self> {
        let directory = Self::directory(example);
        let text = |file: PathBuf| fs::read_to_string(&file).with_context(|| format!("{}: {HOW}", file.display()));
        let about: About = serde_json::from_str(&text(directory.join("recording.json"))?)?;
        let mut gateways = BTreeMap::new();
        for entry in fs::read_dir(&directory)? {
            let file = entry?.path();
            let region = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            if region != "recording" && file.extension().is_some_and(|extension| extension == "json") {
                let received = serde_json::from_str(&text(file)?).with_context(|| format!("{example}/{region}"))?;
                gateways.insert(region, received);
            }
        }
        let recording = Self { about, gateways };
        recording.is_of(&manifests::of_example(example)?)?;
        Ok(recording)
    }

    /// Writes it where [`Recording::read`] finds it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self) -> Result<()> {
        let directory = Self::directory(&self.about.example);
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
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
    pub fn is_of(&self, manifests: &[Value]) -> Result<()> {
        let (is, was, example) = (manifests::digest(manifests), &self.about.sha256, &self.about.example);
        ensure!(is == *was, "istio/examples/{example} has changed since it was recorded ({was}, now {is}): {HOW}");
        Ok(())
    }

    /// What the gateways of a mesh have, to which an example has been applied: the region of each, and where its Envoy's admin interface is.
    ///
    /// # Errors
    /// If one cannot be asked, still waits for something, or refuses what it gets.
    pub fn of_gateways(example: &str, gateways: &[(String, String)]) -> Result<Self> {
        let applied = manifests::of_example(example)?;
        let sha256 = manifests::digest(&applied);
        ensure!(chart::EXAMPLES.contains(&example), "{example} is none of {:?}", chart::EXAMPLES);
        let (mut received, mut istio, mut envoy) = (BTreeMap::new(), String::new(), String::new());
        for (region, admin) in gateways {
            let ask = |path: &str| -> Result<String> {
                Ok(reqwest::blocking::get(format!("{admin}{path}")).and_then(|it| it.error_for_status())?.text()?)
            };
            let stats = ask("/stats?filter=update_rejected")?;
            let refused: Vec<_> = stats.lines().filter(|line| !line.ends_with(": 0")).collect();
            ensure!(refused.is_empty(), "the gateway of {region} has refused something: {refused:?}");
            let dump: Value = serde_json::from_str(&ask("/config_dump?include_eds")?)?;
            let mut one = Received::of(&dump)?;
            one.keep_hosts_of(&applied);
            istio = text(&one.node["metadata"]["ISTIO_VERSION"])?;
            let information: Value = serde_json::from_str(&ask("/server_info")?)?;
            envoy = text(&information["version"])?.split('/').nth(1).context("no version of Envoy")?.to_owned();
            received.insert(region.clone(), one);
        }
        Ok(Self { about: About { istio, envoy, example: example.into(), sha256 }, gateways: received })
    }
}

impl Received {
    /// Out of what Envoy says of its configuration: what came by discovery, and who it is.
    fn of(dump: &Value) -> Result<Self> {
        let list = |of: &str, list: &str, what: &[&str]| {
            let resources = configs(dump, of).flat_map(|config| config[list].as_array().into_iter().flatten());
            let mut out: Vec<_> = resources.map(|it| what.iter().fold(it, |it, key| &it[*key])).cloned().collect();
            out.sort_by_key(|resource| (resource["name"].to_string(), resource["cluster_name"].to_string()));
            out
        };
        let waiting = list(".ClustersConfigDump", "dynamic_warming_clusters", &["cluster", "name"]);
        ensure!(waiting.is_empty(), "still waiting for {waiting:?}");
        let bootstrap = configs(dump, ".BootstrapConfigDump").next().context("no bootstrap")?;
        let (node, tags) = (&bootstrap["bootstrap"]["node"], &bootstrap["bootstrap"]["stats_config"]["stats_tags"]);
        let metadata = METADATA.map(|key| (key.to_owned(), node["metadata"][key].clone()));
        let clusters = list(".ClustersConfigDump", "dynamic_active_clusters", &["cluster"]);
        let mut endpoints = list(".EndpointsConfigDump", "dynamic_endpoint_configs", &["endpoint_config"]);
        // Envoy tells those of other clusters as well.
        let discovered = |name: &Value| clusters.iter().any(|it| it["name"] == *name && it["type"] == "EDS");
        endpoints.retain(|assignment| discovered(&assignment["cluster_name"]));
        let listeners = list(".ListenersConfigDump", "dynamic_listeners", &["active_state", "listener"]);
        // Of those that no listener names any more Envoy tells as well.
        let names = named_in(&listeners);
        let named = |resources: Vec<Value>| -> Vec<Value> {
            resources.into_iter().filter(|it| it["name"].as_str().is_some_and(|name| names.contains(name))).collect()
        };
        Ok(Self {
            node: json!({
                "id": node["id"],
                "cluster": node["cluster"],
                "locality": node["locality"],
                "metadata": metadata.into_iter().collect::<serde_json::Map<_, _>>(),
            }),
            stats_tags: tags.as_array().cloned().unwrap_or_default(),
            listeners,
            routes: named(list(".RoutesConfigDump", "dynamic_route_configs", &["route_config"])),
            filters: named(list(".EcdsConfigDump", "ecds_filters", &["ecds_filter"])),
            clusters,
            endpoints,
        })
    }
}

impl Received {
    /// Without the clusters of a mesh that have nothing to do with what was applied.
    fn keep_hosts_of(&mut self, applied: &[Value]) {
        let hosts = |document: &Value| {
            let spec = &document["spec"];
            let many = spec["hosts"].as_array().into_iter().flatten();
            many.chain([&spec["host"]]).filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let hosts: BTreeSet<_> = applied.iter().flat_map(hosts).collect();
        let kept = |name: &Value| {
            let host = name.as_str().and_then(|name| name.strip_prefix("outbound|")?.rsplit('|').next());
            host.is_none_or(|host| hosts.contains(host))
        };
        self.clusters.retain(|cluster| kept(&cluster["name"]));
        self.endpoints.retain(|assignment| kept(&assignment["cluster_name"]));
    }
}

/// Every name in a value: of routes and of filters, among others.
fn named_in(values: &[Value]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for value in values {
        match value {
            Value::Object(fields) => {
                let own = ["name", "route_config_name"].into_iter().filter_map(|key| fields.get(key)?.as_str());
                names.extend(own.map(str::to_owned));
                fields.values().for_each(|it| names.extend(named_in(std::slice::from_ref(it))));
            }
            Value::Array(items) => names.extend(named_in(items)),
            _ => {}
        }
    }
    names
}

/// The parts of a dump whose type's name ends like this.
fn configs<'a>(dump: &'a Value, of: &'a str) -> impl Iterator<Item = &'a Value> {
    let configs = dump["configs"].as_array().into_iter().flatten();
    configs.filter(move |config| config["@type"].as_str().is_some_and(|name| name.ends_with(of)))
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no text"))?.to_owned())
}
