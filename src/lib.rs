//! greatcircle sends every HTTP request to the nearest healthy region, inside the Envoy that already carries it.
//!
//! In reading order:
//!
//! | module | what it is for |
//! |---|---|
//! | [`geo`] | checked coordinates, their unit vectors, great-circle kilometres |
//! | [`region`] | a region, and the non-empty list of them in configured order |
//! | [`client`] | where the client is, from bytes that strangers sent, and whom to believe |
//! | [`time`] | points in time as numbers that the host hands in |
//! | [`call`] | an HTTP call of the gateway's own: what is asked, and what comes back |
//! | [`health`] | one region's state machine: an outcome in, the next state and the transition out |
//! | [`health_table`] | every region's record as all workers share it, to and from bytes |
//! | [`prober`] | what to probe now, and who holds a region's probe lease |
//! | [`availability`] | which regions may be used: a worker's snapshot of the health table |
//! | [`steering`] | the walk from the nearest region to the nearest usable one, and why |
//! | [`record`] | a decision as one line of text |
//! | [`config`] | JSON in, a [`config::Config`] out, or every problem at once |
//! | [`own_headers`] | which headers are greatcircle's own, in any spelling and any place |
//! | [`shared`] | the port to the bytes that all workers share |
//! | [`engine`] | all of it together: what a worker does, as values in and values out |
//! | `filter` | the Wasm host of the engine, and the only folder that knows Envoy; compiled for wasm32 only |
//!
//! The core reads no clock, no randomness, no environment and writes no log: time, random numbers and outcomes are arguments,
//! intentions are return values. That is why its tests need no Envoy, and why the ones with an Envoy need no mock.

pub mod availability;
pub mod call;
pub mod client;
pub mod config;
pub mod engine;
pub mod geo;
pub mod health;
pub mod health_table;
pub mod own_headers;
pub mod probe;
pub mod prober;
pub mod record;
pub mod region;
pub mod shared;
mod stable_hash;
pub mod steering;
pub mod time;

#[cfg(target_arch = "wasm32")]
mod filter;
