//! What proves greatcircle: a real Envoy, regions and a lookup service that fail on command, clients from
//! cities, and load.
//!
//! In reading order:
//! - [`places`]: where things are on Earth
//! - [`plan`]: what a test asks for: regions, places, configuration
//! - [`world`]: the regions and the gateway, running
//! - [`client`]: requests from a city, and what the region saw of them
//! - [`load`]: requests at a steady rate, and what became of each
//! - [`addresses`]: addresses for many clients
//! - [`region`]: a region's process and its faults
//! - [`lookup`]: a service that knows where addresses are, and its faults
//! - [`envoy`]: the gateway's process: statistics, log, configuration
//! - [`metrics`]: what Prometheus would scrape of it
//! - [`memory`]: how much memory it has
//! - [`idle`]: what it costs while nothing is asked of it
//! - [`bootstrap`]: its configuration, made from `envoy/envoy.yaml`
//! - [`minimal`]: the gateway of `envoy/minimal.yaml`
//! - [`istio`]: the chart, and gateways as a real istiod has configured them
//! - [`discovery`]: configuration that changes while Envoy runs
//! - [`patch`]: changes to a configuration
//! - [`trapping`]: the module with a trap in it
//! - [`mod@eventually`]: waiting for a condition

pub mod addresses;
mod begun;
mod bodies;
pub mod bootstrap;
pub mod client;
pub mod discovery;
pub mod envoy;
pub mod eventually;
pub mod http2;
pub mod idle;
pub mod istio;
mod listening;
pub mod load;
pub mod lookup;
pub mod memory;
pub mod metrics;
pub mod minimal;
pub mod patch;
pub mod places;
pub mod plan;
mod readings;
pub mod region;
mod region_spec;
pub mod trapping;
mod updates;
pub mod world;

pub use addresses::Addresses;
pub use begun::Begun;
pub use client::{Client, Response};
pub use eventually::{eventually, eventually_equals};
pub use idle::Idle;
pub use load::{Load, Report};
pub use lookup::LookupService;
pub use memory::Memory;
pub use metrics::Metrics;
pub use places::Place;
pub use region::{Fault, Region};
pub use region_spec::region_entries;
pub use world::World;
