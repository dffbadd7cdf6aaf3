//! The fuzz targets: built for libFuzzer with a stable Rust, run for a time, or run again with an input that did harm.

use crate::sources::rust_files;
use crate::terminal::{loud, say};
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use xshell::{Shell, cmd};

/// What cargo-fuzz would pass to rustc for a build without a sanitizer, which safe code has no use for. Stable Rust takes all of
/// it, while cargo-fuzz asks for a nightly one and minutes of building it: so there is no cargo-fuzz here.
const FLAGS: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// What a person can ask for.
#[derive(Debug, PartialEq)]
enum Wish {
    Seconds(u64),
    Again(Vec<PathBuf>),
}

pub(crate) fn run(root: &Path, from: &Path, arguments: &[String]) -> Result<()> {
    match wish(from, arguments)? {
        Wish::Seconds(seconds) => {
            let targets = targets(root)?;
            let each = share(seconds, targets.len())?;
            run_all(root, &build(root)?, &targets, each)
        }
        Wish::Again(inputs) => {
            let binaries = build(root)?;
            inputs.iter().try_for_each(|input| run_again(&binaries, input))
        }
    }
}

fn wish(from: &Path, arguments: &[String]) -> Result<Wish> {
    match arguments {
        [seconds] if seconds.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Wish::Seconds(seconds.parse()?)),
        inputs => Ok(Wish::Again(inputs.iter().map(|input| from.join(input)).collect())),
    }
}

/// Returns the directory with the targets.
fn build(root: &Path) -> Result<PathBuf> {
    let shell = Shell::new()?;
    say("Fuzz targets");
    let host = cmd!(shell, "rustc --print host-tuple").quiet().read()?;
    let directory = root.join("target/fuzz/build");
    // With a --target the flags do not reach build scripts, which would not link with them.
    cmd!(shell, "cargo build --manifest-path fuzz/Cargo.toml --bins --locked --target {host} --target-dir {directory}")
        .env("RUSTFLAGS", FLAGS.join(" "))
        .run()?;
    Ok(directory.join(host).join("debug"))
}

fn run_all(root: &Path, binaries: &Path, targets: &[String], each: u64) -> Result<()> {
    say(&format!("Fuzzing: {} targets, {each} s each", targets.len()));
    let mut failed = 0;
    for target in targets {
        let Outcome { inputs, harm } = run_target(root, &binaries.join(target), target, each)?;
        match harm {
            None => println!("{target}: {inputs} inputs, none did harm"),
            Some(harm) => {
                failed += 1;
                loud(&harm);
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} fuzz targets failed", targets.len());
    Ok(())
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let sources = rust_files(&root.join("fuzz/fuzz_targets"))?;
    Ok(sources.iter().filter_map(|source| Some(source.file_stem()?.to_str()?.to_owned())).collect())
}

/// Seconds for each target.
fn share(seconds: u64, targets: usize) -> Result<u64> {
    let targets = u64::try_from(targets)?;
    let each = seconds.checked_div(targets).context("there are no fuzz targets")?;
    ensure!(each > 0, "fuzz needs {targets} seconds at least, one for each target");
    Ok(each)
}

struct Outcome {
    inputs: String,
    harm: Option<String>,
}

/// New finds are kept under target/; the corpora in the repository are only read, and so are the inputs that made the target
/// fail before.
fn run_target(root: &Path, binary: &Path, target: &str, seconds: u64) -> Result<Outcome> {
    let found = root.join("target/fuzz/corpus").join(target);
    let artifacts = root.join("fuzz/artifacts").join(target);
    let log = root.join("target/fuzz").join(format!("{target}.log"));
    for directory in [&found, &artifacts] {
        fs::create_dir_all(directory)?;
    }
    let output = File::create(&log)?;
    let status = Command::new(binary)
        .args([&format!("-max_total_time={seconds}"), "-timeout=10", "-print_final_stats=1"])
        .arg(format!("-dict={}", root.join("fuzz/dictionary").display()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([&found, &seeds(root, target), &artifacts])
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let harm = (!status.success()).then(|| harm(target, &text, &log));
    Ok(Outcome { inputs: after(&text, "stat::number_of_executed_units:").into(), harm })
}

/// A configuration's inputs are those of the tests.
fn seeds(root: &Path, target: &str) -> PathBuf {
    match target {
        "configuration" => root.join("tests/config/valid"),
        _ => root.join("fuzz/corpus").join(target),
    }
}

/// What a person needs to know of a run that failed.
fn harm(target: &str, log: &str, path: &Path) -> String {
    let noise = ["#", "INFO:", "WARNING:", "Dictionary:", "stat::"];
    let is_noise = |line: &str| noise.iter().any(|start| line.starts_with(start)) || line.contains("NEW_FUNC");
    let told: String = log.lines().filter(|line| !is_noise(line)).map(|line| format!("{line}\n")).collect();
    format!(
        "{target} failed:\n{told}The whole output is in {}. Once more, with the input that did it:\n./build.sh fuzz {}",
        path.display(),
        after(log, "Test unit written to ")
    )
}

/// The rest of the first line with these words in it.
fn after<'a>(log: &'a str, words: &str) -> &'a str {
    log.lines().find_map(|line| line.split_once(words)).map_or("", |(_, rest)| rest.trim())
}

/// An input lies in a directory with its target's name.
fn run_again(binaries: &Path, input: &Path) -> Result<()> {
    let target = input.parent().and_then(Path::file_name).map(|target| binaries.join(target));
    let Some(binary) = target.filter(|binary| input.is_file() && binary.is_file()) else {
        bail!("{} is no file in a directory with a fuzz target's name", input.display());
    };
    let status = Command::new(binary).arg("-timeout=10").arg(input).status()?;
    ensure!(status.success(), "{}: {status}", input.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: Seed: 1\n#2\tINITED\npanicked at 'so much'\nWARNING: slow\nNEW_FUNC[1/2]\n\
        Test unit written to ./fuzz/artifacts/cache/crash-1\nstat::number_of_executed_units: 42\n";

    #[test]
    fn one_number_is_a_time_and_everything_else_is_inputs() {
        for (arguments, expected) in [
            (&["60"][..], Wish::Seconds(60)),
            (&["60s"], Wish::Again(vec!["/here/60s".into()])),
            (&["60", "70"], Wish::Again(vec!["/here/60".into(), "/here/70".into()])),
            (&["a/b", "/c/d"], Wish::Again(vec!["/here/a/b".into(), "/c/d".into()])),
        ] {
            let arguments: Vec<String> = arguments.iter().copied().map(String::from).collect();
            assert_eq!(wish(Path::new("/here"), &arguments).unwrap(), expected);
        }
    }

    #[test]
    fn every_target_gets_the_same_time_and_some() {
        for (seconds, targets, expected) in
            [(60, 9, Some(6)), (9, 9, Some(1)), (8, 9, None), (0, 9, None), (60, 0, None)]
        {
            assert_eq!(share(seconds, targets).ok(), expected, "{seconds} s for {targets}");
        }
    }

    #[test]
    fn of_a_failure_the_fault_is_told_and_how_to_see_it_again() {
        let harm = harm("cache", LOG, Path::new("log"));
        assert!(harm.starts_with("cache failed:\npanicked at 'so much'\nTest unit"), "{harm}");
        assert!(harm.ends_with(
            "in log. Once more, with the input that did it:\n./build.sh fuzz ./fuzz/artifacts/cache/crash-1"
        ));
    }

    fn root_with_target(target: &str, script: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let [source, binary] = ["source", target].map(|name| root.path().join(name));
        fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
        // By another process: were it open for writing here, a test beside this one could fork and keep it open.
        let install = Command::new("install").arg("--mode=755").args([&source, &binary]).status().unwrap();
        assert!(install.success());
        fs::create_dir(root.path().join("target")).unwrap();
        (root, binary)
    }

    #[test]
    fn a_target_that_ends_well_did_no_harm() {
        let (root, binary) = root_with_target("cache", "echo \"$1 $#\"; echo stat::number_of_executed_units: 42");
        let Outcome { inputs, harm } = run_target(root.path(), &binary, "cache", 7).unwrap();
        assert_eq!((inputs.as_str(), harm), ("42", None));
        let log = fs::read_to_string(root.path().join("target/fuzz/cache.log")).unwrap();
        assert!(log.starts_with("-max_total_time=7 8\n"), "{log}");
    }

    #[test]
    fn a_target_that_fails_is_told_with_what_it_said_on_either_stream() {
        let (root, binary) = root_with_target("cache", "echo out; echo err >&2; exit 77");
        let harm = run_target(root.path(), &binary, "cache", 7).unwrap().harm.unwrap();
        assert!(harm.contains("out\nerr\n"), "{harm}");
    }

    #[test]
    fn an_input_is_run_again_by_the_target_that_its_directory_names() {
        let (root, _) = root_with_target("cache", "test \"$(cat \"$2\")\" = harmless");
        let input = |directory: &str, content: &str| {
            let input = root.path().join("artifacts").join(directory).join("crash-1");
            fs::create_dir_all(input.parent().unwrap()).unwrap();
            fs::write(&input, content).unwrap();
            input
        };
        assert!(run_again(root.path(), &input("cache", "harmless")).is_ok());
        assert!(run_again(root.path(), &input("cache", "harmful")).is_err());
        assert!(run_again(root.path(), &input("another", "harmless")).is_err());
        assert!(run_again(root.path(), &root.path().join("artifacts/cache/crash-2")).is_err());
    }
}
