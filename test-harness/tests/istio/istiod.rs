//! Another version of istiod, by itself: whether it makes of the first example what was recorded, and whether Envoy takes it.
//!
//! istiod runs without Kubernetes, from a directory of manifests, which it does up to Istio 1.29; pods come from ServiceEntries. There is nobody
//! who hands out certificates, so mutual TLS is off, and the lookup service, whose certificate would have to be checked, is left out.
//! Gateways listen on every address, so all of it wants a network of its own with nothing but a loopback.

use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use test_harness::envoy::{Envoy, Launch};
use test_harness::eventually;
use test_harness::istio::{Recording, manifests};

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const XDS: u16 = 15010;

#[test]
#[ignore = "needs a real istiod, up to 1.29, in $PILOT_DISCOVERY: see test-harness/recordings/README.md"]
fn istiod_by_itself_makes_the_same_routes() {
    let istiod = std::env::var_os("PILOT_DISCOVERY").expect("$PILOT_DISCOVERY names the binary of istiod");
    let devices = fs::read_to_string("/proc/net/dev").unwrap();
    let mut devices = devices.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    assert!(devices.all(|name| name == "lo"), "gateways would listen on every address of this machine");
    let recording = Recording::read("t1").unwrap_or_else(|wrong| panic!("{wrong:#}"));
    let directory = tempfile::tempdir().unwrap();
    let _istiod = ControlPlane::start(istiod.as_ref(), directory.path());
    let envoy = gateway(recording.gateways["eu-west"].node.clone(), directory.path());
    let routes = eventually("routes", || {
        let dump = envoy.config_dump();
        let configs =
            dump["configs"].as_array().unwrap().iter().filter_map(|it| it["dynamic_route_configs"].as_array());
        let routes: Vec<_> = configs.flatten().map(|it| it["route_config"].clone()).collect();
        if routes.is_empty() { Err("none yet") } else { Ok(routes) }
    });
    let refused: Vec<_> =
        envoy.stats("").into_iter().filter(|(name, count)| name.ends_with(".update_rejected") && *count > 0).collect();
    assert!(refused.is_empty(), "{refused:?}\n{}", envoy.complaints(20));
    assert_eq!(essence(&routes), essence(&recording.gateways["eu-west"].routes));
}

/// Of each route: its name, what it matches, where it leads, and how it is repeated.
fn essence(configs: &[Value]) -> Vec<Value> {
    let hosts = configs.iter().flat_map(|config| config["virtual_hosts"].as_array().into_iter().flatten());
    let routes = hosts.flat_map(|host| host["routes"].as_array().into_iter().flatten());
    routes.map(|it| json!([it["name"], it["match"], it["route"]["cluster"], it["route"]["retry_policy"]])).collect()
}

struct ControlPlane(Child);

impl ControlPlane {
    fn start(istiod: &Path, directory: &Path) -> Self {
        let file = |name: &str| directory.join(name);
        fs::create_dir(file("applied")).unwrap();
        let mesh = json!({
            "configSources": [{"address": format!("fs://{}", file("applied").display())}],
            "enableAutoMtls": false,
            "rootNamespace": "istio-system",
            "trustDomain": "cluster.local",
        });
        fs::write(file("mesh.yaml"), mesh.to_string()).unwrap();
        fs::write(file("networks.yaml"), json!({"networks": {}}).to_string()).unwrap();
        let local = |port: u16| format!("127.0.0.1:{port}");
        let process = Command::new(istiod)
            .current_dir(directory)
            .args(["discovery", "--registries=", "--secureGRPCAddr=", "--httpsAddr=", "--clusterID", "eu-west"])
            .arg("--meshConfig")
            .arg(file("mesh.yaml"))
            .arg("--networksConfig")
            .arg(file("networks.yaml"))
            .args(["--grpcAddr", &local(XDS), "--httpAddr", &local(15080), "--monitoringAddr", &local(15014)])
            .args(["--ctrlz_address", "127.0.0.1", "--ctrlz_port", "15019"])
            .envs([("POD_NAMESPACE", "istio-system"), ("POD_NAME", "istiod"), ("REVISION", "default")])
            .envs(
                ["ENABLE_CA_SERVER", "PILOT_ENABLE_METADATA_EXCHANGE", "PILOT_ENABLE_ALPN_FILTER"]
                    .map(|it| (it, "false")),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(file("istiod.log")).unwrap())
            .spawn()
            .unwrap_or_else(|wrong| panic!("{}: {wrong}", istiod.display()));
        let control_plane = Self(process);
        eventually("istiod listens", || TcpStream::connect(local(XDS)).is_ok());
        // Only now: istiod makes no services of ServiceEntries that were there before it.
        let mut applied = manifests::of_example("t1").unwrap();
        applied.retain(|it| it["metadata"]["name"] != "greatcircle-lookup");
        applied.extend(["shop", "basket"].map(service));
        let documents: Vec<_> = applied.iter().map(Value::to_string).collect();
        fs::write(file("applied/manifests.yaml"), documents.join("\n---\n")).unwrap();
        eventually("istiod knows the services", || {
            let known = reqwest::blocking::get(format!("http://{}/debug/endpointz", local(15080)));
            known.and_then(|answer| answer.text()).is_ok_and(|known| known.contains("basket.shop.svc"))
        });
        control_plane
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service with a pod in each region. Nobody listens at these addresses.
fn service(name: &str) -> Value {
    let pods = ["eu-west", "us-east"].map(|region| {
        let labels = json!({"app": name, "topology.istio.io/cluster": region});
        json!({"address": "127.1.0.1", "locality": format!("{region}/{region}-1a"), "labels": labels})
    });
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "hosts": [format!("{name}.shop.svc.cluster.local")],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": 8080, "name": "http", "protocol": "HTTP"}],
            "endpoints": pods,
        },
    })
}

/// A gateway that takes everything from istiod.
fn gateway(node: Value, directory: &Path) -> Envoy {
    let ads = json!({"ads": {}, "resource_api_version": "V3"});
    let bootstrap = json!({
        "node": node,
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
            },
            "lds_config": ads,
            "cds_config": ads,
        },
        "static_resources": {"clusters": [{
            "name": "xds",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {HTTP_OPTIONS: {
                "@type": format!("type.googleapis.com/{HTTP_OPTIONS}"),
                "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [{"endpoint": {
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": XDS}},
            }}]}]},
        }]},
    });
    Envoy::start(&bootstrap, &Launch::default(), directory).unwrap_or_else(|wrong| panic!("{wrong:#}"))
}
