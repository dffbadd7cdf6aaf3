//! Invariants of the repository that no compiler holds.

use crate::sources::{is_comment, read, rust_files, words};
use crate::terminal::say;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) fn check(root: &Path) -> Result<()> {
    say("Invariant: only src/filter/ names proxy_wasm");
    let named = sdk_outside_the_filter(root)?;
    ensure!(named.is_empty(), "proxy_wasm is named outside src/filter/:\n{}", named.join("\n"));

    say("Invariant: what fuzz/Cargo.lock and Cargo.lock both have, they have in the same version");
    let [ours, fuzzed] = ["Cargo.lock", "fuzz/Cargo.lock"].map(|lock| packages(&root.join(lock)));
    let other = other_versions(&ours?, &fuzzed?);
    ensure!(other.is_empty(), "fuzz/Cargo.lock has other versions than Cargo.lock: {}", other.join(", "));
    Ok(())
}

fn sdk_outside_the_filter(root: &Path) -> Result<Vec<String>> {
    let filter = root.join("src/filter");
    let mut named = Vec::new();
    for file in rust_files(&root.join("src"))?.iter().filter(|file| !file.starts_with(&filter)) {
        let lines = naming(&read(file)?, "proxy_wasm");
        named.extend(lines.into_iter().map(|line| format!("{}:{line}", file.display())));
    }
    Ok(named)
}

/// The lines of code with this word in them, and their numbers.
fn naming(source: &str, name: &str) -> Vec<String> {
    let names = |line: &str| !is_comment(line) && words(line).any(|word| word == name);
    source.lines().zip(1..).filter(|(line, _)| names(line)).map(|(line, number)| format!("{number}:{line}")).collect()
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize, Eq, Ord, PartialEq, PartialOrd)]
struct Package {
    name: String,
    version: String,
}

type Packages = BTreeSet<Package>;

fn packages(lock: &Path) -> Result<Packages> {
    let locked: Lock = toml::from_str(&read(lock)?).with_context(|| format!("cannot read {}", lock.display()))?;
    Ok(locked.package.into_iter().collect())
}

/// What is fuzzed has to be what is shipped.
fn other_versions(ours: &Packages, fuzzed: &Packages) -> Vec<String> {
    let ours_too = |package: &&Package| ours.iter().any(|other| other.name == package.name);
    fuzzed.difference(ours).filter(ours_too).map(|package| format!("{} {}", package.name, package.version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn lock(packages: &[(&str, &str)]) -> String {
        let package = |(name, version)| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        format!("version = 4\n{}", packages.iter().copied().map(package).collect::<String>())
    }

    #[test]
    fn a_name_counts_in_code_alone_and_as_a_whole_word() {
        for (source, expected) in [
            ("use proxy_wasm::hostcalls;", vec!["1:use proxy_wasm::hostcalls;"]),
            ("\n    extern crate proxy_wasm;", vec!["2:    extern crate proxy_wasm;"]),
            ("f(); // not proxy_wasm", vec!["1:f(); // not proxy_wasm"]),
            ("// proxy_wasm\n    /// proxy_wasm", vec![]),
            ("let proxy_wasm_version = 1;", vec![]),
        ] {
            assert_eq!(naming(source, "proxy_wasm"), expected, "{source}");
        }
    }

    #[test]
    fn the_sdk_may_be_named_in_the_filter_and_nowhere_else() {
        let filter = ("src/filter/root.rs", "use proxy_wasm::types;");
        assert!(sdk_outside_the_filter(tree(&[filter, ("src/lib.rs", "mod filter;")]).path()).unwrap().is_empty());
        let named = sdk_outside_the_filter(tree(&[filter, ("src/config/a.rs", filter.1)]).path()).unwrap();
        assert!(
            matches!(&named[..], [line] if line.ends_with("src/config/a.rs:1:use proxy_wasm::types;")),
            "{named:?}"
        );
    }

    #[test]
    fn shared_packages_have_to_have_a_version_in_common() {
        let ours = [("serde", "1.0.1"), ("hashbrown", "0.15.0"), ("hashbrown", "0.16.0")];
        for (fuzzed, expected) in [
            (&[("serde", "1.0.1"), ("cc", "1.2.0")][..], &[][..]),
            (&[("hashbrown", "0.16.0")], &[]),
            (&[("hashbrown", "0.17.0")], &["hashbrown 0.17.0"]),
            (&[("serde", "1.0.2"), ("cc", "1.2.0")], &["serde 1.0.2"]),
        ] {
            let root = tree(&[("Cargo.lock", &lock(&ours)), ("fuzz/Cargo.lock", &lock(fuzzed))]);
            let [ours, fuzzed] =
                ["Cargo.lock", "fuzz/Cargo.lock"].map(|path| packages(&root.path().join(path)).unwrap());
            assert_eq!(other_versions(&ours, &fuzzed), expected);
        }
    }
}
