//! The callbacks of the proxy-wasm ABI that the filter does not use.
//!
//! The SDK exports every callback there is, and Envoy enters the VM for each that it finds: 1.2–1.5 µs a request for nothing.

use crate::sources::{is_comment, read, rust_files, words};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;

/// Each callback with the methods of the SDK's traits that it ends in. Not listed: what the dispatcher itself cannot do without.
const CALLBACKS: [(&str, &[&str]); 21] = [
    ("proxy_on_done", &["on_done"]),
    ("proxy_on_log", &["on_log"]),
    ("proxy_on_tick", &["on_tick"]),
    ("proxy_on_queue_ready", &["on_queue_ready"]),
    ("proxy_on_new_connection", &["on_new_connection"]),
    ("proxy_on_downstream_data", &["on_downstream_data"]),
    ("proxy_on_downstream_connection_close", &["on_downstream_close"]),
    ("proxy_on_upstream_data", &["on_upstream_data"]),
    ("proxy_on_upstream_connection_close", &["on_upstream_close"]),
    ("proxy_on_request_headers", &["on_http_request_headers"]),
    ("proxy_on_request_body", &["on_http_request_body"]),
    ("proxy_on_request_trailers", &["on_http_request_trailers"]),
    ("proxy_on_response_headers", &["on_http_response_headers"]),
    ("proxy_on_response_body", &["on_http_response_body"]),
    ("proxy_on_response_trailers", &["on_http_response_trailers"]),
    ("proxy_on_http_call_response", &["on_http_call_response"]),
    ("proxy_on_grpc_receive_initial_metadata", &["on_grpc_stream_initial_metadata"]),
    ("proxy_on_grpc_receive", &["on_grpc_call_response", "on_grpc_stream_message"]),
    ("proxy_on_grpc_receive_trailing_metadata", &["on_grpc_stream_trailing_metadata"]),
    ("proxy_on_grpc_close", &["on_grpc_call_response", "on_grpc_stream_close"]),
    ("proxy_on_foreign_function", &["on_foreign_function"]),
];

/// A callback is in use when `src/filter/` implements a method of its.
pub(crate) fn unused(root: &Path) -> Result<Vec<&'static str>> {
    let mut methods = BTreeSet::new();
    for file in rust_files(&root.join("src/filter"))? {
        methods.extend(functions(&read(&file)?));
    }
    Ok(unused_with(&methods))
}

/// The names of the functions in a source.
fn functions(source: &str) -> BTreeSet<String> {
    let words: Vec<&str> = source.lines().filter(|line| !is_comment(line)).flat_map(words).collect();
    words.iter().zip(words.iter().skip(1)).filter(|(word, _)| **word == "fn").map(|(_, name)| (*name).into()).collect()
}

fn unused_with(methods: &BTreeSet<String>) -> Vec<&'static str> {
    let in_use = |its: &[&str]| its.iter().any(|method| methods.contains(*method));
    CALLBACKS.iter().filter(|(_, its)| !in_use(its)).map(|(callback, _)| *callback).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_function_is_what_fn_stands_before_in_code() {
        for (source, expected) in [
            ("impl Context for Root { fn on_tick(&mut self) {} }", vec!["on_tick"]),
            ("    fn on_log<T>(&self)\n    fn\n        on_done()", vec!["on_done", "on_log"]),
            ("// fn on_tick(&mut self)\n    /// fn on_log", vec![]),
            ("self.on_tick(); let fn_on_log = 1;", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(functions(source), expected.into_iter().map(String::from).collect(), "{source}");
        }
    }

    #[test]
    fn a_callback_is_unused_when_none_of_its_methods_is_there() {
        let is_unused = |callback, methods: &[&str]| {
            unused_with(&methods.iter().map(|name| (*name).into()).collect()).contains(&callback)
        };
        for (callback, methods, expected) in [
            ("proxy_on_tick", &["on_tick"][..], false),
            ("proxy_on_tick", &["on_ticks", "tick"], true),
            ("proxy_on_log", &["on_tick"], true),
            ("proxy_on_grpc_close", &["on_grpc_call_response"], false),
            ("proxy_on_grpc_close", &["on_grpc_stream_close"], false),
            ("proxy_on_grpc_close", &["on_grpc_stream_message"], true),
        ] {
            assert_eq!(is_unused(callback, methods), expected, "{callback} with {methods:?}");
        }
        assert_eq!(unused_with(&BTreeSet::new()).len(), CALLBACKS.len());
    }

    #[test]
    fn methods_are_looked_for_in_all_files_of_the_filter_and_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("src/filter/deep")).unwrap();
        for (path, source) in [
            ("src/filter/root.rs", "fn on_tick() {}"),
            ("src/filter/deep/er.rs", "fn on_log() {}"),
            ("src/filter/notes.md", "fn on_done() {}"),
            ("src/probe.rs", "fn on_queue_ready() {}"),
        ] {
            fs::write(root.path().join(path), source).unwrap();
        }
        let unused = unused(root.path()).unwrap();
        let found = |callback| unused.contains(&callback);
        assert!(!found("proxy_on_tick") && !found("proxy_on_log"));
        assert!(found("proxy_on_done") && found("proxy_on_queue_ready"));
    }

    #[test]
    fn without_a_filter_nothing_is_said_to_be_unused() {
        let root = tempfile::tempdir().unwrap();
        assert!(unused(root.path()).is_err());
    }
}
