//! The decision: which region gets this request, and why.
//!
//! Order is static, availability is dynamic: candidates come in order of distance, whatever their health, and the walk takes the
//! first one that may be used. Everybody before it is skipped for a [`Cause`], which a [`Trace`] can record; `()` records
//! nothing and costs nothing. [`steer`] is total: it always answers, with a reason.

mod candidates;

use crate::availability::Availability;
use crate::client::country::Country;
use crate::client::{Location, Via};
use crate::geo::{Coordinates, Kilometres};
use crate::health::Health;
use crate::region::{RegionId, Regions};
pub use candidates::Candidate;
use candidates::Candidates;

/// Where distances are measured from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// The client's own place.
    Client(Coordinates),
    /// A stand-in, because the client's place is not known.
    Fallback(Coordinates),
    /// Neither is known: the configured order stands for the order of distance.
    Nowhere,
}

/// What one request asks for: all that a policy may go by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Query {
    /// Where its client is.
    pub origin: Origin,
    /// The client's country, if it is known.
    pub country: Option<Country>,
}

/// How requests are steered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// What to do when no region is usable.
    pub when_all_down: WhenAllDown,
}

/// What to do when no region is usable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenAllDown {
    /// Send it to the nearest region anyway: health checks can be wrong, a refusal certainly hurts.
    #[default]
    Nearest,
    /// Refuse the request.
    Reject,
    /// Send it to this region, whatever its health.
    Region(RegionId),
}

/// Where one request goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// To a region.
    Route(Route),
    /// Nowhere: every region is down, and the configuration says to refuse.
    Reject,
}

/// A request's region, and why it is this one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route {
    /// The region.
    pub region: RegionId,
    /// Why.
    pub reason: Reason,
    /// How far the region is from the client; `None` if the client's place is not known.
    pub distance: Option<Kilometres>,
    /// The region's rank by distance, 1 for the nearest, whatever the health of those before it.
    pub rank: usize,
}

/// Why a request goes where it goes. Log, metric and header derive from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The nearest region is usable.
    Nearest,
    /// A nearer region is down.
    Failover,
    /// The client's place is not known; the walk began at the fallback.
    NoLocation,
    /// Every region is down, and it was sent somewhere anyway.
    FailOpen,
}

/// Why a candidate was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is down.
    Down,
    /// Nobody knows its health, and the configuration says that this counts as down.
    Unknown,
}

/// Somebody who wants to know how a decision came about.
pub trait Trace {
    /// This candidate was skipped.
    fn skipped(&mut self, candidate: Candidate, cause: Cause);
}

impl Trace for () {
    #[inline]
    fn skipped(&mut self, _: Candidate, _: Cause) {}
}

impl Trace for Vec<(Candidate, Cause)> {
    fn skipped(&mut self, candidate: Candidate, cause: Cause) {
        self.push((candidate, cause));
    }
}

/// Decides where a request goes.
pub fn steer(
    query: &Query,
    regions: &Regions,
    policy: &Policy,
    availability: &Availability,
    trace: &mut impl Trace,
) -> Decision {
    let route = |candidate: Candidate, reason| {
        Decision::Route(Route {
            region: candidate.region,
            reason,
            distance: query.distance(&candidate),
            rank: candidate.rank,
        })
    };
    let mut last_resort = None;
    for candidate in Candidates::new(query.origin, regions) {
        let Some(cause) = why_not(availability, candidate.region) else {
            return route(candidate, query.reason(candidate.rank));
        };
        trace.skipped(candidate, cause);
        if policy.when_all_down.is(&candidate) {
            last_resort = Some(candidate);
        }
    }
    last_resort.map_or(Decision::Reject, |candidate| route(candidate, Reason::FailOpen))
}

/// Why a region may not be used; `None` if it may.
#[inline]
fn why_not(availability: &Availability, region: RegionId) -> Option<Cause> {
    match (availability.usable(region), availability.health(region)) {
        (true, _) => None,
        (false, Health::Unknown) => Some(Cause::Unknown),
        (false, Health::Down | Health::Up) => Some(Cause::Down),
    }
}

impl WhenAllDown {
    /// Whether this candidate is the one to send a request to.
    fn is(self, candidate: &Candidate) -> bool {
        match self {
            Self::Nearest => candidate.rank == 1,
            Self::Reject => false,
            Self::Region(region) => candidate.region == region,
        }
    }
}

impl From<&Location> for Query {
    fn from(location: &Location) -> Self {
        let origin = match (location.coordinates, location.via) {
            (None, _) => Origin::Nowhere,
            (Some(coordinates), Via::Fallback) => Origin::Fallback(coordinates),
            (Some(coordinates), _) => Origin::Client(coordinates),
        };
        Self { origin, country: location.country }
    }
}

impl Query {
    fn reason(&self, rank: usize) -> Reason {
        match (self.origin, rank) {
            (Origin::Fallback(_) | Origin::Nowhere, _) => Reason::NoLocation,
            (Origin::Client(_), 1) => Reason::Nearest,
            (Origin::Client(_), _) => Reason::Failover,
        }
    }

    /// The distance worth showing: one from a stand-in says nothing about the client.
    fn distance(&self, candidate: &Candidate) -> Option<Kilometres> {
        matches!(self.origin, Origin::Client(_)).then(|| candidate.distance.kilometres())
    }
}

impl Decision {
    /// Every name of a reason, in the order of [`Decision::index`].
    pub const REASONS: [&'static str; 5] = ["nearest", "failover", "noLocation", "failOpen", "rejected"];

    /// The name of the reason, as headers, logs and metrics have it.
    pub fn reason(&self) -> &'static str {
        Self::REASONS.get(self.index()).copied().unwrap_or_default()
    }

    /// The region, if there is one.
    pub fn region(&self) -> Option<RegionId> {
        match self {
            Self::Route(route) => Some(route.region),
            Self::Reject => None,
        }
    }

    /// The position of its reason in [`Decision::REASONS`].
    pub fn index(&self) -> usize {
        match self {
            Self::Route(route) => route.reason as usize,
            Self::Reject => Self::REASONS.len() - 1,
        }
    }
}
