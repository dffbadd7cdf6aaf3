//! The decision: which region gets this request, and why.
//!
//! Order is static, health is dynamic: regions are ordered by distance alone, and the walk along that order takes the first
//! usable one. [`steer`] is total: it always answers, with a reason. One pass finds the nearest region and the nearest
//! usable one without sorting or allocating; ties keep the configured order.
//!
//! This module must never know how a client's place was found, or how a region's health is known.

use crate::geo::{Coordinates, Kilometres, SquaredChord, UnitVector};
use crate::health_table::HealthView;
use crate::region::{Region, RegionId, Regions};

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

/// How the block `steering` of the configuration wants requests to be steered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// What to do when no region is usable.
    pub when_all_down: WhenAllDown,
}

/// Why a request goes where it goes. Log, metric and header derive from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The nearest region is usable.
    Nearest,
    /// A nearer region is down.
    Failover,
    /// The client's place is not known; the walk began at the fallback.
    NoLocation,
    /// Every region is down, and it was sent somewhere anyway.
    FailOpen,
    /// Every region is down, and the configuration says to refuse.
    Rejected,
}

/// Where one request goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The region; `None` if the request is refused.
    pub region: Option<RegionId>,
    /// Why.
    pub reason: Reason,
    /// How far the region is from the client; `None` if the client's place is not known.
    pub distance: Option<Kilometres>,
    /// The region's place in the order of distance, 1 for the nearest whatever its health; 0 if there is no region.
    pub rank: usize,
}

/// Decides where a request from `origin` goes.
pub fn steer(origin: Origin, regions: &Regions, health: &HealthView, when_all_down: WhenAllDown) -> Decision {
    let ladder = Ladder::from(origin);
    let nearest_usable = ladder.nearest(regions.iter().filter(|(id, _)| health.usable(*id)));
    if let Some((region, chord)) = nearest_usable {
        let rank = ladder.rank(regions, region, chord);
        let reason = match (origin, rank) {
            (Origin::Fallback(_) | Origin::Nowhere, _) => Reason::NoLocation,
            (Origin::Client(_), 1) => Reason::Nearest,
            (Origin::Client(_), _) => Reason::Failover,
        };
        return Decision { region: Some(region), reason, distance: ladder.distance(origin, chord), rank };
    }
    let last_resort = match when_all_down {
        WhenAllDown::Reject => None,
        WhenAllDown::Nearest => ladder.nearest(regions.iter()),
        WhenAllDown::Region(region) => regions.get(region).map(|place| (region, ladder.chord(place))),
    };
    match last_resort {
        None => Decision { region: None, reason: Reason::Rejected, distance: None, rank: 0 },
        Some((region, chord)) => Decision {
            region: Some(region),
            reason: Reason::FailOpen,
            distance: ladder.distance(origin, chord),
            rank: ladder.rank(regions, region, chord),
        },
    }
}

/// The regions in order of distance from one point, or in configured order if there is no point.
///
/// It is never written out as a list: for one request it costs less to look at every region once.
struct Ladder(Option<UnitVector>);

impl Ladder {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Client(place) | Origin::Fallback(place) => Self(Some(place.unit_vector())),
            Origin::Nowhere => Self(None),
        }
    }

    #[inline]
    fn chord(&self, region: &Region) -> SquaredChord {
        self.0.as_ref().map_or(SquaredChord::ZERO, |here| here.squared_chord(region.unit_vector()))
    }

    /// The first rung among these; of equally distant ones the first.
    #[inline]
    fn nearest<'a>(&self, regions: impl Iterator<Item = (RegionId, &'a Region)>) -> Option<(RegionId, SquaredChord)> {
        regions
            .map(|(id, region)| (id, self.chord(region)))
            .reduce(|nearest, candidate| if candidate.1 < nearest.1 { candidate } else { nearest })
    }

    /// Which rung this region stands on, counted from 1.
    fn rank(&self, regions: &Regions, region: RegionId, chord: SquaredChord) -> usize {
        1 + regions.iter().map(|(id, other)| (self.chord(other), id)).filter(|&rung| rung < (chord, region)).count()
    }

    /// The distance worth showing: one from a stand-in says nothing about the client.
    fn distance(&self, origin: Origin, chord: SquaredChord) -> Option<Kilometres> {
        matches!(origin, Origin::Client(_)).then(|| chord.kilometres())
    }
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 5] = [Self::Nearest, Self::Failover, Self::NoLocation, Self::FailOpen, Self::Rejected];

    /// The name used in headers, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Failover => "failover",
            Self::NoLocation => "noLocation",
            Self::FailOpen => "failOpen",
            Self::Rejected => "rejected",
        }
    }
}
