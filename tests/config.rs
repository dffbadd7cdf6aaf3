//! The configuration: what is refused and in which words, what is accepted and what comes of it.
//!
//! Drop a file, get a test:
//!
//! | folder | a file is | what is checked |
//! |---|---|---|
//! | `config/invalid/` | a document | every message, kept beside it as `.snap` |
//! | `config/wrong-values/` | a list of wrong values for the field that the file is named after | the same, value by value |
//! | `config/valid/` | a document | that it is accepted; what comes of it stands in `valid.rs` and `locating.rs` |
//!
//! After a change of words: `INSTA_UPDATE=always cargo test --test config`, and read the difference as an operator would.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

#[path = "config/anything.rs"]
mod anything;
#[path = "config/contract.rs"]
mod contract;
#[path = "config/documentation.rs"]
mod documentation;
#[path = "config/invalid.rs"]
mod invalid;
#[path = "config/locating.rs"]
mod locating;
#[path = "config/valid.rs"]
mod valid;

use greatcircle::config::{Config, Gateway};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The smallest document that is accepted.
fn minimal() -> Value {
    serde_json::json!({"regions": [{"name": "eu-west", "latitude": 53.35, "longitude": -6.26}]})
}

/// The messages that a document is refused with; none if it is accepted.
fn messages(json: &[u8]) -> Vec<String> {
    match Config::from_json(json, Gateway::UNKNOWN) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn messages_of(document: &Value) -> Vec<String> {
    messages(document.to_string().as_bytes())
}

/// One message taken apart: path, what was found, what was expected.
fn parts(message: &str) -> Option<[&str; 3]> {
    let (path, rest) = message.split_once(": found ")?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    Some([path, found, expected])
}

/// The field that a message is about, without the position in a list: `regions[3].name` is `regions[].name`.
fn field(message: &str) -> String {
    let mut steps = message.split_once(": found ").unwrap_or_default().0.split('[');
    let first = steps.next().unwrap_or_default().to_owned();
    steps.fold(first, |field, step| field + "[" + step.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The `.json` files of a folder beside this file, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(in_repository("tests/config").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// A file's name without its extension.
fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}
