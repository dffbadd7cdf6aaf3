//! A mesh of regions with zones: pods, each a process, and for each region a real Envoy that the manifests have shaped.
//!
//! ```no_run
//! use test_harness::istio::{Manifests, Mesh};
//! use test_harness::places::GENEVA;
//!
//! let mesh = Mesh::of(Manifests::kustomized("istio/base").unwrap())
//!     .pod("eu-west", "eu-west-1a")
//!     .pod("us-east", "us-east-1a")
//!     .gateway("eu-west", "eu-west-1a")
//!     .start();
//! assert_eq!(mesh.client("eu-west").from(GENEVA).get("/").region.as_deref(), Some("eu-west-1a"));
//! ```

use super::api::Labels;
use super::clusters::{Service, clusters, from_entries, from_kubernetes};
use super::extensions::{Module, extensions};
use super::listeners::{Parts, listeners};
use super::localities::{Endpoint, Locality};
use super::manifests::Manifests;
use super::proxy::Proxy;
use super::recording::{self, Recording};
use super::telemetry::access_logs;
use crate::bootstrap::{Bootstrap, repository};
use crate::client::Client;
use crate::discovery::{Discovered, filter_resource};
use crate::envoy::{Envoy, Launch};
use crate::eventually::eventually;
use crate::listening::Reserved;
use crate::places::Place;
use crate::region::Region;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

/// The service of the manifests. Kubernetes tells its port and its pods, so no manifest does.
const SHOP: (&str, &str, u16) = ("shop.shop.svc.cluster.local", "shop", 8080);

/// What clients ask for.
const SHOP_HOST: &str = "shop.example.com";

/// What a mesh will be.
pub struct Plan {
    pub(super) manifests: Manifests,
    mesh_config: Value,
    pub(super) pods: Vec<Locality>,
    pub(super) gateways: Vec<Locality>,
    addresses: Vec<(String, String)>,
    separate: bool,
    module: Module,
    recording: Option<Recording>,
}

impl Plan {
    /// Adds a pod of the service, which answers with its zone's name.
    pub fn pod(mut self, region: &str, zone: &str) -> Self {
        self.pods.push(Locality::new(region, zone));
        self
    }

    /// Adds an ingress gateway, to which the same manifests are applied. One for each region at most.
    pub fn gateway(mut self, region: &str, zone: &str) -> Self {
        self.gateways.push(Locality::new(region, zone));
        self
    }

    /// Each region is a mesh of its own: its gateway knows the pods of no other.
    pub fn separate(mut self) -> Self {
        self.separate = true;
        self
    }

    /// At this address, of which manifests speak, is the gateway of this region.
    pub fn address(mut self, address: &str, region: &str) -> Self {
        self.addresses.push((address.into(), region.into()));
        self
    }

    /// What the mesh knows beside the manifests: Istio's `meshConfig`.
    pub fn mesh_config(mut self, mesh_config: Value) -> Self {
        self.mesh_config = mesh_config;
        self
    }

    /// What istio-agent has got of the module, instead of `dist/greatcircle.wasm`.
    pub fn module(mut self, module: Module) -> Self {
        self.module = module;
        self
    }

    /// The gateways get what a real istiod sent, instead of what is imitated.
    pub fn recorded(mut self, recording: Recording) -> Self {
        self.recording = Some(recording);
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

    /// [`Plan::start`] for manifests that cannot be imitated, or that Envoy refuses.
    ///
    /// # Errors
    /// If something does not start; if that is Envoy, with the end of its log.
    pub fn try_start(self) -> Result<Mesh> {
        if let Module::Arrives(file) = &self.module {
            ensure!(file.is_file(), "no module at {}: run ./build.sh test, which makes it", file.display());
        }
        let pods: Vec<(Locality, Region)> = self.pods.iter().map(pod).collect::<Result<_>>()?;
        let proxies: Vec<_> = self.gateways.iter().map(|at| self.proxy(at)).collect::<Result<_>>()?;
        let mut loopback = BTreeMap::new();
        for (address, region) in &self.addresses {
            let there = proxies.iter().find(|(proxy, _)| proxy.locality.region == *region);
            let (proxy, _) = there.with_context(|| format!("no gateway in {region}"))?;
            loopback.extend(proxy.ports.iter().map(|(port, real)| (format!("{address}:{port}"), *real)));
        }
        let run = |(proxy, reserved)| self.run(proxy, reserved, &pods, &loopback);
        let gateways = proxies.into_iter().map(run).collect::<Result<_>>()?;
        Ok(Mesh { gateways, pods })
    }

    /// A gateway with a port of the loopback for each port that the manifests ask it for.
    fn proxy(&self, at: &Locality) -> Result<(Proxy, Vec<Reserved>)> {
        let mut proxy = Proxy::ingress_gateway(at.clone());
        let mut reserved = Vec::new();
        for gateway in self.manifests.gateways()?.iter().chain(&super::gateway_api::gateways(&self.manifests)?) {
            for server in &gateway.spec.servers {
                let port = Reserved::any()?;
                proxy.ports.insert(server.port.number, port.port()?);
                reserved.push(port);
            }
        }
        Ok((proxy, reserved))
    }

    fn run(
        &self,
        proxy: Proxy,
        reserved: Vec<Reserved>,
        pods: &[(Locality, Region)],
        loopback: &BTreeMap<String, u16>,
    ) -> Result<Gateway> {
        let directory = tempfile::tempdir()?;
        let seen = pods.iter().filter(|(at, _)| !self.separate || at.region == proxy.locality.region);
        let app = || Labels::from([("app".into(), "shop".into())]);
        let pods: Vec<_> = seen.map(|(at, pod)| Endpoint::new(pod.port(), at.clone(), app())).collect();
        let mut bootstrap = match &self.recording {
            Some(recording) => self.as_recorded(recording, &proxy, &pods, directory.path())?,
            None => self.imitated(&proxy, pods, loopback, directory.path())?,
        };
        // Istio has tags of its own there, and those of `extraStatTags`.
        bootstrap["stats_config"] = Bootstrap::from_file()?.stats_config();
        let envoy = Envoy::start(&bootstrap, &Launch::default(), directory.path())?;
        Ok(Gateway { proxy, bootstrap, envoy, _reserved: reserved, _directory: directory })
    }

    fn imitated(
        &self,
        proxy: &Proxy,
        pods: Vec<Endpoint>,
        loopback: &BTreeMap<String, u16>,
        directory: &Path,
    ) -> Result<Value> {
        let filters = Discovered::in_file(directory.join("filters.json"));
        let extensions = extensions(&self.manifests, proxy)?;
        let discovered: Vec<_> = extensions.iter().map(|it| filter_resource(it.discovered(&self.module))).collect();
        filters.publish(&discovered)?;

        let mut services = from_kubernetes(&self.manifests, &pods)?;
        let (host, namespace, port) = SHOP;
        services.push(Service {
            host: host.into(),
            namespace: namespace.into(),
            port: (port, "http".into()),
            endpoints: pods,
        });
        services.extend(from_entries(&self.manifests, proxy, loopback)?);

        let listeners = listeners(&Parts {
            manifests: &self.manifests,
            proxy,
            extensions: &extensions,
            filters: &filters.source(),
            access_logs: &access_logs(&self.manifests, &self.mesh_config, proxy)?,
        })?;
        Ok(proxy.bootstrap(listeners, clusters(&services, &self.manifests, proxy)?))
    }

    fn as_recorded(&self, recording: &Recording, proxy: &Proxy, pods: &[Endpoint], directory: &Path) -> Result<Value> {
        let plugins = self.manifests.wasm_plugins()?;
        let plugin = plugins.first().context("the recording has a WasmPlugin, the manifests have not")?;
        let trust = &plugin.spec.plugin_config["clientLocation"]["trust"];
        recording.bootstrap(proxy, &recording::Parts { directory, pods, module: &self.module, trust })
    }
}

fn pod(at: &Locality) -> Result<(Locality, Region)> {
    Ok((at.clone(), Region::start(&at.zone)?))
}

struct Gateway {
    proxy: Proxy,
    bootstrap: Value,
    envoy: Envoy,
    _reserved: Vec<Reserved>,
    _directory: TempDir,
}

/// A running mesh. Everything in it ends with this value; if the thread is panicking, the end of each Envoy's log is printed.
pub struct Mesh {
    gateways: Vec<Gateway>,
    pods: Vec<(Locality, Region)>,
}

impl Mesh {
    /// A mesh to which these manifests are applied, empty as yet.
    pub fn of(manifests: Manifests) -> Plan {
        Plan {
            manifests,
            mesh_config: Value::Null,
            pods: Vec::new(),
            gateways: Vec::new(),
            addresses: Vec::new(),
            separate: false,
            recording: None,
            module: Module::Arrives(repository().join("dist/greatcircle.wasm")),
        }
    }

    /// The pods of this region, or of this zone.
    pub fn pods_in(&self, place: &str) -> impl Iterator<Item = &Region> {
        self.pods.iter().filter(move |(at, _)| at.region == place || at.zone == place).map(|(_, pod)| pod)
    }

    /// The gateway's process in this region.
    #[track_caller]
    pub fn envoy(&self, region: &str) -> &Envoy {
        &self.gateway(region).envoy
    }

    /// What this region's gateway was started with.
    #[track_caller]
    pub fn bootstrap(&self, region: &str) -> &Value {
        &self.gateway(region).bootstrap
    }

    /// A client of the service at this region's gateway, on the port for clients.
    #[track_caller]
    pub fn client(&self, region: &str) -> Client {
        self.client_of_port(region, 443).header("host", SHOP_HOST)
    }

    /// A client of another port of this region's gateway, which has not said yet what it asks for.
    ///
    /// # Panics
    /// If the gateway does not have it.
    #[track_caller]
    pub fn client_of_port(&self, region: &str, port: u16) -> Client {
        let real = self.gateway(region).proxy.ports.get(&port);
        let real = *real.unwrap_or_else(|| panic!("the gateway of {region} has no port {port}"));
        Client::of(([127, 0, 0, 1], real).into())
    }

    /// Waits until every worker of this region's gateway decides like this for clients from `place`.
    #[track_caller]
    pub fn eventually_decides(&self, region: &str, place: Place, expected: &str) {
        let gateway = self.gateway(region);
        let port = format!("_{}", gateway.proxy.ports.get(&443).copied().unwrap_or_default());
        eventually(&format!("{expected} for {} from every worker in {region}", place.name), || {
            let client = self.client(region).from(place);
            let decide = || client.try_request("GET", "/", b"").map_or_else(|why| why.to_string(), |it| it.decision());
            let decisions = gateway.envoy.through_every_worker(&port, decide);
            if decisions.iter().all(|decision| decision == expected) { Ok(()) } else { Err(decisions) }
        });
    }

    #[track_caller]
    fn gateway(&self, region: &str) -> &Gateway {
        let gateway = self.gateways.iter().find(|gateway| gateway.proxy.locality.region == region);
        gateway.unwrap_or_else(|| panic!("no gateway in {region}"))
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        for gateway in self.gateways.iter().filter(|_| std::thread::panicking()) {
            let region = &gateway.proxy.locality.region;
            eprintln!("--- the end of the Envoy's log in {region} ---\n{}", gateway.envoy.log_tail(40));
        }
    }
}
