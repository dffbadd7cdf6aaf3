//! Points in time as the host tells them. The core reads no clock; whoever calls it says what time it is.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: how long after the Unix epoch. Every worker of one Envoy process reads the same clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The point in time that lies this long after the Unix epoch.
    pub fn after_epoch(duration: Duration) -> Self {
        Self(duration)
    }

    /// How long ago `earlier` was; zero if it lies in the future, as it may after the clock was set back.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}
