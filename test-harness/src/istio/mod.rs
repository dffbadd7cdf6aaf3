//! Istio's side: the chart and its renderings, and gateways that are configured as a real istiod has configured them.
//!
//! - [`chart`]: Helm, and the examples under `istio/examples`
//! - [`manifests`]: resources as they are applied
//! - [`recording`]: what a real gateway had received for an example, taken from its admin interface
//! - `replay`: an Envoy's bootstrap made of that
//! - [`mesh`]: a world of it: pods, ways between networks, and a real Envoy for each gateway
//! - `identities`: the certificates of that world
//!
//! Nothing here knows what istiod would make of a manifest. A manifest that changes needs a new recording.

pub mod chart;
mod east_west;
mod identities;
pub mod manifests;
pub mod mesh;
pub mod recording;
mod replay;

pub use mesh::Mesh;
pub use recording::Recording;
pub use replay::Module;
