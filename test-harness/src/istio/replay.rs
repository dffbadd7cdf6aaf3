//! A bootstrap with all that a recorded gateway had, which Envoy reads from files instead of ADS. Changed is this alone:
//! - Addresses: a listener's becomes a port of the loopback, an endpoint's that of whoever stands for it.
//! - TLS is taken away on the clients' port and on the way to pods. Between gateways it stays, with certificates of the replay's own.
//! - The module is a file here.
//! - Whose geo headers are believed is every operator's own: anybody's.
//! - A service outside the mesh leads nowhere.

use super::identities::Secrets;
use super::recording::Received;
use crate::discovery::Discovered;
use crate::patch::merge;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The port of a Gateway for clients.
pub(super) const CLIENTS: u16 = 443;

const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

/// What istio-agent has got of the module.
#[derive(Clone, Debug)]
pub enum Module {
    /// It was downloaded, into this file.
    Arrives(PathBuf),
    /// The registry is gone, the digest is wrong, … Under FAIL_OPEN the agent then hands a filter to Envoy that allows everything.
    CannotBeHad,
}

/// What a replay changes.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    pub(super) module: Module,
    /// Merged into the filter's configuration.
    pub(super) configuration: Value,
    /// Names of filters and of early header mutations, or beginnings of them, that are taken out of every listener.
    pub(super) without: Vec<String>,
}

/// Where a recorded address leads in a replay.
pub(super) trait Addresses {
    /// The port of the loopback for what a cluster has at this address. The region is the endpoint's.
    fn port(&self, cluster: &str, address: &Address) -> Result<u16>;
}

/// An endpoint's address, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) region: String,
    pub(super) zone: String,
    pub(super) ip: String,
    pub(super) port: u16,
}

/// What becomes of a gateway's files.
pub(super) struct Replayed {
    pub(super) bootstrap: Value,
    /// The filter's resource, and the file in which Envoy watches for another.
    pub(super) filter: Option<(Discovered, Value)>,
}

/// The gateway with these ports for those of its listeners, its files in `directory`.
///
/// # Errors
/// If the recording has something that is not known here.
pub(super) fn replayed(
    received: &Received,
    ports: &BTreeMap<u16, u16>,
    addresses: &impl Addresses,
    secrets: &Secrets,
    changes: &Changes,
    directory: &Path,
) -> Result<Replayed> {
    let replay = Replay { received, ports, addresses, secrets, changes, files: Files { directory } };
    let mut filter = None;
    let mut listeners = received.listeners.clone();
    for listener in &mut listeners {
        filter = replay.listener(listener)?.or(filter);
    }
    let mut clusters = received.clusters.clone();
    clusters.iter_mut().try_for_each(|cluster| replay.cluster(cluster))?;
    listeners.iter_mut().chain(&mut clusters).for_each(|resource| without(resource, &["@type"]));
    let bootstrap = json!({
        "node": received.node,
        "stats_config": {"stats_tags": received.stats_tags},
        "admin": {"address": socket(0)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    });
    Ok(Replayed { bootstrap, filter })
}

struct Replay<'a, A> {
    received: &'a Received,
    ports: &'a BTreeMap<u16, u16>,
    addresses: &'a A,
    secrets: &'a Secrets,
    changes: &'a Changes,
    files: Files<'a>,
}

impl<A: Addresses> Replay<'_, A> {
    /// Returns the filter's file and resource, if this listener has it.
    fn listener(&self, listener: &mut Value) -> Result<Option<(Discovered, Value)>> {
        let port = listener_port(listener)?;
        if port == CLIENTS {
            without_tls(listener)?;
        }
        self.secrets.in_place_of_agent(listener)?;
        listener["address"] = socket(*self.ports.get(&port).with_context(|| format!("a listener on port {port}"))?);
        with_real_ports(listener, self.ports);
        let mut filter = None;
        for manager in managers(listener) {
            filter = self.manager(manager)?.or(filter);
        }
        Ok(filter)
    }

    fn manager(&self, manager: &mut Value) -> Result<Option<(Discovered, Value)>> {
        let routes = named(&self.received.routes, "name", &text(&manager["rds"]["route_config_name"])?)?;
        self.files.in_place_of_ads(&mut manager["rds"]["config_source"], &routes)?;
        for extensions in ["http_filters", "early_header_mutation_extensions"] {
            manager[extensions].as_array_mut().into_iter().for_each(|all| all.retain(|one| self.is_wanted(one)));
        }
        let filters = manager["http_filters"].as_array_mut().context("no HTTP filters")?;
        let mut filter = None;
        for discovered in filters.iter_mut().filter(|filter| filter["config_discovery"].is_object()) {
            let resource = named(&self.received.filters, "name", &text(&discovered["name"])?)?;
            let resource = arrived(resource, self.changes)?;
            let source = &mut discovered["config_discovery"]["config_source"];
            filter = Some((self.files.in_place_of_ads(source, &resource)?, resource));
        }
        Ok(filter)
    }

    fn is_wanted(&self, extension: &Value) -> bool {
        let name = extension["name"].as_str().unwrap_or_default();
        !self.changes.without.iter().any(|unwanted| name.starts_with(unwanted))
    }

    fn cluster(&self, cluster: &mut Value) -> Result<()> {
        match cluster["type"].as_str().unwrap_or("STATIC") {
            "STATIC" => {}
            "EDS" => match self.relocate_endpoints(cluster)? {
                true => self.secrets.in_place_of_agent(cluster)?,
                false => without(cluster, &TLS),
            },
            _ => {
                without(cluster, &TLS);
                without(cluster, &DNS);
                cluster["type"] = "STATIC".into();
            }
        }
        Ok(())
    }

    /// Puts a cluster's endpoints where they are here. Returns whether all of them are gateways.
    fn relocate_endpoints(&self, cluster: &mut Value) -> Result<bool> {
        let name = text(&cluster["name"])?;
        let source = &mut cluster["eds_cluster_config"];
        let service = source["service_name"].as_str().unwrap_or(&name).to_owned();
        let mut endpoints = named(&self.received.endpoints, "cluster_name", &service)?;
        let mut to_gateways = true;
        for (address, place) in addresses_in(&mut endpoints)? {
            *place = socket(self.addresses.port(&name, &address)?);
            to_gateways &= self.ports.contains_key(&address.port);
        }
        self.files.in_place_of_ads(&mut source["eds_config"], &endpoints)?;
        Ok(to_gateways)
    }
}

/// Fields of a cluster with TLS.
const TLS: [&str; 2] = ["transport_socket", "transport_socket_matches"];
/// Fields of a cluster that resolves a name.
const DNS: [&str; 6] =
    ["load_assignment", "dns_lookup_family", "dns_refresh_rate", "respect_dns_ttl", "cluster_type", "dns_jitter"];

/// The ports that a gateway listened on.
///
/// # Errors
/// If one of its listeners has none.
pub(super) fn listener_ports(received: &Received) -> Result<Vec<u16>> {
    received.listeners.iter().map(listener_port).collect()
}

/// Every address that a gateway knew, and of which cluster.
///
/// # Errors
/// If an endpoint has none.
pub(super) fn known_addresses(received: &Received) -> Result<Vec<(String, Address)>> {
    let mut known = Vec::new();
    for assignment in &received.endpoints {
        let cluster = text(&assignment["cluster_name"])?;
        let addresses =
            addresses_in(&mut assignment.clone())?.into_iter().map(|(address, _)| address).collect::<Vec<_>>();
        known.extend(addresses.into_iter().map(|address| (cluster.clone(), address)));
    }
    Ok(known)
}

/// What istio-agent hands to Envoy.
pub(super) fn arrived(mut filter: Value, changes: &Changes) -> Result<Value> {
    match &changes.module {
        Module::Arrives(file) => {
            let config = &mut filter["typed_config"]["config"];
            config["vm_config"]["code"] = json!({"local": {"filename": file}});
            let mut configuration: Value = serde_json::from_str(&text(&config["configuration"]["value"])?)?;
            configuration["clientLocation"]["trust"] = json!({"any": true});
            merge(&mut configuration, &changes.configuration);
            config["configuration"]["value"] = configuration.to_string().into();
        }
        Module::CannotBeHad => filter["typed_config"] = json!({"@type": RBAC}),
    }
    Ok(filter)
}

struct Files<'a> {
    directory: &'a Path,
}

impl Files<'_> {
    /// One file for each resource: Envoy wants it alone.
    fn in_place_of_ads(&self, source: &mut Value, resource: &Value) -> Result<Discovered> {
        let ads = source.as_object_mut().and_then(|source| source.remove("ads"));
        ensure!(ads.is_some(), "{source}: only ADS is replaced");
        let number = fs::read_dir(self.directory)?.count();
        let file = Discovered::in_file(self.directory.join(format!("received-{number}.json")));
        file.publish(std::slice::from_ref(resource))?;
        source["path_config_source"] = file.source()["path_config_source"].clone();
        Ok(file)
    }
}

fn listener_port(listener: &Value) -> Result<u16> {
    port_of(&listener["address"]["socket_address"])
}

fn port_of(socket: &Value) -> Result<u16> {
    let port = socket["port_value"].as_u64().with_context(|| format!("{socket} has no port"))?;
    Ok(u16::try_from(port)?)
}

fn without_tls(listener: &mut Value) -> Result<()> {
    let chains = listener["filter_chains"].as_array_mut().context("no filter chains")?;
    ensure!(chains.len() == 1, "chains that only a server name tells apart");
    chains.iter_mut().for_each(|chain| without(chain, &["transport_socket", "filter_chain_match"]));
    if let Some(inspectors) = listener["listener_filters"].as_array_mut() {
        inspectors.retain(|filter| filter["name"] != "envoy.filters.listener.tls_inspector");
    }
    Ok(())
}

/// What an AuthorizationPolicy says of a port is about the one that the gateway listens on.
fn with_real_ports(value: &mut Value, ports: &BTreeMap<u16, u16>) {
    match value {
        Value::Object(fields) => {
            if let Some(port) = fields.get_mut("destination_port") {
                let real = port.as_u64().and_then(|port| ports.get(&u16::try_from(port).ok()?));
                *port = real.map_or_else(|| port.clone(), |real| (*real).into());
            }
            fields.values_mut().for_each(|it| with_real_ports(it, ports));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| with_real_ports(it, ports)),
        _ => {}
    }
}

fn socket(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn managers(listener: &mut Value) -> impl Iterator<Item = &mut Value> {
    let chains = listener["filter_chains"].as_array_mut().into_iter().flatten();
    let filters = chains.filter_map(|chain| chain["filters"].as_array_mut()).flatten();
    filters.map(|filter| &mut filter["typed_config"]).filter(|manager| manager["rds"].is_object())
}

/// Every address of a load assignment, and where it stands.
fn addresses_in(assignment: &mut Value) -> Result<Vec<(Address, &mut Value)>> {
    let mut out = Vec::new();
    for group in assignment["endpoints"].as_array_mut().into_iter().flatten() {
        let part = |name: &str| group["locality"][name].as_str().unwrap_or_default().to_owned();
        let (region, zone) = (part("region"), part("zone"));
        for endpoint in group["lb_endpoints"].as_array_mut().into_iter().flatten() {
            let place = &mut endpoint["endpoint"]["address"];
            let socket = &place["socket_address"];
            let (ip, port) = (text(&socket["address"])?, port_of(socket)?);
            out.push((Address { region: region.clone(), zone: zone.clone(), ip, port }, place));
        }
    }
    Ok(out)
}

fn named(resources: &[Value], key: &str, name: &str) -> Result<Value> {
    let found = resources.iter().find(|resource| resource[key] == *name);
    Ok(found.with_context(|| format!("{name} was not recorded"))?.clone())
}

fn without(object: &mut Value, keys: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        keys.iter().for_each(|key| drop(object.remove(*key)));
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no text"))?.to_owned())
}
