//! From what cargo built to the module that is shipped: no export that is unused, small, and within its budget.

use crate::{callbacks, pause};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use wasmparser::{Parser, Payload};

/// The design's budget for the module, in bytes.
const BUDGET: u64 = 450_000;

/// What rustc's wasm targets use. It is spelt out because the linker strips the section that would say so. Envoy has all of it.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

pub(crate) fn finish(root: &Path, built: &Path, output: &Path, wasm_opt: &Path) -> Result<()> {
    let module = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    ensure_unexported(&module, &callbacks::unused(root)?)?;
    let pausing = built.with_extension("pausing.wasm");
    fs::write(&pausing, pause::all_of_it(&module)?)?;
    shrink(&pausing, output, wasm_opt)?;
    let size = fs::metadata(output)?.len();
    println!("{}: {size} bytes, {} before wasm-opt", output.display(), module.len());
    keep_within(BUDGET, size, output)
}

fn ensure_unexported(module: &[u8], unused: &[&str]) -> Result<()> {
    let exported = exports(module)?;
    let wrong: Vec<&str> = unused.iter().copied().filter(|callback| exported.contains(callback)).collect();
    ensure!(wrong.is_empty(), "the module still exports what src/filter/ does not use: {}", wrong.join(", "));
    Ok(())
}

/// The names that a module exports.
fn exports(module: &[u8]) -> Result<Vec<&str>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload.context("it is no WebAssembly module")? {
            for export in section {
                names.push(export?.name);
            }
        }
    }
    Ok(names)
}

/// A sixth smaller, and no slower.
fn shrink(built: &Path, output: &Path, wasm_opt: &Path) -> Result<()> {
    if let Some(directory) = output.parent() {
        fs::create_dir_all(directory)?;
    }
    let status = Command::new(wasm_opt).args(FEATURES).arg("-Oz").arg(built).arg("-o").arg(output).status();
    let status = status.with_context(|| format!("cannot run {}", wasm_opt.display()))?;
    ensure!(status.success(), "{}: {status}", wasm_opt.display());
    Ok(())
}

/// A module over its budget is not left where somebody would ship it.
fn keep_within(budget: u64, size: u64, module: &Path) -> Result<()> {
    if size > budget {
        fs::remove_file(module)?;
        bail!("the module has {size} bytes, and its budget is {budget}; it is removed: {}", module.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type, a function of it, exports of that function, and its empty body.
    fn module(exports: &[&str]) -> Vec<u8> {
        let byte = |length: usize| u8::try_from(length).unwrap();
        let mut section = vec![byte(exports.len())];
        for name in exports {
            section.push(byte(name.len()));
            section.extend(name.bytes().chain([0, 0]));
        }
        let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07".to_vec();
        module.push(byte(section.len()));
        module.extend(section);
        module.extend(b"\x0a\x04\x01\x02\0\x0b");
        module
    }

    #[test]
    fn an_unused_callback_may_not_be_exported() {
        let module = module(&["proxy_on_log", "proxy_on_tick"]);
        for (unused, is_right) in [
            (&["proxy_on_done"][..], true),
            (&["proxy_on_lo", "proxy_on_logs"], true),
            (&[], true),
            (&["proxy_on_log"], false),
            (&["proxy_on_done", "proxy_on_tick"], false),
        ] {
            assert_eq!(ensure_unexported(&module, unused).is_ok(), is_right, "{unused:?}");
        }
        assert!(ensure_unexported(b"#!/bin/sh", &[]).is_err());
    }

    #[test]
    fn a_module_over_its_budget_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        for (size, is_kept) in [(99, true), (100, true), (101, false)] {
            let path = directory.path().join("greatcircle.wasm");
            fs::write(&path, "module").unwrap();
            assert_eq!(keep_within(100, size, &path).is_ok(), is_kept, "{size}");
            assert_eq!(path.exists(), is_kept, "{size}");
        }
    }
}
