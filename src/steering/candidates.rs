//! The regions in order of distance, one after the other.
//!
//! The nearest one is found by looking at each region once: in nearly every request it is the only candidate that anybody asks
//! for, and nothing is allocated. Whoever asks for a second one pays for a heap of all.

use super::Origin;
use crate::geo::{SquaredChord, UnitVector};
use crate::region::{Region, RegionId, Regions};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A region as the walk meets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The region.
    pub region: RegionId,
    /// Its rank by distance, 1 for the nearest.
    pub rank: usize,
    /// How far it is from the origin; zero for all if there is none.
    pub distance: SquaredChord,
}

/// The regions in order of distance from one point, those equally distant in configured order.
pub(super) struct Candidates<'a> {
    regions: &'a Regions,
    origin: Option<UnitVector>,
    rank: usize,
    /// Those that are left, once anybody has asked for more than the nearest.
    farther: BinaryHeap<Reverse<(SquaredChord, RegionId)>>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(origin: Origin, regions: &'a Regions) -> Self {
        let origin = match origin {
            Origin::Client(coordinates) | Origin::Fallback(coordinates) => Some(coordinates.unit_vector()),
            Origin::Nowhere => None,
        };
        Self { regions, origin, rank: 0, farther: BinaryHeap::new() }
    }

    #[inline]
    fn distance_to(&self, region: &Region) -> SquaredChord {
        self.origin.as_ref().map_or(SquaredChord::ZERO, |here| here.squared_chord(region.unit_vector()))
    }

    #[inline]
    fn measured(&self) -> impl Iterator<Item = (SquaredChord, RegionId)> {
        self.regions.iter().map(|(id, region)| (self.distance_to(region), id))
    }
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    #[inline]
    fn next(&mut self) -> Option<Candidate> {
        let (distance, region) = match self.rank {
            // Of equally distant ones the first; `Ord` of the pair would say the same and costs more.
            0 => self.measured().reduce(|nearest, other| if other.0 < nearest.0 { other } else { nearest })?,
            rank => {
                if rank == 1 {
                    self.farther = self.measured().map(Reverse).collect();
                    self.farther.pop(); // the nearest
                }
                self.farther.pop()?.0
            }
        };
        self.rank += 1;
        Some(Candidate { region, rank: self.rank, distance })
    }
}
