//! The Wasm host of the engine, and the only folder that knows Envoy.
//!
//! It turns host calls into values for the engine and the engine's effects into host calls, and decides nothing.
//!
//! | file | what it is for |
//! |---|---|
//! | `host` | the host calls in use: bytes in, values out |
//! | `clock` | the monotonic clock |
//! | `metrics` | the engine's events as Envoy's stats and log lines |
//! | `worker` | one engine, and everything that it wants done |
//! | `root` | the root context: hands configuration, ticks and answers to the worker |
//! | `stream` | a request's context: hands headers to the worker |

mod clock;
mod host;
mod metrics;
mod root;
mod stream;
mod worker;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|context| Box::new(root::Root::new(context)));
}}
