//! Waiting for a condition instead of for a time.
//!
//! The limit is generous because it is only met when the test fails.

use std::fmt::Debug;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it.
pub const LIMIT: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(20);

/// One look at the world: either what was awaited, or what was seen instead.
pub trait Observation {
    /// What a successful wait returns.
    type Value;
    /// The awaited value, or a description of what is there instead.
    fn awaited(self) -> Result<Self::Value, String>;
}

impl Observation for bool {
    type Value = ();
    fn awaited(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "false".into())
    }
}

impl<T> Observation for Option<T> {
    type Value = T;
    fn awaited(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".into())
    }
}

impl<T, E: Debug> Observation for Result<T, E> {
    type Value = T;
    fn awaited(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// Looks every 20 ms until `look` gives `true`, `Some` or `Ok`; returns what is inside.
///
/// # Panics
/// After [`LIMIT`], naming `what` was awaited and what was seen last (for a `Result`, the error).
#[track_caller]
pub fn eventually<O: Observation>(what: &str, look: impl FnMut() -> O) -> O::Value {
    match within(LIMIT, look) {
        Ok(value) => value,
        Err(seen) => panic!("waited {LIMIT:?} for: {what}; last seen: {seen}"),
    }
}

/// Waits until `look` gives `expected`.
///
/// # Panics
/// After [`LIMIT`], naming `what` was awaited, `expected`, and the value seen last.
#[track_caller]
pub fn eventually_equals<T: PartialEq + Debug>(what: &str, expected: T, mut look: impl FnMut() -> T) {
    eventually(&format!("{what} = {expected:?}"), || {
        let seen = look();
        if seen == expected { Ok(()) } else { Err(seen) }
    });
}

/// Like [`eventually`] with another limit, and an error instead of a panic: what was seen last.
pub fn within<O: Observation>(limit: Duration, mut look: impl FnMut() -> O) -> Result<O::Value, String> {
    let start = Instant::now();
    loop {
        match look().awaited() {
            Ok(value) => return Ok(value),
            Err(seen) if start.elapsed() >= limit => return Err(seen),
            Err(_) => sleep(POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_it_waited_for() {
        let mut looks = 0;
        let third = eventually("the third look", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(third, 3);
    }

    #[test]
    fn names_what_was_seen_last() {
        assert_eq!(within(Duration::ZERO, || Err::<(), _>(42)), Err("42".into()));
    }
}
