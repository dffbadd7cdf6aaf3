//! The host calls in use: bytes in, values out.
//!
//! Only the SDK's `*_bytes` functions are called: their `String` twins trap the VM on a byte that is not UTF-8. A refused
//! write is not reported; there is nothing a request could do about it.
//!
//! The SDK also traps on every status that it does not expect. As Envoy's sources have it, these are left, and this is what
//! keeps them away:
//!
//! | call | status | where it would come from |
//! |---|---|---|
//! | headers of a request, `set_property` | `BadArgument`, `NotFound` | a stream that has ended: see [`can_be_edited`] |
//! | headers of an answer | `BadArgument` | an answer without headers: see [`read_reply`] |
//! | `set_property` | `BadArgument` | a property of ours that another plugin has declared as read-only, which only an operator can do |
//! | `send_http_response` | `BadArgument` | the answer of a stream that has been answered: there is one [`respond`] in a request's life |

use crate::call::{Failure, Reply, Request};
use crate::client::Headers;
use crate::client::source::{self, Source};
use crate::engine::request::{REGION, Response};
use crate::shared::{Shared, Version};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Envoy's shared data.
#[derive(Debug)]
pub(super) struct SharedData;

impl Shared for SharedData {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let (bytes, cas) = hostcalls::get_shared_data(key).ok()?;
        cas.map(|cas| (bytes.unwrap_or_default(), cas))
    }

    fn compare_and_swap(&self, key: &str, expected: Option<Version>, bytes: &[u8]) -> bool {
        hostcalls::set_shared_data(key, Some(bytes), expected).is_ok()
    }
}

/// A number that no other instance of this process is likely to draw.
#[expect(clippy::disallowed_methods, reason = "the one place that draws random numbers for the core")]
pub(super) fn random() -> u64 {
    // On wasm32-wasip1 the keys come from the host's random source. Elsewhere they are constant, and the clock still differs.
    RandomState::new().hash_one(hostcalls::get_current_time().ok())
}

/// The plugin's configuration.
pub(super) fn configuration() -> Vec<u8> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten().unwrap_or_default()
}

/// A property as text, if it is there and is text.
pub(super) fn property(path: &[&str]) -> Option<String> {
    let value = hostcalls::get_property(path.to_vec()).ok().flatten()?;
    String::from_utf8(value).ok().filter(|text| !text.is_empty())
}

/// Where the node may be, the most certain first: its locality, the region among its pod's labels (Kubernetes 1.35 and later
/// copies the machine's), and the name of its cluster in Istio.
pub(super) fn own_regions() -> Vec<String> {
    const LABEL: &str = "topology.kubernetes.io/region";
    [
        &["xds", "node", "locality", "region"][..],
        &["node", "locality", "region"], // Envoy before 1.33
        &["xds", "node", "metadata", "LABELS", LABEL],
        &["xds", "node", "metadata", "CLUSTER_ID"],
    ]
    .into_iter()
    .filter_map(property)
    .collect()
}

/// A variable of the VM's environment.
#[cfg(target_os = "wasi")]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment for the core")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The target without WASI has no environment.
#[cfg(not(target_os = "wasi"))]
pub(super) fn variable(_: &str) -> Option<String> {
    None
}

/// Makes a value readable as `%FILTER_STATE(wasm.<name>:PLAIN)%`. The dots of the name are part of it, not a path.
pub(super) fn set_filter_state(name: &str, value: &str) {
    let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
}

/// Keeps what is written under this name as long as the request: without this, Envoy drops it when it follows a redirect.
pub(super) fn declare_filter_state(name: &str) {
    // Envoy's message DeclarePropertyArguments: 1 is the name, 5 the life span, and there 1 that of a request of a client.
    let Ok(length) = u8::try_from(name.len()) else { return };
    let message = [&[0x0A, length], name.as_bytes(), &[0x28, 1]].concat();
    let _ = hostcalls::call_foreign_function("declare_property", Some(&message));
}

/// Asks for the next ticks to be this far apart; zero: for none.
pub(super) fn set_tick_period(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}

/// All headers of the request, with one host call. Asking for one would be cheaper, and would not show that it came twice.
pub(super) fn request_headers() -> Vec<(String, Vec<u8>)> {
    hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()
}

/// Who sends the request. To know the peer costs a second call, where hops are believed.
pub(super) fn source(asks_for_peer: bool) -> Source {
    let address = |whose| source::parse(&hostcalls::get_property(vec![whose, "address"]).ok().flatten()?);
    let own = || asks_for_peer.then(|| address("destination")).flatten().map(|own| own.ip());
    Source::of(address("source"), own)
}

/// The region that was chosen for a request before Envoy followed a redirect and sent it through the filters again. Only then it
/// writes this header; a client that writes it finds nothing kept.
pub(super) fn chosen_before(headers: &Headers) -> Option<String> {
    let redirected = headers.iter().any(|(name, _)| name == "x-envoy-original-url");
    if redirected { property(&[REGION]) } else { None }
}

/// All trailers of the request.
pub(super) fn request_trailers() -> Vec<(String, Vec<u8>)> {
    hostcalls::get_map_bytes(MapType::HttpRequestTrailers).unwrap_or_default()
}

/// Removes a trailer of the request.
pub(super) fn remove_request_trailer(name: &str) {
    let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, name);
}

/// Sets a header of the request to this value, whatever it was. The route is chosen anew by Envoy itself, because the SDK
/// announces ABI 0.2.1.
pub(super) fn set_request_header(name: &str, value: &str) {
    let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value.as_bytes()));
}

/// Removes a header of the request.
pub(super) fn remove_request_header(name: &str) {
    let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
}

/// Sets a header of the response to this value, whatever it was.
pub(super) fn set_response_header(name: &str, value: &str) {
    let _ = hostcalls::set_map_value_bytes(MapType::HttpResponseHeaders, name, Some(value.as_bytes()));
}

/// Answers the request.
pub(super) fn respond(response: &Response) {
    let retry_after = response.retry_after_seconds().to_string();
    let headers = vec![("retry-after", retry_after.as_str())];
    let _ = hostcalls::send_http_response(u32::from(response.status), headers, Some(response.body.as_bytes()));
}

/// Lets the request of this context go on, which was paused.
pub(super) fn resume_request() {
    let _ = hostcalls::resume_http_request();
}

/// Lets host calls act on another context than the one whose callback is running. Returns false if there is no such
/// context.
pub(super) fn act_for(context: u32) -> bool {
    hostcalls::set_effective_context(context).is_ok()
}

/// Whether the stream of this context is there, and its request can still be changed.
pub(super) fn can_be_edited() -> bool {
    hostcalls::get_property(vec!["request", "method"]).is_ok_and(|method| method.is_some())
}

/// The number of a stat of this name.
pub(super) fn define(kind: MetricType, name: &str) -> Option<u32> {
    hostcalls::define_metric(kind, name).ok()
}

/// Adds one to a counter.
pub(super) fn increment(id: u32) {
    let _ = hostcalls::increment_metric(id, 1);
}

/// Sets a gauge.
pub(super) fn record(id: u32, value: u64) {
    let _ = hostcalls::record_metric(id, value);
}

/// Sends a request, and returns the number under which its answer comes.
///
/// # Errors
/// What the host says at once: there is no such cluster, or nobody in it.
pub(super) fn send(request: &Request, timeout: Duration) -> Result<u32, Failure> {
    let mut headers = vec![
        (":method", request.method.as_str()),
        (":path", &request.path),
        (":authority", &request.authority),
        ("user-agent", concat!("greatcircle/", env!("CARGO_PKG_VERSION"))),
    ];
    headers.retain(|(name, _)| request.headers.iter().all(|(own, _)| own != name));
    headers.extend(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    hostcalls::dispatch_http_call(&request.cluster, headers, None, vec![], timeout).map_err(|status| match status {
        Status::BadArgument => Failure::NoCluster,
        _ => Failure::NoHost,
    })
}

/// Reads the answer to a call, in its callback, with at most so many bytes of its body.
pub(super) fn read_reply<T>(header_count: usize, body_limit: usize, read: impl FnOnce(&Reply<'_>) -> T) -> T {
    if header_count == 0 {
        return read(&Reply::Failed(Failure::Reset)); // and there is no header map to read
    }
    let header = |name| hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name).ok().flatten();
    let status = header(":status").and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok());
    // Envoy's router adds this to what a host answered, and not to what it makes up itself.
    let from_host = header("x-envoy-upstream-service-time").is_some();
    let body = match body_limit {
        0 => None,
        limit => hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, limit).ok().flatten(),
    };
    read(&Reply::arrived(status, from_host, &body.unwrap_or_default()))
}
