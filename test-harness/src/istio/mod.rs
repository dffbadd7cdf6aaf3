//! An Envoy shaped like Istio's gateway, made from the manifests under `istio/`: what operators apply is what is tested, as
//! far as that goes without a cluster and without istiod.
//!
//! What it imitates is istiod of Istio 1.32-dev (istio/istio 86c9f01, 2026-08-22), by reading these of its functions:
//!
//! | Here | In Istio |
//! |---|---|
//! | [`listeners`] | `buildGatewayListeners`, `buildGatewayConnectionManager`, `buildHTTPConnectionManager`; `gatewayRDSRouteName` |
//! | [`routes`], [`retries`] | `buildGatewayHTTPRouteConfig`, `BuildHTTPRoutesForVirtualService`, `TranslateRoute`; `ConvertPolicy` |
//! | [`clusters`], [`policy`] | `buildOutboundClusters`, `applyDestinationRule`, `buildSubsetCluster`, `applyOutlierDetection`, `applyConnectionPool` |
//! | [`localities`] | `EndpointBuilder`, `applyLocalityFailover`, `LbPriority` |
//! | [`extensions`] | `translateWasmPlugin`, `buildWasmConfig`, `toEnvoyHTTPTrafficExtension`; istio-agent's `MaybeConvertWasmExtensionConfig` |
//! | [`patches`] | `ApplyRouteConfigurationPatches`, `patchHTTPFilters` |
//! | [`telemetry`] | `fileAccessLogFromTelemetry` |
//! | [`gateway_api`] | `convertHTTPRoute`, `extractGatewayServices`, and what is around them |
//!
//! What it leaves out, and what therefore is not shown here:
//! - Transport sockets, in both directions: certificates of the Gateway, mutual TLS between gateways and pods, SNI. A port that
//!   the Gateway serves with TLS speaks plain HTTP here, with the listener, routes and filters that it has with TLS.
//! - Everything that a peer's identity decides: PeerAuthentication, AuthorizationPolicy, `subjectAltNames`.
//! - East-west gateways. A pod in another region is reached directly; in a mesh of several networks its address would be that of
//!   the other network's gateway, in the same locality and with the same labels.
//! - Filters that only Istio's build of Envoy has (metadata exchange, `istio.alpn`, `istio.stats`).
//! - Tracing, which says nothing without a provider; the listener's own access log; BlackHoleCluster.
//! - Delivery: listeners, routes, clusters and endpoints stand in one static bootstrap instead of coming by ADS. The filter does
//!   come by ECDS, from a file, as istio-agent rewrites it.
//!
//! [`recording`] puts what a real istiod sent in the place of listeners, routes, clusters and filters; [`control_plane`] records it.
//!
//! A field of a manifest that is neither imitated nor on a list of what is left out is an error: half a manifest proves nothing.

pub mod api;
pub mod chart;
pub mod clusters;
pub mod control_plane;
pub mod extensions;
pub mod gateway_api;
pub mod kubernetes;
pub mod listeners;
pub mod localities;
pub mod manifests;
pub mod mesh;
pub mod patches;
pub mod policy;
pub mod proxy;
pub mod recording;
pub mod retries;
pub mod routes;
pub mod telemetry;

pub use extensions::Module;
pub use manifests::Manifests;
pub use mesh::{Mesh, Plan};
pub use recording::Recording;
