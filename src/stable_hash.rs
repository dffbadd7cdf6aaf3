//! Identities that outlive a build: SipHash-1-3 over a value's postcard bytes.
//!
//! Shared data survives module upgrades, so what stands there must not depend on std's hasher, whose algorithm may change
//! with any release of Rust. Both SipHash and postcard's wire format are specified.

use serde::Serialize;
use siphasher::sip::SipHasher13;

/// The same number for the same value, in every worker and every build.
pub(crate) fn stable_hash(value: &impl Serialize) -> u64 {
    // Serialising to memory cannot fail.
    SipHasher13::new().hash(&postcard::to_allocvec(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_do_not_change_with_the_build() {
        assert_eq!(stable_hash(&("eu-west", 7_u32)), 8_845_323_914_218_099_469);
    }
}
