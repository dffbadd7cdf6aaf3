//! Which regions may be used: a snapshot of their health that a worker takes after each change, and steers by.

use crate::health::Health;
use crate::region::RegionId;

/// Each region's health at one moment, in configured order, and whether it counts as usable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Availability(Vec<Status>);

/// What steering needs to know of one region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// What is known.
    pub health: Health,
    /// Whether requests may be sent there; if its health is unknown, the configuration decides that.
    pub usable: bool,
}

impl Availability {
    /// Whether requests may be sent there. What the snapshot does not cover is not usable.
    #[inline]
    pub fn usable(&self, region: RegionId) -> bool {
        self.0.get(region.index()).is_some_and(|status| status.usable)
    }

    /// What is known about it.
    pub fn health(&self, region: RegionId) -> Health {
        self.0.get(region.index()).map_or(Health::Unknown, |status| status.health)
    }
}

impl FromIterator<Status> for Availability {
    fn from_iter<T: IntoIterator<Item = Status>>(statuses: T) -> Self {
        Self(statuses.into_iter().collect())
    }
}
