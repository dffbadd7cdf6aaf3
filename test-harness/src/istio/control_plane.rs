//! A real istiod, if there is one: what it sends to Envoys that connect to it as gateways.
//!
//! It runs without Kubernetes. Manifests come from a directory, and pods from a ServiceEntry that stands in for the Service and its
//! EndpointSlices. Off is what Envoy as it is built upstream cannot have: metadata exchange, `istio.alpn` and mutual TLS (nobody is
//! there who would hand out certificates). Istio up to 1.29 starts like this; later versions want an API server.
//!
//! Listeners bind to every address, so all of it wants a network of its own with nothing but a loopback.

use super::localities::Locality;
use super::manifests::{Manifests, mesh_config};
use super::mesh::Plan;
use super::proxy::Proxy;
use super::recording::{About, Received, Recording};
use crate::envoy::{Envoy, Launch};
use crate::eventually::eventually;
use crate::listening::Reserved;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const SERVICE: &str = "shop.shop.svc.cluster.local";

impl Plan {
    /// What istiod, this binary of this version, sends to each gateway for these manifests. `kustomization` says where they are from.
    ///
    /// # Errors
    /// If istiod or an Envoy does not start, or an Envoy refuses what it gets.
    pub fn record(&self, istiod: &Path, kustomization: &str) -> Result<Recording> {
        let devices = fs::read_to_string("/proc/net/dev")?;
        let mut devices = devices.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
        ensure!(
            devices.all(|name| name == "lo"),
            "gateways would listen on every address of this machine: {}",
            super::recording::HOW
        );
        let istio = version(istiod)?;
        let control_plane = ControlPlane::start(istiod, self)?;
        let (mut gateways, mut envoy) = (BTreeMap::new(), String::new());
        for at in &self.gateways {
            let (received, version) = control_plane.gateway(at, &istio)?;
            gateways.insert(at.region.clone(), received);
            envoy = version;
        }
        let sha256 = Manifests::kustomized(kustomization)?.digest()?;
        Ok(Recording { about: About { istio, envoy, manifests: kustomization.into(), sha256 }, gateways })
    }
}

struct ControlPlane {
    process: Child,
    xds: u16,
    directory: TempDir,
}

impl ControlPlane {
    fn start(istiod: &Path, plan: &Plan) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = |name: &str| directory.path().join(name);
        fs::create_dir(file("applied"))?;
        let mut mesh = mesh_config()?;
        for (key, value) in [
            ("configSources", json!([{"address": format!("fs://{}", file("applied").display())}])),
            ("enableAutoMtls", false.into()),
            ("rootNamespace", "istio-system".into()),
            ("trustDomain", "cluster.local".into()),
        ] {
            mesh[key] = value;
        }
        fs::write(file("mesh.yaml"), mesh.to_string())?;
        fs::write(file("networks.yaml"), json!({"networks": {}}).to_string())?;
        // Let go of just before istiod takes them.
        let ports = (0..4).map(|_| Reserved::any()?.port()).collect::<Result<Vec<_>>>()?;
        let &[xds, http, monitoring, control] = ports.as_slice() else { unreachable!() };
        let local = |port: u16| format!("127.0.0.1:{port}");
        let process = Command::new(istiod)
            .current_dir(directory.path())
            .args(["discovery", "--registries=", "--secureGRPCAddr=", "--httpsAddr=", "--clusterID", "recorded"])
            .arg("--meshConfig")
            .arg(file("mesh.yaml"))
            .arg("--networksConfig")
            .arg(file("networks.yaml"))
            .args(["--grpcAddr", &local(xds), "--httpAddr", &local(http), "--monitoringAddr", &local(monitoring)])
            .args(["--ctrlz_address", "127.0.0.1", "--ctrlz_port", &control.to_string()])
            .envs([("POD_NAMESPACE", "istio-system"), ("POD_NAME", "istiod"), ("REVISION", "default")])
            .envs(
                ["ENABLE_CA_SERVER", "PILOT_ENABLE_METADATA_EXCHANGE", "PILOT_ENABLE_ALPN_FILTER"]
                    .map(|it| (it, "false")),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(file("istiod.log"))?)
            .spawn()
            .with_context(|| istiod.display().to_string())?;
        let control_plane = Self { process, xds, directory };
        eventually("istiod listens", || TcpStream::connect(("127.0.0.1", xds)).is_ok());
        // Only now: istiod makes no services of ServiceEntries that were there before it.
        let mut documents: Vec<_> = plan.manifests.documents().iter().map(Value::to_string).collect();
        documents.push(service_entry(&plan.pods).to_string());
        let applied = control_plane.directory.path().join("applied/manifests.yaml");
        fs::write(applied, documents.join("\n---\n"))?;
        let debug = format!("http://{}/debug/endpointz", local(http));
        eventually("istiod knows the service", || {
            reqwest::blocking::get(&debug).and_then(|answer| answer.text()).is_ok_and(|known| known.contains(SERVICE))
        });
        Ok(control_plane)
    }

    /// What a gateway there receives, and the version of its Envoy.
    fn gateway(&self, at: &Locality, istio: &str) -> Result<(Received, String)> {
        let proxy = Proxy::ingress_gateway(at.clone());
        let mut bootstrap = proxy.bootstrap(
            Vec::new(),
            vec![json!({
                "name": "xds",
                "type": "STATIC",
                "connect_timeout": "1s",
                "typed_extension_protocol_options": {HTTP_OPTIONS: {
                    "@type": format!("type.googleapis.com/{HTTP_OPTIONS}"),
                    "explicit_http_config": {"http2_protocol_options": {}},
                }},
                "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [{"endpoint": {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": self.xds}},
                }}]}]},
            })],
        );
        let ads = json!({"ads": {}, "resource_api_version": "V3"});
        bootstrap["node"]["metadata"]["ISTIO_VERSION"] = istio.into();
        bootstrap["dynamic_resources"] = json!({
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
            },
            "lds_config": ads,
            "cds_config": ads,
        });
        let directory = tempfile::tempdir()?;
        let envoy = Envoy::start(&bootstrap, &Launch::default(), directory.path())?;
        eventually("everything has come", || !Received::of(&envoy.config_dump()).routes.is_empty());
        let refused =
            envoy.stats("").into_iter().filter(|(name, count)| name.ends_with(".update_rejected") && *count > 0);
        let refused: Vec<_> = refused.collect();
        ensure!(refused.is_empty(), "Envoy refuses: {refused:?}\n{}", envoy.complaints(20));
        let information: Value = serde_json::from_str(&envoy.admin("/server_info"))?;
        let version = information["version"].as_str().and_then(|version| version.split('/').nth(1));
        Ok((Received::of(&envoy.config_dump()), version.context("no version of Envoy")?.to_owned()))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.path().join("istiod.log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- the end of istiod's log ---\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Received {
    /// Out of what Envoy says of its configuration: what came by discovery.
    fn of(dump: &Value) -> Self {
        let list = |of: &str, list: &str, what: &[&str]| {
            let configs = dump["configs"].as_array().into_iter().flatten();
            let config = configs.filter(|config| config["@type"].as_str().is_some_and(|name| name.ends_with(of)));
            let resources = config.flat_map(|config| config[list].as_array().into_iter().flatten());
            let mut out: Vec<_> = resources.map(|it| what.iter().fold(it, |it, key| &it[*key])).cloned().collect();
            out.sort_by_key(|resource| (resource["name"].to_string(), resource["cluster_name"].to_string()));
            out
        };
        let clusters = list(".ClustersConfigDump", "dynamic_active_clusters", &["cluster"]);
        let mut endpoints = list(".EndpointsConfigDump", "dynamic_endpoint_configs", &["endpoint_config"]);
        // Envoy tells those of other clusters as well.
        let discovered = |name: &Value| clusters.iter().any(|it| it["name"] == *name && it["type"] == "EDS");
        endpoints.retain(|assignment| discovered(&assignment["cluster_name"]));
        Self {
            listeners: list(".ListenersConfigDump", "dynamic_listeners", &["active_state", "listener"]),
            routes: list(".RoutesConfigDump", "dynamic_route_configs", &["route_config"]),
            filters: list(".EcdsConfigDump", "ecds_filters", &["ecds_filter"]),
            clusters,
            endpoints,
        }
    }
}

/// The service and its pods. Nobody listens at these addresses.
fn service_entry(pods: &[Locality]) -> Value {
    let endpoints = pods.iter().enumerate().map(|(number, at)| {
        json!({
            "address": format!("127.1.0.{}", number + 1),
            "locality": format!("{}/{}", at.region, at.zone),
            "labels": {"app": "shop"},
        })
    });
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "hosts": [SERVICE],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": 8080, "name": "http", "protocol": "HTTP"}],
            "endpoints": endpoints.collect::<Vec<_>>(),
        },
    })
}

/// The version that istiod says it is.
fn version(istiod: &Path) -> Result<String> {
    let output = Command::new(istiod).args(["version", "--output", "json"]).output();
    let output = output.with_context(|| istiod.display().to_string())?;
    let said: Value = serde_json::from_slice(&output.stdout).context("what istiod says of its version")?;
    Ok(said["clientVersion"]["version"].as_str().context("istiod says no version")?.to_owned())
}
