//! What `platform.sh` says when a tool is missing, a step fails, or a word is wrong; and that it touches nothing then.

use crate::TWO;
use crate::machine::Machine;
use std::fs;

#[test]
fn all_that_is_missing_is_named_at_once_and_nothing_is_touched() {
    let machine = Machine::new();
    machine.has_not("kind");
    machine.has_not("helm");
    machine.has_not("curl");
    machine.docker_runs_under_cgroup("1");
    machine.says_its_version_is("kubectl", "Client Version: v1.20.2");
    machine.says_its_version_is("istioctl", "client version: 1.31.0");
    machine.says_its_version_is("docker", ""); // no daemon
    let complained = machine.platform(&["up"]).expect_failure();
    let expected = "\
platform.sh: docker is there, but does not tell its version; at least 24.0.0 is needed: https://docs.docker.com/engine/install/, and its daemon has to run
platform.sh: kind is missing; at least 0.33.0 is needed: https://kind.sigs.k8s.io/docs/user/quick-start/
platform.sh: kubectl is 1.20.2; at least 1.34.0 is needed: https://kubernetes.io/docs/tasks/tools/
platform.sh: istioctl is 1.31.0; exactly 1.30.5 is needed: https://istio.io/latest/docs/setup/getting-started/
platform.sh: helm is missing; at least 3.14.0 is needed: https://helm.sh/docs/intro/install/
platform.sh: curl is missing; at least 7.68.0 is needed: your distribution has it
platform.sh: docker runs its containers under cgroup v1, and Kubernetes takes v2 only: a newer distribution, or systemd.unified_cgroup_hierarchy=1 on the kernel's command line
platform.sh: nothing was touched. The versions are those of istio/platform/versions.env
";
    assert_eq!(without_limits(&complained), expected);
    assert!(machine.calls_but_for_questions().is_empty(), "{:?}", machine.calls());
    assert!(!machine.in_root("target").exists());
}

/// Without what is said of limits of this very machine.
fn without_limits(complained: &str) -> String {
    complained.lines().filter(|line| !line.contains(" fs.inotify.")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_helm_that_is_too_old_is_refused() {
    let machine = Machine::new();
    machine.says_its_version_is("helm", "v3.9.4+gdbc6d8e");
    let complained = machine.platform(&["up"]).expect_failure();
    assert!(complained.contains("platform.sh: helm is 3.9.4; at least 3.14.0 is needed: "), "{complained}");
}

#[test]
fn limits_that_are_too_low_for_many_nodes_are_named_and_up_goes_on() {
    let run = Machine::new().platform(&["up"]);
    assert!(run.succeeded, "{}", run.complained);
    for (limit, minimum) in [("max_user_instances", 512), ("max_user_watches", 524_288)] {
        let here: u64 = fs::read_to_string(format!("/proc/sys/fs/inotify/{limit}")).unwrap().trim().parse().unwrap();
        let remedy = format!("sudo sysctl fs.inotify.{limit}={minimum}\n");
        assert_eq!(run.complained.contains(&remedy), here < minimum, "{limit} is {here}: {}", run.complained);
    }
}

#[test]
fn only_up_needs_the_tools_that_build() {
    let machine = Machine::new();
    machine.platform(&["up"]).expect();
    for tool in ["istioctl", "helm", "openssl", "curl"] {
        machine.has_not(tool);
    }
    machine.docker_runs_under_cgroup("1");
    for arguments in [&["status"][..], &["kill-zone", "us-east-1a"], &["heal"], &["down"]] {
        machine.platform(arguments).expect();
    }
}

#[test]
fn a_step_that_fails_says_what_it_was_and_what_to_do_and_the_next_up_goes_on_from_there() {
    // What fails, the step that names it, and a part of the advice.
    let failures = [
        ("^openssl x509 .*us-east", "Intermediate certificate of us-east", "see openssl's message"),
        ("^sha256sum", "MetalLB's manifest", "remove target/platform/metallb-native.yaml"),
        ("^kind create", "Cluster eu-west", "max_user_instances=512"),
        ("kind-us-east rollout .*speaker", "Addresses for load balancers in us-east", "--namespace metallb-system"),
        ("^docker run", "Registry", "127.0.0.1:5001"),
        ("^istioctl install .*kind-us-east", "Istio in us-east", "istioctl analyze --context kind-us-east"),
        (
            "^istioctl create-remote-secret .*kind-us-east",
            "What istiod in eu-west has to know",
            "istioctl remote-clusters",
        ),
        ("^build.sh image", "greatcircle's image", "./build.sh image says what it needs"),
        ("^curl .*manifests", "greatcircle's image", "whether the registry answers"),
        ("^helm upgrade .*kind-eu-west", "greatcircle in eu-west", "why a module is not loaded"),
    ];
    let machine = Machine::new();
    for (pattern, step, advice) in failures {
        machine.fails(Some(pattern));
        let complained = machine.platform(&["up"]).expect_failure();
        assert!(complained.contains(&format!("platform.sh: this failed: {step}")), "{pattern}: {complained}");
        assert!(complained.contains("What to do: ") && complained.contains(advice), "{pattern}: {complained}");
        assert!(complained.contains("Then run the same command again"), "{complained}");
        let calls = machine.new_calls();
        let failed = calls.last().unwrap_or_else(|| panic!("{pattern}: no calls"));
        assert!(!failed.contains("helm ") || pattern.contains("helm "), "{pattern}: it went on to {failed}");
    }
    machine.fails(None);
    machine.platform(&["up"]).expect();
    assert!(!machine.new_calls().iter().any(|call| call.starts_with("kind create") || call.starts_with("docker run")));
}

#[test]
fn clusters_with_another_root_are_noticed() {
    let machine = Machine::new();
    machine.platform(&["up"]).expect();
    fs::write(machine.in_root("target/platform/certs/root-cert.pem"), "another root").unwrap();
    let complained = machine.platform(&["up"]).expect_failure();
    assert!(complained.contains("this failed: Certificate authority of eu-west"), "{complained}");
    assert!(complained.contains("down, then up"), "{complained}");
}

#[test]
fn a_network_that_is_too_small_is_noticed() {
    let machine = Machine::new();
    machine.docker_uses("fc00:f853:ccd:e793::/64\n192.168.16.0/20\n");
    let complained = machine.platform(&["up"]).expect_failure();
    assert!(complained.contains("this failed: Docker's network of the nodes"), "{complained}");
    assert!(complained.contains("has to be a /16"), "{complained}");
}

#[test]
fn down_takes_only_what_was_built_here() {
    let machine = Machine::new();
    let printed = machine.platform(&["down"]).expect();
    assert!(printed.contains("no platform was built from here"), "{printed}");
    assert!(!machine.calls().iter().any(|call| call.contains("delete") || call.contains(" rm ")));
    machine.platform_with(TWO, &["down"]).expect();
}

#[test]
fn wrong_words_are_refused_before_anything_runs() {
    let ten = "eu-west eu-central eu-north us-east us-west sa-east af-south me-central ap-south oceania";
    let refusals: [(&str, &[&str], &str); 9] = [
        ("", &["kill-region", "mars"], "no region 'mars' here, but eu-west us-east\n"),
        ("", &["kill-zone", "eu-west"], "no zone 'eu-west' here, but eu-west-1a eu-west-1b us-east-1a us-east-1b\n"),
        ("", &["kill-region"], "kill-region takes one name\n"),
        ("", &["up", "eu-west"], "up takes no arguments\n"),
        ("", &["upp"], "no such command: upp\n"),
        ("", &["up", "--force"], "no such option: --force\n"),
        ("eu-west $(true)", &["up"], "no such region: '$(true)'"),
        ("eu-west eu-west", &["up"], "a region is named twice: eu-west eu-west\n"),
        (ten, &["up"], "at most 9 regions, not 10\n"),
    ];
    for (regions, arguments, refusal) in refusals {
        let machine = Machine::new();
        let complained = machine.platform_with(regions, arguments).expect_failure();
        assert!(complained.contains(&format!("platform.sh: {refusal}")), "{arguments:?}: {complained}");
        assert!(!complained.contains("this failed"), "{complained}");
        assert!(machine.calls_but_for_questions().is_empty(), "{:?}", machine.calls());
    }
}
