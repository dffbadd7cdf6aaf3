//! `istioctl analyze` reads the manifests without a cluster: references between them, and each kind's own rules.
//!
//! istioctl cannot be had from the registries that the rest comes from. So this is ignored, which every run of the tests shows, unless
//! `./build.sh test` finds one on PATH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use test_harness::bootstrap::repository;
use test_harness::istio::chart::{self, EXAMPLES};

#[test]
#[ignore = "needs istioctl: ./build.sh test runs it where there is one on PATH"]
fn istioctl_has_nothing_to_say() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("certificate.yaml"), certificate(directory.path())).unwrap();
    for example in EXAMPLES {
        let analyze = ["analyze", "--use-kube=false", "--failure-threshold", "Warning", "certificate.yaml"];
        let cluster = repository().join("test-harness/tests/istio/cluster.yaml");
        let manifests = fs::read_dir(example_directory(example)).unwrap().map(|file| file.unwrap().path());
        run(Command::new("istioctl").current_dir(&directory).args(analyze).arg(cluster).args(manifests));
    }
}

fn example_directory(name: &str) -> PathBuf {
    chart::example(name).join("manifests")
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
