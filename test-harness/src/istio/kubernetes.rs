//! The fields of the Gateway API's resources that are imitated, and by name those that knowingly are not.

use super::api::{Labels, Selector, specs};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Not a label, but treated like one here: Istio keeps the Service that a Gateway's address names as an annotation, and looks for the
/// pods behind it.
pub const SERVICE: &str = "internal.istio.io/gateway-service";

/// The label by which pods that Istio starts for a Gateway are known.
pub const NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

specs! {
    /// gateway.networking.k8s.io Gateway.
    Gateway { gateway_class_name: String, addresses: Vec<Address>, listeners: Vec<Listener> } leaves out { infrastructure }
    /// The Service in front of its pods.
    Address { r#type: String, value: String } leaves out {}
    /// One port of a Gateway.
    Listener {
        name: String, port: u16, protocol: String, hostname: Option<String>, tls: Option<Tls>, allowed_routes: AllowedRoutes,
    } leaves out {}
    /// Only how TLS ends, not with which certificate.
    Tls { mode: Option<String> } leaves out { certificate_refs, options }
    /// Who may put routes on it.
    AllowedRoutes { namespaces: Namespaces } leaves out { kinds }
    /// Of which namespaces.
    Namespaces { from: Option<String>, selector: Selector } leaves out {}

    /// gateway.networking.k8s.io HTTPRoute.
    HttpRoute { parent_refs: Vec<ParentRef>, hostnames: Vec<String>, rules: Vec<Rule> } leaves out {}
    /// On which Gateway.
    ParentRef { name: String, namespace: Option<String>, section_name: Option<String> } leaves out { group, kind }
    /// One route, or several to the same place.
    Rule {
        name: Option<String>, matches: Vec<Match>, backend_refs: Vec<BackendRef>, timeouts: Timeouts, retry: Option<Retry>,
    } leaves out {}
    /// When it is taken.
    Match { headers: Vec<HeaderMatch>, path: Option<PathMatch> } leaves out {}
    /// By a header.
    HeaderMatch { name: String, value: String, r#type: Option<String> } leaves out {}
    /// By the path.
    PathMatch { value: String, r#type: Option<String> } leaves out {}
    /// Where it leads.
    BackendRef {
        group: Option<String>, kind: Option<String>, name: String, namespace: Option<String>, port: Option<u16>,
        weight: Option<u32>,
    } leaves out {}
    /// How long it may take.
    Timeouts { request: Option<String>, backend_request: Option<String> } leaves out {}
    /// When it is tried again.
    Retry { attempts: Option<u32>, backoff: Option<String>, codes: Vec<u16> } leaves out {}

    /// Service, as far as it says who answers.
    Service { selector: Labels, ports: Vec<ServicePort> } leaves out { r#type }
    /// One of its ports. What is spoken there stands in its name.
    ServicePort { port: u16, name: String } leaves out { target_port, protocol, app_protocol }
}
