//! What `build.sh` does once it has its tools. People type `./build.sh`; only that, and rustc, calls this.
//!
//! It runs in the repository's root.

mod callbacks;
mod checks;
mod fuzz;
mod invariants;
mod linker;
mod module;
mod pause;
mod sources;
mod terminal;

use anyhow::Result;
use clap::Parser;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "What ./build.sh does once it has its tools.")]
enum Task {
    /// Makes the linker for the module, which leaves unused callbacks out, and prints its path.
    Linker {
        /// The linker underneath: LLVM's lld.
        lld: PathBuf,
    },
    /// What that linker does.
    Link {
        #[arg(long)]
        lld: PathBuf,
        /// A symbol not to export.
        #[arg(long)]
        without: Vec<String>,
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Shrinks the module that cargo built, if it exports nothing unused; fails if it is over its budget then.
    Module { built: PathBuf, output: PathBuf, wasm_opt: PathBuf },
    /// Fuzzes every target for so many seconds in all, or one of them with an input again.
    Fuzz {
        /// The directory that inputs are relative to.
        #[arg(long)]
        from: PathBuf,
        #[arg(value_name = "SECONDS | INPUT", required = true)]
        arguments: Vec<String>,
    },
    /// Format, invariants, lints and docs, natively.
    Check,
    /// Every shell script.
    CheckShell { shellcheck: PathBuf },
    /// Bans, licences, sources, and advisories where their database can be reached.
    CheckDependencies { cargo_deny: PathBuf },
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("build.sh: {error:#}"); // what a person typed
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let root = Path::new(".");
    match task {
        Task::Linker { lld } => linker::make(root, &lld),
        Task::Link { lld, without, arguments } => linker::link(&lld, &without, arguments),
        Task::Module { built, output, wasm_opt } => module::finish(root, &built, &output, &wasm_opt),
        Task::Fuzz { from, arguments } => fuzz::run(root, &from, &arguments),
        Task::Check => checks::natively(root),
        Task::CheckShell { shellcheck } => checks::shell(root, &shellcheck),
        Task::CheckDependencies { cargo_deny } => checks::dependencies(&cargo_deny),
    }
}
