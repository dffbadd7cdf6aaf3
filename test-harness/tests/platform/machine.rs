//! A machine for `istio/platform/platform.sh`: a copy of the scripts, and a PATH with nothing on it but what is put there.
//!
//! The tools that the platform is built with are `fake.sh` under their names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What any Linux has, and the scripts or the fakes use.
const ORDINARY: [&str; 21] = [
    "awk", "base64", "basename", "bash", "cat", "chmod", "cmp", "cp", "dirname", "env", "grep", "head", "ls", "mkdir",
    "rm", "sed", "sort", "tail", "timeout", "touch", "uniq",
];

/// The tools that have a fake, with what they say about their version: the versions that are asked for.
const TOOLS: [(&str, &str); 8] = [
    ("docker", "28.2.2"),
    ("kind", "kind v0.33.0 go1.26.5 linux/amd64"),
    ("kubectl", "Client Version: v1.35.1\nKustomize Version: v5.7.1"),
    ("istioctl", "client version: 1.30.5"),
    ("helm", "v3.17.3+ge4da497"),
    ("openssl", "OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19 27 Jan 2026)"),
    ("curl", "curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1"),
    ("sha256sum", ""),
];

pub(crate) struct Machine {
    directory: TempDir,
}

/// What a run of a script left.
pub(crate) struct Run {
    pub(crate) succeeded: bool,
    pub(crate) printed: String,
    pub(crate) complained: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self { directory: tempfile::tempdir().unwrap() };
        let fake = in_package("tests/platform/fake.sh");
        for folder in
            ["bin", "ordinary", "fake/clusters", "fake/containers", "fake/paused", "fake/secrets", "fake/versions"]
        {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        copy(&in_package("../istio/platform"), &machine.path("root/istio/platform"));
        symlink(&fake, machine.path("root/build.sh")).unwrap();
        for name in ORDINARY {
            symlink(real(name), machine.path("ordinary").join(name)).unwrap();
        }
        for (name, version) in TOOLS {
            symlink(&fake, machine.path("bin").join(name)).unwrap();
            machine.says_its_version_is(name, version);
        }
        symlink(real("sha256sum"), machine.path("fake/sha256sum")).unwrap();
        machine.docker_keeps_images_in("containerd");
        machine.docker_runs_under_cgroup("2");
        fs::write(machine.path("fake/images"), "").unwrap();
        machine.docker_uses("fc00:f853:ccd:e793::/64\n172.18.0.0/16\n");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn has_not(&self, tool: &str) {
        fs::remove_file(self.path("bin").join(tool)).unwrap();
    }

    pub(crate) fn has_the_real(&self, tool: &str) {
        self.has_not(tool);
        symlink(real(tool), self.path("bin").join(tool)).unwrap();
    }

    pub(crate) fn says_its_version_is(&self, tool: &str, version: &str) {
        fs::write(self.path("fake/versions").join(tool), version).unwrap();
    }

    pub(crate) fn docker_uses(&self, subnets: &str) {
        fs::write(self.path("fake/subnets"), subnets).unwrap();
    }

    /// `containerd`, the default since Docker 29, or `overlay2`: what each of them has pushed was different.
    pub(crate) fn docker_keeps_images_in(&self, store: &str) {
        fs::write(self.path("fake/store"), store).unwrap();
        fs::copy(in_package(&format!("tests/platform/pushed/{store}.json")), self.path("fake/pushes")).unwrap();
    }

    pub(crate) fn docker_runs_under_cgroup(&self, version: &str) {
        fs::write(self.path("fake/cgroups"), version).unwrap();
    }

    /// From now on, calls that match the pattern fail; `None`: all succeed again.
    pub(crate) fn fails(&self, pattern: Option<&str>) {
        fs::write(self.path("fake/fails"), pattern.unwrap_or_default()).unwrap();
    }

    pub(crate) fn platform(&self, arguments: &[&str]) -> Run {
        self.platform_with("", arguments)
    }

    pub(crate) fn platform_with(&self, regions: &str, arguments: &[&str]) -> Run {
        self.bash(&self.path("root/istio/platform/platform.sh"), regions, arguments)
    }

    /// Runs a script from the root of the copy, with nothing in its environment but PATH and REGIONS.
    pub(crate) fn bash(&self, script: &Path, regions: &str, arguments: &[&str]) -> Run {
        let output = Command::new(self.path("ordinary/bash"))
            .arg(script)
            .args(arguments)
            .current_dir(self.path("root"))
            .env_clear()
            .env("PATH", [self.path("bin"), self.path("ordinary")].map(|path| path.display().to_string()).join(":"))
            .env("FAKE", self.path("fake"))
            .env("REGIONS", regions)
            .output()
            .unwrap();
        Run::from(output)
    }

    /// Every call of a fake so far, in order, each with what it was given on standard input.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("fake/calls")).unwrap_or_default();
        let mut calls: Vec<String> = Vec::new();
        for line in log.lines() {
            match calls.last_mut() {
                Some(call) if line.starts_with("    ") => *call = format!("{call}\n{line}"),
                _ => calls.push(line.to_owned()),
            }
        }
        calls
    }

    /// The calls so far that do more than ask what there is on this machine.
    pub(crate) fn calls_but_for_questions(&self) -> Vec<String> {
        let questions = [" version", " --version", "docker info "];
        let is_question = |call: &String| questions.iter().any(|question| call.contains(question));
        self.calls().into_iter().filter(|call| !is_question(call)).collect()
    }

    /// The calls since the last time this was asked.
    pub(crate) fn new_calls(&self) -> Vec<String> {
        let calls = self.calls();
        fs::write(self.path("fake/calls"), "").unwrap();
        calls
    }

    /// The names of the nodes that are frozen.
    pub(crate) fn paused(&self) -> Vec<String> {
        names(&self.path("fake/paused"))
    }

    pub(crate) fn clusters(&self) -> Vec<String> {
        names(&self.path("fake/clusters"))
    }

    /// A file in the root of the copy.
    pub(crate) fn in_root(&self, path: &str) -> PathBuf {
        self.path("root").join(path)
    }
}

impl Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { succeeded: output.status.success(), printed: text(output.stdout), complained: text(output.stderr) }
    }

    /// What it printed, provided that all went well.
    #[track_caller]
    pub(crate) fn expect(self) -> String {
        assert!(self.succeeded, "{}\n{}", self.printed, self.complained);
        self.printed
    }

    /// What it complained about, provided that it failed.
    #[track_caller]
    pub(crate) fn expect_failure(self) -> String {
        assert!(!self.succeeded, "{}", self.printed);
        self.complained
    }
}

pub(crate) fn in_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where this machine has a program.
fn real(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not on PATH"))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().extension() != Some(OsStr::new("md")) {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
