//! `istioctl analyze` reads the manifests without a cluster: references between them, and each kind's own rules.
//!
//! istioctl cannot be had from the registries that the rest comes from. So this is ignored, which every run of the tests shows, unless
//! `./build.sh test` finds one on PATH.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use test_harness::bootstrap::repository;
use test_harness::istio::chart::EXAMPLES;
use test_harness::istio::manifests;

#[test]
#[ignore = "needs istioctl: ./build.sh test runs it where there is one on PATH"]
fn istioctl_has_nothing_to_say() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("certificate.yaml"), certificate(directory.path())).unwrap();
    for example in EXAMPLES {
        let manifests = manifests::of_example(example).unwrap();
        analyzed(directory.path(), &manifests).unwrap_or_else(|said| panic!("{example}: {said}"));
    }
    let mut wrong = manifests::of_example("t1").unwrap();
    let routes = wrong.iter_mut().find(|it| it["kind"] == "VirtualService").unwrap();
    routes["spec"]["http"][0]["route"][0]["destination"]["subset"] = "nowhere".into();
    let said = analyzed(directory.path(), &wrong).unwrap_err();
    assert!(said.contains("IST0101"), "{said}");
}

/// Nothing, or what istioctl has to say of these manifests: but not that EnvoyFilters are for those who know Envoy.
fn analyzed(directory: &Path, manifests: &[Value]) -> Result<(), String> {
    let text: Vec<_> = manifests.iter().map(Value::to_string).collect();
    fs::write(directory.join("manifests.yaml"), text.join("\n---\n")).unwrap();
    let output = Command::new("istioctl")
        .current_dir(directory)
        .args(["analyze", "--all-namespaces", "--use-kube=false", "--failure-threshold", "Warning"])
        .args(["--suppress", "IST0133=EnvoyFilter *", "manifests.yaml", "certificate.yaml"])
        .arg(repository().join("test-harness/tests/istio/cluster.yaml"))
        .output()
        .expect("istioctl");
    let said = [&output.stdout[..], &output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

/// The Gateway's secret. istioctl looks into it.
fn certificate(directory: &Path) -> String {
    let request = ["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1", "-subj", "/CN=shop.example.com"];
    run(Command::new("openssl").current_dir(directory).args(request).args(["-keyout", "key.pem", "-out", "cert.pem"]));
    let secret = [
        "create",
        "secret",
        "tls",
        "shop-example-com",
        "--namespace",
        "istio-ingress",
        "--dry-run=client",
        "--output=yaml",
    ];
    let files = ["--cert=cert.pem", "--key=key.pem"];
    let secret = run(Command::new("kubectl").current_dir(directory).args(secret).args(files));
    String::from_utf8(secret).unwrap()
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&said));
    output.stdout
}
