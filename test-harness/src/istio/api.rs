//! The fields of Istio's resources that are imitated, and by name those that knowingly are not.
//!
//! A field that stands in neither list is refused.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a resource lives.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace; empty for what has none.
    #[serde(default)]
    pub namespace: String,
}

/// A resource: where it lives, and what it says.
#[derive(Clone, Debug, Deserialize)]
pub struct Resource<Spec> {
    /// Where it lives.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
}

/// Labels that pods have.
pub type Labels = BTreeMap<String, String>;

/// Declares structs of which every field is optional and none is unknown. What stands after `leaves out` is read and forgotten.
macro_rules! specs {
    ($($(#[$what:meta])* $name:ident {
        $($(#[$how:meta])* $field:ident: $type:ty),* $(,)?
    } leaves out { $($out:ident),* $(,)? })*) => { $(
        $(#[$what])*
        #[expect(missing_docs, reason = "Istio's reference documents its fields")]
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$how])* pub $field: $type,)*
            $(pub $out: Option<IgnoredAny>,)*
        }
    )* };
}
pub(super) use specs;

specs! {
    /// networking.istio.io Gateway.
    Gateway { selector: Labels, servers: Vec<Server> } leaves out {}
    /// One port of a Gateway.
    Server { port: Port, hosts: Vec<String>, tls: Option<ServerTls> } leaves out { name, bind, default_endpoint }
    /// A port with a name and a protocol.
    Port { number: u16, name: String, protocol: String, target_port: Option<u16> } leaves out {}
    /// Only how TLS ends, not with which certificate.
    ServerTls { mode: String, https_redirect: bool }
        leaves out { credential_name, min_protocol_version, max_protocol_version, cipher_suites, subject_alt_names }

    /// networking.istio.io VirtualService.
    VirtualService { hosts: Vec<String>, gateways: Vec<String>, http: Vec<HttpRoute>, export_to: Vec<String> } leaves out {}
    /// One route.
    HttpRoute {
        name: String, r#match: Vec<HttpMatch>, route: Vec<WeightedDestination>, retries: Option<Retries>,
        timeout: Option<String>, headers: Option<Headers>,
    } leaves out {}
    /// When a route is taken.
    HttpMatch {
        name: String, headers: BTreeMap<String, StringMatch>, without_headers: BTreeMap<String, StringMatch>,
        uri: Option<StringMatch>, gateways: Vec<String>, port: Option<u16>,
    } leaves out {}
    /// How a text is compared.
    StringMatch { exact: Option<String>, prefix: Option<String>, regex: Option<String> } leaves out {}
    /// Where a route leads.
    WeightedDestination { destination: Destination, weight: Option<u32>, headers: Option<Headers> } leaves out {}
    /// A service, or a subset of its pods.
    Destination { host: String, subset: String, port: Option<PortNumber> } leaves out {}
    /// A port by its number.
    PortNumber { number: u16 } leaves out {}
    /// What becomes of headers.
    Headers { request: HeaderOperations, response: HeaderOperations } leaves out {}
    /// In one direction.
    HeaderOperations { set: Labels, add: Labels, remove: Vec<String> } leaves out {}
    /// When and how often a request is tried again.
    Retries {
        attempts: u32, per_try_timeout: Option<String>, retry_on: String, retry_remote_localities: bool,
        retry_ignore_previous_hosts: Option<bool>, backoff: Option<String>,
    } leaves out {}

    /// networking.istio.io DestinationRule.
    DestinationRule { host: String, traffic_policy: TrafficPolicy, subsets: Vec<Subset>, export_to: Vec<String> } leaves out {}
    /// Pods of a service that share labels.
    Subset { name: String, labels: Labels, traffic_policy: TrafficPolicy } leaves out {}
    /// How a service is called.
    TrafficPolicy {
        connection_pool: Option<ConnectionPool>, outlier_detection: Option<OutlierDetection>, load_balancer: Option<LoadBalancer>,
    } leaves out { tls }
    /// How many connections and requests.
    ConnectionPool { tcp: TcpPool, http: HttpPool } leaves out {}
    /// Connections.
    TcpPool { connect_timeout: Option<String>, max_connections: Option<u32>, idle_timeout: Option<String> } leaves out { tcp_keepalive }
    /// Requests.
    HttpPool {
        http2_max_requests: Option<u32>, http1_max_pending_requests: Option<u32>, max_retries: Option<u32>,
        idle_timeout: Option<String>, max_requests_per_connection: Option<u32>,
    } leaves out { h2_upgrade_policy, http2_keep_alive }
    /// When a pod is left alone.
    OutlierDetection {
        #[serde(rename = "consecutive5xxErrors")] consecutive_5xx_errors: Option<u32>, consecutive_gateway_errors: Option<u32>,
        consecutive_local_origin_failures: Option<u32>, split_external_local_origin_errors: bool, interval: Option<String>,
        base_ejection_time: Option<String>, max_ejection_percent: Option<u32>, min_health_percent: u32,
    } leaves out {}
    /// Which pod is called.
    LoadBalancer { simple: Option<String>, locality_lb_setting: Option<LocalityLb> } leaves out {}
    /// Near pods first.
    LocalityLb { enabled: Option<bool>, failover: Vec<Failover> } leaves out {}
    /// The region to turn to.
    Failover { from: String, to: String } leaves out {}

    /// networking.istio.io ServiceEntry.
    ServiceEntry {
        hosts: Vec<String>, ports: Vec<Port>, resolution: String, location: String, endpoints: Vec<WorkloadEntry>,
        export_to: Vec<String>,
    } leaves out { subject_alt_names }
    /// One of its addresses.
    WorkloadEntry { address: String, locality: String, labels: Labels, ports: BTreeMap<String, u16> } leaves out { network, weight }

    /// extensions.istio.io WasmPlugin.
    WasmPlugin {
        selector: Option<Selector>, target_refs: Vec<TargetRef>, r#match: Vec<TrafficSelector>, phase: Option<String>, priority: Option<i32>,
        fail_strategy: Option<String>, plugin_name: String, plugin_config: Value, url: String,
    } leaves out { sha256, image_pull_policy, image_pull_secret, vm_config, r#type }
    /// extensions.istio.io TrafficExtension.
    TrafficExtension {
        selector: Option<Selector>, target_refs: Vec<TargetRef>, r#match: Vec<TrafficSelector>, phase: Option<String>, priority: Option<i32>,
        wasm: Option<WasmConfig>,
    } leaves out {}
    /// Its module.
    WasmConfig { fail_strategy: Option<String>, plugin_name: String, plugin_config: Value, url: String }
        leaves out { sha256, image_pull_policy, image_pull_secret, vm_config, r#type }
    /// Which pods.
    Selector { #[serde(alias = "labels")] match_labels: Labels } leaves out {}
    /// The pods of a Gateway of the Gateway API.
    TargetRef { group: String, kind: String, name: String } leaves out {}
    /// Which listeners.
    TrafficSelector { mode: Option<String>, ports: Vec<PortNumber> } leaves out {}

    /// networking.istio.io EnvoyFilter.
    EnvoyFilter {
        workload_selector: Option<Selector>, target_refs: Vec<TargetRef>, config_patches: Vec<ConfigPatch>, priority: i32,
    } leaves out {}
    /// One change.
    ConfigPatch { apply_to: String, r#match: PatchMatch, patch: Patch } leaves out {}
    /// Where it is made.
    PatchMatch { context: String, route_configuration: Option<RouteConfigurationMatch>, listener: Option<ListenerMatch> } leaves out {}
    /// Which routes.
    RouteConfigurationMatch { name: String, port_number: u16, gateway: String } leaves out {}
    /// Which listener.
    ListenerMatch { port_number: u16, filter_chain: FilterChainMatch } leaves out {}
    /// Which of its filters.
    FilterChainMatch { filter: FilterMatch } leaves out {}
    /// By name.
    FilterMatch { name: String, sub_filter: Option<SubFilterMatch> } leaves out {}
    /// An HTTP filter.
    SubFilterMatch { name: String } leaves out {}
    /// What is done.
    Patch { operation: String, value: Value } leaves out {}

    /// telemetry.istio.io Telemetry.
    Telemetry { selector: Option<Selector>, target_refs: Vec<TargetRef>, access_logging: Vec<AccessLogging> } leaves out {}
    /// A line for each request.
    AccessLogging { providers: Vec<Provider> } leaves out {}
    /// By name.
    Provider { name: String } leaves out {}
}
