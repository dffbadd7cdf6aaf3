//! A linker that leaves unused callbacks out of the module.
//!
//! rustc asks the linker for each export (`--export NAME`). What is not asked for, `--gc-sections` drops, and all code that only
//! it needs. cargo takes one path for a linker and no arguments, so there is a script that calls this program back.

use crate::callbacks;
use anyhow::{Context, Result};
use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the path of the linker.
pub(crate) fn make(root: &Path, lld: &Path) -> Result<()> {
    let program = std::env::current_exe().context("where is this program?")?;
    let directory = std::path::absolute(root)?.join("target/wasm-ld");
    println!("{}", write(&directory, &script(&program, lld, &callbacks::unused(root)?))?.display());
    Ok(())
}

/// Becomes lld, with the arguments that remain.
pub(crate) fn link(lld: &Path, without: &[String], arguments: Vec<OsString>) -> Result<()> {
    let error = Command::new(lld).args(["-flavor", "wasm"]).args(kept(arguments, without)).exec();
    Err(error).with_context(|| format!("cannot run {}", lld.display()))
}

fn script(program: &Path, lld: &Path, unused: &[&str]) -> String {
    let without: String = unused.iter().map(|callback| format!(" --without {callback}")).collect();
    format!(
        "#!/bin/sh\n# A linker for the module: see xtask/src/linker.rs.\nexec {} link --lld {}{without} -- \"$@\"\n",
        quoted(program),
        quoted(lld)
    )
}

/// For a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// cargo links again when the linker's path changes, not when the file does: so the path tells what is in it.
fn write(directory: &Path, script: &str) -> Result<PathBuf> {
    let mut hash = DefaultHasher::new();
    script.hash(&mut hash);
    let directory = directory.join(format!("{:016x}", hash.finish()));
    let path = directory.join("wasm-ld");
    fs::create_dir_all(&directory)?;
    fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Without the unwanted exports, and without the flavor, which comes first for lld.
fn kept(arguments: Vec<OsString>, without: &[String]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut rest = arguments.into_iter().peekable();
    while let Some(argument) = rest.next() {
        let unwanted = |next: &OsString| without.iter().any(|symbol| next == OsStr::new(symbol));
        let is_dropped = argument == "-flavor" || argument == "--export" && rest.peek().is_some_and(unwanted);
        if is_dropped {
            rest.next();
        } else {
            kept.push(argument);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unwanted_exports_and_the_flavor_are_dropped() {
        for (arguments, expected) in [
            ("--export proxy_on_log --export proxy_on_tick", "--export proxy_on_tick"),
            ("-flavor wasm a.o --export proxy_on_log -o out", "a.o -o out"),
            ("--export proxy_on_logs", "--export proxy_on_logs"),
            ("a.o proxy_on_log", "a.o proxy_on_log"),
            ("--export", "--export"),
            ("--export --export proxy_on_log", "--export"),
            ("", ""),
        ] {
            let arguments = arguments.split_whitespace().map(OsString::from).collect();
            let kept = kept(arguments, &["proxy_on_log".into(), "proxy_on_done".into()]);
            assert_eq!(kept.join(OsStr::new(" ")), expected);
        }
    }

    #[test]
    fn the_script_calls_back_with_everything_that_it_was_called_with() {
        let directory = tempfile::tempdir().unwrap();
        let script = script(Path::new("/bin/echo"), Path::new("/it's here/lld"), &["proxy_on_log", "proxy_on_done"]);
        let linker = write(directory.path(), &script).unwrap();
        assert_eq!(fs::metadata(&linker).unwrap().permissions().mode() & 0o111, 0o111);
        // Not run by its own name: a test beside this one may have forked while the file was open for writing.
        let output = Command::new("sh").arg(linker).args(["--export", "a b"]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "link --lld /it's here/lld --without proxy_on_log --without proxy_on_done -- --export a b\n"
        );
    }

    #[test]
    fn the_path_changes_with_what_the_linker_leaves_out_and_only_then() {
        let directory = tempfile::tempdir().unwrap();
        let path = |unused| write(directory.path(), &script(Path::new("/xtask"), Path::new("/lld"), unused)).unwrap();
        assert_eq!(path(&["proxy_on_log"]), path(&["proxy_on_log"]));
        assert_ne!(path(&["proxy_on_log"]), path(&[]));
    }
}
