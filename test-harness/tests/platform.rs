//! The scripts of `istio/platform`: what they print, that what they print is what runs, and (in `refusals`) what they say when
//! something is wrong.
//!
//! No cluster: the tools are fakes that note their calls. What real clusters make of these commands is not shown here.

#[path = "platform/machine.rs"]
mod machine;
#[path = "platform/refusals.rs"]
mod refusals;

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, rbac::v1 as rbac};
use machine::{Machine, in_package};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const TWO: &str = "eu-west us-east";
const THREE: &str = "eu-west us-east ap-south";

/// The reviewed scripts in `platform/printed`, and what prints each of them.
const PRINTED: [(&str, &str, &[&str]); 7] = [
    ("up-two-regions", TWO, &["up"]),
    ("up-three-regions", THREE, &["up"]),
    ("status", TWO, &["status"]),
    ("kill-region", TWO, &["kill-region", "us-east"]),
    ("kill-zone", TWO, &["kill-zone", "eu-west-1b"]),
    ("heal", TWO, &["heal"]),
    ("down", TWO, &["down"]),
];

fn dry_run(machine: &Machine, regions: &str, arguments: &[&str]) -> String {
    machine.platform_with(regions, &[&["--dry-run"], arguments].concat()).expect()
}

#[test]
fn a_dry_run_prints_the_reviewed_script_and_runs_nothing() {
    let machine = Machine::new();
    for tool in ["docker", "kind", "kubectl", "istioctl", "helm", "openssl", "curl", "sha256sum"] {
        machine.has_not(tool);
    }
    for (name, regions, arguments) in PRINTED {
        let file = in_package("tests/platform/printed").join(format!("{name}.sh"));
        let reviewed = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            dry_run(&machine, regions, arguments),
            reviewed,
            "if the new text is right: REGIONS='{regions}' istio/platform/platform.sh --dry-run {} >test-harness/tests/platform/printed/{name}.sh",
            arguments.join(" ")
        );
    }
    assert!(!machine.in_root("target").exists());
}

#[test]
fn what_is_printed_is_what_runs() {
    let (runs, follows) = (Machine::new(), Machine::new());
    let commands: [&[&str]; 6] =
        [&["up"], &["status"], &["kill-region", "ap-south"], &["kill-zone", "eu-west-1a"], &["heal"], &["down"]];
    for arguments in commands {
        let script = follows.in_root("printed.sh");
        fs::write(&script, dry_run(&follows, THREE, arguments)).unwrap();
        follows.bash(&script, "", &[]).expect();
        let printed = runs.platform_with(THREE, arguments).expect();
        // The prerequisites are looked at by a real run alone.
        let (ran, followed) = (runs.calls_but_for_questions(), follows.calls_but_for_questions());
        assert!(!ran.is_empty());
        assert_eq!(ran, followed, "{arguments:?}");
        let text = fs::read_to_string(&script).unwrap();
        for line in text.lines().skip(1) {
            assert!(printed.contains(line), "{arguments:?} ran without printing {line:?}");
        }
    }
}

/// The documents that the script hands to kind, istioctl and kubectl. Helm's values, which are no such document, are left out.
fn documents(script: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        if (line.ends_with("<<YAML") || line.ends_with("<<'YAML'")) && !line.starts_with("cat ") {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "YAML").collect();
            let parsed = text
                .join("\n")
                .split("\n---\n")
                .map(|one| serde_saphyr::from_str(one).unwrap())
                .collect::<Vec<Value>>();
            documents.extend(parsed);
        }
    }
    documents
}

fn of_kind<'a>(kind: &str, documents: &'a [Value]) -> Vec<&'a Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

#[test]
fn clusters_have_zones_and_share_no_subnet() {
    let machine = Machine::new();
    let documents = documents(&dry_run(&machine, THREE, &["up"]));
    assert!(documents.iter().all(|document| document["apiVersion"].is_string() && document["kind"].is_string()));
    let clusters = of_kind("Cluster", &documents);
    let subnets: BTreeSet<_> = clusters
        .iter()
        .flat_map(|cluster| ["podSubnet", "serviceSubnet"].map(|key| cluster["networking"][key].as_str().unwrap()))
        .collect();
    assert_eq!(
        subnets.into_iter().collect::<Vec<_>>(),
        ["10.10.0.0/16", "10.20.0.0/16", "10.255.10.0/24", "10.255.20.0/24", "10.255.30.0/24", "10.30.0.0/16"]
    );
    let zones: Vec<_> = clusters
        .iter()
        .flat_map(|cluster| cluster["nodes"].as_array().unwrap())
        .filter(|node| node["role"] == "worker")
        .map(|node| node["labels"]["topology.kubernetes.io/zone"].as_str().unwrap())
        .collect();
    assert_eq!(zones, ["eu-west-1a", "eu-west-1b", "us-east-1a", "us-east-1b", "ap-south-1a", "ap-south-1b"]);
}

/// Whether all of a document comes back when its definition reads it and writes it again: an unknown field does not.
fn is_as_defined<Definition: DeserializeOwned + Serialize>(document: &Value) -> bool {
    let read: Definition = serde_json::from_value(document.clone()).unwrap();
    is_part_of(document, &serde_json::to_value(read).unwrap())
}

fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| is_part_of(value, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part_of(part, whole))
        }
        _ => part == whole,
    }
}

#[test]
fn what_is_kubernetes_own_is_as_kubernetes_defines_it() {
    let machine = Machine::new();
    let mut checked = BTreeSet::new();
    for document in documents(&dry_run(&machine, TWO, &["up"])) {
        let kind = document["kind"].as_str().unwrap();
        let as_defined = match kind {
            "Deployment" => is_as_defined::<apps::Deployment>(&document),
            "Namespace" => is_as_defined::<core::Namespace>(&document),
            "Role" => is_as_defined::<rbac::Role>(&document),
            "RoleBinding" => is_as_defined::<rbac::RoleBinding>(&document),
            "Service" => is_as_defined::<core::Service>(&document),
            "ServiceAccount" => is_as_defined::<core::ServiceAccount>(&document),
            _ => continue,
        };
        assert!(as_defined, "{document:#}");
        checked.insert(kind.to_owned());
    }
    assert_eq!(checked.len(), 6, "{checked:?}");
}

#[test]
fn every_region_learns_of_every_other_and_the_service_is_in_every_zone() {
    let machine = Machine::new();
    machine.platform_with(THREE, &["up"]).expect();
    let calls = machine.calls();
    let secrets = calls.iter().filter(|call| call.starts_with("istioctl create-remote-secret ")).count();
    assert_eq!(secrets, 6, "each of three regions tells two others");
    assert!(calls.iter().any(|call| call.contains("--name ap-south --server https://172.18.0.3:6443")));
    let shops =
        calls.iter().flat_map(|call| call.lines()).filter(|line| line.contains("-text=")).collect::<BTreeSet<_>>();
    assert_eq!(shops.len(), 6, "{shops:?}");
    let charts =
        calls.iter().filter(|call| call.starts_with("helm upgrade --install greatcircle istio/chart ")).count();
    assert_eq!(charts, 3);
    let values = values(&machine);
    let regions: Vec<_> =
        values["regions"].as_array().unwrap().iter().map(|region| region["name"].as_str().unwrap()).collect();
    assert_eq!(regions.join(" "), THREE);
    assert_eq!(values["regions"][2]["longitude"], 72.88);
    assert_eq!(values["services"][0]["hosts"][0], "shop.example.com");
    assert_eq!(values["config"]["clientLocation"]["trust"]["any"], true);
}

/// What helm is given.
fn values(machine: &Machine) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(machine.in_root("target/platform/values.yaml")).unwrap()).unwrap()
}

/// The digests are those that Istio's fetcher took from a registry after real pushes of one archive.
#[test]
fn gateways_are_told_the_digest_of_what_the_registry_has_whatever_store_docker_keeps_images_in() {
    let stores = [
        ("containerd", "668bdb21c2aa2276b96158deaafea0a5dc4ffa83b00f933de9048ca3f34e6880"),
        ("overlay2", "b8b8ea8e37545761fd7b031dd491db6f9259c10fad6b9657d84ee6cd0d9b4965"),
    ];
    for (store, digest) in stores {
        let machine = Machine::new();
        machine.docker_keeps_images_in(store);
        for _ in ["the first", "once more: the name is taken"] {
            machine.platform(&["up"]).expect();
            assert_eq!(values(&machine)["image"]["sha256"], digest, "{store}");
        }
    }
}

#[test]
fn a_gateway_learns_its_clients_addresses_and_the_labels_of_metrics() {
    let machine = Machine::new();
    let documents = documents(&dry_run(&machine, TWO, &["up"]));
    let services: Vec<_> = of_kind("Service", &documents);
    let gateways: Vec<_> = services.into_iter().filter(|it| it["spec"]["type"] == "LoadBalancer").collect();
    assert_eq!(gateways.len(), 4, "one for clients and one for other regions, in each of two regions");
    assert!(gateways.iter().all(|gateway| gateway["spec"]["externalTrafficPolicy"] == "Local"));
    let deployments = of_kind("Deployment", &documents);
    let proxies: Vec<_> = deployments
        .iter()
        .filter_map(|it| it["spec"]["template"]["metadata"]["annotations"]["proxy.istio.io/config"].as_str())
        .collect();
    assert_eq!(proxies.len(), 2, "the gateways where clients come in");
    let proxy: Value = serde_saphyr::from_str(proxies[0]).unwrap();
    assert_eq!(proxy["gatewayTopology"]["numTrustedProxies"], 1);
    assert_eq!(proxy["extraStatTags"].as_array().unwrap().len(), 7);
}

#[test]
fn the_region_that_is_killed_for_a_try_is_not_the_one_where_the_clients_come_in() {
    let machine = Machine::new();
    let printed = machine.platform_with(THREE, &["up"]).expect();
    let tried = printed.split("# The platform is up").nth(1).unwrap();
    assert_eq!(tried.matches("--resolve shop.example.com:443:172.18.255.10").count(), 3, "{tried}");
    assert!(tried.contains("platform.sh kill-region us-east\n"), "{tried}");
    assert!(!tried.contains("kill-region eu-west"), "{tried}");
    let alone = Machine::new().platform_with("eu-west", &["up"]).expect();
    assert!(alone.contains("# The platform is up") && !alone.contains("kill-region"), "{alone}");
}

#[test]
fn a_second_up_makes_nothing_new() {
    let machine = Machine::new();
    machine.platform(&["up"]).expect();
    let first = machine.new_calls();
    machine.platform(&["up"]).expect();
    let second = machine.new_calls();
    let makes = ["kind create ", "docker run ", " create secret ", "openssl req ", "openssl x509 ", " --location "];
    for made in makes {
        assert!(first.iter().any(|call| call.contains(made)), "the first up calls {made:?}");
        assert!(!second.iter().any(|call| call.contains(made)), "the second up calls {made:?}");
    }
}

#[test]
fn regions_and_zones_go_dark_and_come_back() {
    let machine = Machine::new();
    machine.platform_with(THREE, &["up"]).expect();
    // Afterwards the regions need not be named again.
    machine.platform(&["kill-zone", "eu-west-1b"]).expect();
    assert_eq!(machine.paused(), ["eu-west-worker2"]);
    machine.platform(&["kill-region", "ap-south"]).expect();
    machine.platform(&["kill-region", "ap-south"]).expect();
    assert_eq!(machine.paused(), ["ap-south-control-plane", "ap-south-worker", "ap-south-worker2", "eu-west-worker2"]);
    machine.platform(&["kill-region", "eu-west"]).expect();
    machine.platform(&["heal"]).expect();
    assert!(machine.paused().is_empty());
    machine.platform(&["heal"]).expect();
    machine.platform(&["down"]).expect();
    assert!(machine.clusters().is_empty());
    assert!(!machine.in_root("target/platform").exists());
}

#[test]
fn status_says_what_does_not_answer_and_goes_on() {
    let machine = Machine::new();
    machine.platform(&["up"]).expect();
    machine.fails(Some("kind-eu-west"));
    let printed = machine.platform(&["status"]).expect();
    assert!(printed.contains("eu-west: nodes: no answer\n"), "{printed}");
    assert!(!printed.contains("us-east: nodes: no answer\n"), "{printed}");
    let asks = |call: &&String| call.contains("pilot-agent request GET stats?filter=greatcircle_region_health");
    let asked = machine.calls().iter().filter(asks).filter(|call| call.contains("kind-us-east")).count();
    assert_eq!(asked, 2, "every gateway is asked");
}

/// Runs the real openssl in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_any_regions_authority_signs_is_believed_under_the_common_root() {
    let machine = Machine::new();
    machine.has_the_real("openssl");
    machine.platform(&["up"]).expect();
    let folder = machine.in_root("target/platform/certs");
    openssl(&folder, "verify -x509_strict -CAfile root-cert.pem -verify_hostname shop.example.com shop.pem");
    // As istiod does it for a workload.
    openssl(
        &folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=workload -keyout key.pem -out csr.pem",
    );
    for region in ["eu-west", "us-east"] {
        let authority = format!("-CA {region}/ca-cert.pem -CAkey {region}/ca-key.pem");
        openssl(&folder, &format!("x509 -req -in csr.pem -out {region}.pem -days 1 {authority}"));
        openssl(
            &folder,
            &format!("verify -CAfile {region}/root-cert.pem -untrusted {region}/cert-chain.pem {region}.pem"),
        );
    }
    assert_eq!(
        fs::read(folder.join("eu-west/root-cert.pem")).unwrap(),
        fs::read(folder.join("root-cert.pem")).unwrap()
    );
    let key = fs::metadata(folder.join("root-key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o077, 0, "for the owner alone");
}

#[test]
fn images_are_pinned_by_digest() {
    let versions = fs::read_to_string(in_package("../istio/platform/versions.env")).unwrap();
    let images: Vec<_> = versions.lines().filter_map(|line| line.split_once("_IMAGE=")).collect();
    assert_eq!(images.len(), 3);
    for (name, image) in images {
        let digest = image.split_once("@sha256:").unwrap_or_else(|| panic!("{name} has no digest")).1;
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {digest}");
    }
}
