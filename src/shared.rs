//! The bytes that all workers of one Envoy process share, as a port: whoever runs the engine provides it.
//!
//! In Wasm this is Envoy's shared data. A value can be replaced but never removed, and whoever writes a key that does not
//! exist wins unconditionally.

/// Named byte strings that workers share.
pub trait Shared {
    /// The newest value under this key and its version; `None` if there is none yet.
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)>;

    /// Replaces the value if it still has the version that was read, `None` standing for no value. Returns whether it was
    /// replaced: if not, another worker was faster.
    fn compare_and_swap(&self, key: &str, expected: Option<Version>, bytes: &[u8]) -> bool;
}

/// Names a value under a key as it was when it was read.
pub type Version = u32;

/// Changes what is shared under a key. `change` gets the newest bytes (empty if there are none) and returns the new bytes with
/// a result, or `None` if there is nothing to change; it is called again whenever another worker was faster.
///
/// Returns `None` if there was nothing to change, or too many others were faster: then the change is lost, which the caller's
/// next round makes up for.
pub(crate) fn update<T>(
    shared: &dyn Shared,
    key: &str,
    mut change: impl FnMut(&[u8]) -> Option<(Vec<u8>, T)>,
) -> Option<T> {
    const ATTEMPTS: usize = 16;
    for _ in 0..ATTEMPTS {
        let (bytes, version) =
            shared.read(key).map_or_else(Default::default, |(bytes, version)| (bytes, Some(version)));
        let (bytes, result) = change(&bytes)?;
        if shared.compare_and_swap(key, version, &bytes) {
            return Some(result);
        }
    }
    None
}
