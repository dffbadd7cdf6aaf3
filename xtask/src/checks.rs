//! The sequences of `./build.sh check`, each command as a person would type it.

use crate::invariants;
use crate::terminal::{loud, say};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// What needs neither the wasm target nor a tool that is not Rust's.
pub(crate) fn natively(root: &Path) -> Result<()> {
    let shell = Shell::new()?;
    say("Format");
    cmd!(shell, "cargo fmt --all --check").run()?;
    cmd!(shell, "cargo fmt --manifest-path fuzz/Cargo.toml --check").run()?;
    invariants::check(root)?;
    say("Lints: the workspace, natively");
    cmd!(shell, "cargo clippy --workspace --all-targets --locked -- -D warnings").run()?;
    say("Lints: the fuzz targets");
    let fuzz = "fuzz/Cargo.toml"; // without the engine, which is C++
    cmd!(shell, "cargo clippy --manifest-path {fuzz} --all-targets --no-default-features --locked -- -D warnings")
        .run()?;
    say("Docs: the workspace, natively");
    cmd!(shell, "cargo doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings").run()?;
    Ok(())
}

pub(crate) fn shell(root: &Path, shellcheck: &Path) -> Result<()> {
    say("Shell scripts");
    let scripts = shell_scripts(root)?;
    let shell = Shell::new()?;
    cmd!(shell, "{shellcheck} {scripts...} .ci/run").run()?;
    Ok(())
}

/// Every `*.sh` but what was built, in order.
fn shell_scripts(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let is_ours = !["target", "dist", ".git"].iter().any(|name| entry.file_name() == *name);
        if entry.file_type()?.is_dir() && is_ours {
            scripts.extend(shell_scripts(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "sh") {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}

pub(crate) fn dependencies(cargo_deny: &Path) -> Result<()> {
    say("Dependencies: bans, licences, sources");
    deny(cargo_deny, &["bans", "licenses", "sources"])?;
    say("Dependencies: advisories");
    if is_github_reachable()? {
        deny(cargo_deny, &["advisories"])?;
    } else {
        loud("NOT CHECKED: advisories. Their database is on github.com, which cannot be reached from here.");
    }
    Ok(())
}

/// Two workspaces and one deny.toml: neither has every crate that an exception names.
fn deny(cargo_deny: &Path, what: &[&str]) -> Result<()> {
    let shell = Shell::new()?;
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let workspace = ["--manifest-path", manifest, "--config", "deny.toml", "--workspace", "--locked"];
        cmd!(shell, "{cargo_deny} {workspace...} check -A license-exception-not-encountered {what...}").run()?;
    }
    Ok(())
}

fn is_github_reachable() -> Result<bool> {
    let database = "https://github.com/rustsec/advisory-db";
    let shell = Shell::new()?;
    let asked = cmd!(shell, "timeout 20 git ls-remote --quiet {database} HEAD").env("GIT_TERMINAL_PROMPT", "0");
    Ok(asked.quiet().ignore_status().ignore_stdout().ignore_stderr().output()?.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_scripts_are_looked_for_everywhere_but_in_what_was_built() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for path in
            ["build.sh", "b/c/d.sh", "b/notes.md", "target/tools/x.sh", "dist/x.sh", ".git/hooks/x.sh", "b/target/x.sh"]
        {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        }
        assert_eq!(shell_scripts(root).unwrap(), ["b/c/d.sh", "build.sh"].map(|path| root.join(path)));
    }
}
