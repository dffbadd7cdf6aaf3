//! The monotonic clock: the same in every VM of an Envoy process, and nobody can set it.

use crate::time::Timestamp;

/// What time it is.
#[cfg(target_os = "wasi")]
pub(super) fn now() -> Timestamp {
    let ticks = coarsetime::Instant::now().as_ticks();
    Timestamp::after_origin(coarsetime::Duration::from_ticks(ticks).into())
}

/// The same for the target without WASI, which has no monotonic clock: the wall clock stands in. When that is set back, probing
/// rests for as long.
#[cfg(not(target_os = "wasi"))]
pub(super) fn now() -> Timestamp {
    let now = proxy_wasm::hostcalls::get_current_time().ok();
    let since_epoch = now.and_then(|now| now.duration_since(std::time::UNIX_EPOCH).ok());
    Timestamp::after_origin(since_epoch.unwrap_or_default())
}
