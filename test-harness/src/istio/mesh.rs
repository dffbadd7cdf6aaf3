//! A mesh of regions with zones, as it was recorded: each pod a process, each gateway a real Envoy with what a real istiod had sent it.
//!
//! ```no_run
//! use test_harness::istio::Mesh;
//! use test_harness::places::GENEVA;
//!
//! let mesh = Mesh::recorded("t1").start();
//! assert_eq!(mesh.client("eu-west").from(GENEVA).get("/").region.as_deref(), Some("shop in eu-west-1a"));
//! ```

use super::east_west::EastWestGateway;
use super::identities::Authority;
use super::recording::{Received, Recording};
use super::replay::{self, Address, Addresses, CLIENTS, Changes, Module};
use crate::bootstrap::repository;
use crate::client::Client;
use crate::discovery::Discovered;
use crate::envoy::{Envoy, Launch};
use crate::eventually::eventually;
use crate::listening::Reserved;
use crate::load::Load;
use crate::places::Place;
use crate::region::Region;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// What clients ask for.
const HOST: &str = "shop.example.com";

/// Who a gateway is to the others.
const IDENTITY: &str = "spiffe://cluster.local/ns/istio-ingress/sa/istio-ingressgateway";

/// What a variable of the proxies' containers holds, which the example's lookup wants.
const ENVIRONMENT: (&str, &str) = ("LOOKUP_AUTHORIZATION", "Bearer a-token-for-lookups");

/// What a mesh will be.
pub struct Plan {
    example: String,
    changes: Changes,
    identities: BTreeMap<String, String>,
}

impl Plan {
    /// What istio-agent has got of the module, instead of `dist/greatcircle.wasm`.
    pub fn module(mut self, module: Module) -> Self {
        self.changes.module = module;
        self
    }

    /// Merges this into the filter's configuration.
    pub fn configuration(mut self, patch: Value) -> Self {
        self.changes.configuration = patch;
        self
    }

    /// Takes the HTTP filters and early header mutations whose names begin like this out of every gateway.
    pub fn without_filter(mut self, name: &str) -> Self {
        self.changes.without.push(name.into());
        self
    }

    /// The gateway of this region has a certificate for another SPIFFE id than gateways have.
    pub fn identity(mut self, region: &str, spiffe_id: &str) -> Self {
        self.identities.insert(region.into(), spiffe_id.into());
        self
    }

    /// Starts the pods, then the gateways, and returns when all are ready.
    ///
    /// # Panics
    /// If something does not start.
    #[track_caller]
    pub fn start(self) -> Mesh {
        self.try_start().unwrap_or_else(|error| panic!("the mesh does not start: {error:#}"))
    }

    fn try_start(self) -> Result<Mesh> {
        if let Module::Arrives(file) = &self.changes.module {
            ensure!(file.is_file(), "no module at {}: run ./build.sh test, which makes it", file.display());
        }
        let recording = Recording::read(&self.example)?;
        let mut ports = BTreeMap::new();
        let mut reserved = Vec::new();
        for (region, received) in &recording.gateways {
            for port in replay::listener_ports(received)? {
                let real = Reserved::any()?;
                ports.insert((region.clone(), port), real.port()?);
                reserved.push(real);
            }
        }
        let (pods, east_west) = pods_and_east_west(&recording, &ports)?;
        let leads = Leads { pods: &pods, east_west: &east_west, ports: &ports };
        let authority = Authority::new()?;
        let run = |(region, received): (&String, &Received)| self.run(region, received, &leads, &authority);
        let gateways = recording.gateways.iter().map(run).collect::<Result<_>>()?;
        Ok(Mesh {
            gateways,
            pods: pods.into_values().collect(),
            _east_west: east_west,
            _reserved: reserved,
            changes: self.changes,
        })
    }

    fn run(&self, region: &str, received: &Received, leads: &Leads<'_>, authority: &Authority) -> Result<Gateway> {
        let directory = tempfile::tempdir()?;
        let identity = self.identities.get(region).map_or(IDENTITY, String::as_str);
        let secrets = authority.certify(identity, directory.path())?;
        let ports = leads.ports_of(region);
        let at = At { leads, region };
        let replayed = replay::replayed(received, &ports, &at, &secrets, &self.changes, directory.path())?;
        let (name, value) = ENVIRONMENT;
        let launch = Launch { environment: vec![(name.into(), value.into())], ..Launch::default() };
        let envoy = Envoy::start(&replayed.bootstrap, &launch, directory.path())?;
        let recorded = received.clone();
        Ok(Gateway { region: region.into(), ports, envoy, recorded, filter: replayed.filter, _directory: directory })
    }
}

/// Everybody who answers, and the east-west gateways: by region and host.
type Pods = BTreeMap<Address, Pod>;
type EastWestGateways = BTreeMap<(String, String), EastWestGateway>;

struct Pod {
    at: Address,
    process: Region,
}

fn pods_and_east_west(recording: &Recording, ports: &BTreeMap<(String, u16), u16>) -> Result<(Pods, EastWestGateways)> {
    let (mut pods, mut behind) = (Pods::new(), BTreeMap::<(String, String), Vec<u16>>::new());
    for (region, received) in &recording.gateways {
        for (cluster, address) in replay::known_addresses(received)? {
            // A gateway, or in another network.
            if address.region != *region || ports.contains_key(&(region.clone(), address.port)) {
                continue;
            }
            let host = host_of(&cluster)?;
            let service = host.split('.').next().unwrap_or_default();
            if !pods.contains_key(&address) {
                let process = Region::start(&format!("{service} in {}", address.zone))?;
                pods.insert(address.clone(), Pod { at: address.clone(), process });
            }
            let port = pods[&address].process.port();
            let all = behind.entry((region.clone(), host.into())).or_default();
            if !all.contains(&port) {
                all.push(port);
            }
        }
    }
    let east_west = behind.into_iter().map(|(of, pods)| Ok((of, EastWestGateway::to(pods)?))).collect::<Result<_>>()?;
    Ok((pods, east_west))
}

/// The host of `outbound|8080|subset|host`.
fn host_of(cluster: &str) -> Result<&str> {
    cluster.split('|').nth(3).with_context(|| format!("{cluster} names no host"))
}

struct Leads<'a> {
    pods: &'a Pods,
    east_west: &'a EastWestGateways,
    ports: &'a BTreeMap<(String, u16), u16>,
}

impl Leads<'_> {
    fn ports_of(&self, region: &str) -> BTreeMap<u16, u16> {
        let own = self.ports.iter().filter(|((of, _), _)| of == region);
        own.map(|((_, port), real)| (*port, *real)).collect()
    }
}

/// Where addresses lead for the gateway of a region.
struct At<'a> {
    leads: &'a Leads<'a>,
    region: &'a str,
}

impl Addresses for At<'_> {
    fn port(&self, cluster: &str, address: &Address) -> Result<u16> {
        if let Some(gateway) = self.leads.ports.get(&(address.region.clone(), address.port)) {
            return Ok(*gateway);
        }
        if address.region == self.region {
            let pod = self.leads.pods.get(address);
            return Ok(pod.with_context(|| format!("no pod at {address:?}"))?.process.port());
        }
        let gateway = self.leads.east_west.get(&(address.region.clone(), host_of(cluster)?.into()));
        Ok(gateway.with_context(|| format!("no east-west gateway for {address:?} of {cluster}"))?.port())
    }
}

struct Gateway {
    region: String,
    ports: BTreeMap<u16, u16>,
    envoy: Envoy,
    recorded: Received,
    filter: Option<(Discovered, Value)>,
    _directory: TempDir,
}

/// A running mesh. Everything in it ends with this value; if the thread is panicking, the end of each Envoy's log is printed.
pub struct Mesh {
    gateways: Vec<Gateway>,
    pods: Vec<Pod>,
    _east_west: EastWestGateways,
    _reserved: Vec<Reserved>,
    changes: Changes,
}

impl Mesh {
    /// The mesh to which an example was applied.
    pub fn recorded(example: &str) -> Plan {
        let module = Module::Arrives(repository().join("dist/greatcircle.wasm"));
        let changes = Changes { module, configuration: json!({}), without: Vec::new() };
        Plan { example: example.into(), changes, identities: BTreeMap::new() }
    }

    /// The pods of this region, or of this zone.
    pub fn pods_in(&self, place: &str) -> impl Iterator<Item = &Region> {
        self.pods.iter().filter(move |pod| pod.at.region == place || pod.at.zone == place).map(|pod| &pod.process)
    }

    /// The gateway's process in this region.
    #[track_caller]
    pub fn envoy(&self, region: &str) -> &Envoy {
        &self.gateway(region).envoy
    }

    /// What this region's gateway had when it was recorded.
    #[track_caller]
    pub fn received(&self, region: &str) -> &Received {
        &self.gateway(region).recorded
    }

    /// The filter of this region's gateway gets another configuration while it runs: this one, merged into the recorded one.
    ///
    /// # Panics
    /// If there is no filter, or the file cannot be written.
    #[track_caller]
    pub fn reconfigure(&self, region: &str, patch: Value) {
        let gateway = self.gateway(region);
        let (file, current) = gateway.filter.as_ref().expect("a filter");
        let changes = Changes { configuration: patch, ..self.changes.clone() };
        let resource = replay::arrived(current.clone(), &changes).expect("a configuration");
        file.publish(&[resource]).expect("a file");
    }

    /// A client of the services at this region's gateway, on the port for clients.
    #[track_caller]
    pub fn client(&self, region: &str) -> Client {
        self.client_of_port(region, CLIENTS).header("host", HOST)
    }

    /// A client of another port of this region's gateway, which has not said yet what it asks for.
    ///
    /// # Panics
    /// If the gateway does not have it.
    #[track_caller]
    pub fn client_of_port(&self, region: &str, port: u16) -> Client {
        let real = self.gateway(region).ports.get(&port);
        let real = *real.unwrap_or_else(|| panic!("the gateway of {region} has no port {port}"));
        Client::of(([127, 0, 0, 1], real).into())
    }

    /// Load on the services at this region's gateway.
    #[track_caller]
    pub fn load(&self, region: &str) -> Load {
        let real = self.gateway(region).ports.get(&CLIENTS).copied().unwrap_or_default();
        Load::on(([127, 0, 0, 1], real).into()).host(HOST)
    }

    /// Waits until every worker of this region's gateway decides like this for clients from `place`.
    #[track_caller]
    pub fn eventually_decides(&self, region: &str, place: Place, expected: &str) {
        let gateway = self.gateway(region);
        let port = format!("_{}", gateway.ports.get(&CLIENTS).copied().unwrap_or_default());
        eventually(&format!("{expected} for {} from every worker in {region}", place.name), || {
            let client = self.client(region).from(place);
            let decide = || client.try_request("GET", "/", b"").map_or_else(|why| why.to_string(), |it| it.decision());
            let decisions = gateway.envoy.through_every_worker(&port, decide);
            if decisions.iter().all(|decision| decision == expected) { Ok(()) } else { Err(decisions) }
        });
    }

    #[track_caller]
    fn gateway(&self, region: &str) -> &Gateway {
        let gateway = self.gateways.iter().find(|gateway| gateway.region == region);
        gateway.unwrap_or_else(|| panic!("no gateway in {region}"))
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        for gateway in self.gateways.iter().filter(|_| std::thread::panicking()) {
            eprintln!("--- the end of the Envoy's log in {} ---\n{}", gateway.region, gateway.envoy.log_tail(40));
        }
    }
}
