//! The only folder that knows Envoy.
//!
//! It turns host calls into values for the core and the core's intentions into host calls, and decides nothing itself.
//! `host` is the only file that calls the SDK's host functions; `root` lives as long as a configuration and probes;
//! `shared_table` is the health table as it shares it with the other workers, `lookups` what its requests ask a lookup service; `request` lives as long as a request and steers
//! it; `telemetry` says what happened.

mod host;
mod lookups;
mod request;
mod root;
mod shared_table;
mod telemetry;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|context| Box::new(root::Root::new(context)));
}}
