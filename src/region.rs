//! Regions: the places that serve traffic, in the order in which they were configured.
//!
//! The list is fixed for the life of a configuration, so a region is known by its index ([`RegionId`]) everywhere but at
//! the edges.

use crate::geo::{Coordinates, UnitVector};
use crate::probe::Check;

/// The largest number of regions of one configuration.
pub const MAX_REGIONS: usize = 1000;

/// A region's index in [`Regions`], in configured order. Only meaningful together with the list that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionId(usize);

/// A place that serves traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    name: String,
    coordinates: Coordinates,
    unit_vector: UnitVector,
    /// Boxed, so that ranking reads the vectors of all regions without the checks between them.
    check: Box<Check>,
}

/// All regions in configured order: at least one, unique names.
#[derive(Clone, Debug, PartialEq)]
pub struct Regions(Vec<Region>);

impl RegionId {
    /// The position in configured order, starting at 0.
    pub fn index(self) -> usize {
        self.0
    }
}

impl Region {
    /// A region of this name (a DNS label, checked by the configuration) at these coordinates, checked like this.
    pub fn new(name: impl Into<String>, coordinates: Coordinates, check: Check) -> Self {
        Self { name: name.into(), coordinates, unit_vector: coordinates.unit_vector(), check: Box::new(check) }
    }

    /// The name, as it stands in the routing header.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn coordinates(&self) -> Coordinates {
        self.coordinates
    }

    /// Where it is, ready for ranking.
    #[inline]
    pub fn unit_vector(&self) -> &UnitVector {
        &self.unit_vector
    }

    /// How its health is checked.
    pub fn check(&self) -> &Check {
        &self.check
    }
}

impl Regions {
    /// A list of regions, or `None` if it is empty, longer than [`MAX_REGIONS`], or names a region twice.
    pub fn new(regions: Vec<Region>) -> Option<Self> {
        let is_new =
            |(index, region): (usize, &Region)| regions.iter().take(index).all(|other| other.name != region.name);
        let valid = (1..=MAX_REGIONS).contains(&regions.len()) && regions.iter().enumerate().all(is_new);
        valid.then_some(Self(regions))
    }

    /// How many there are, at least 1.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The region of this id; `None` only for an id of another list.
    pub fn get(&self, id: RegionId) -> Option<&Region> {
        self.0.get(id.0)
    }

    /// The region of this name.
    pub fn find(&self, name: &str) -> Option<RegionId> {
        self.0.iter().position(|region| region.name == name).map(RegionId)
    }

    /// Every region with its id, in configured order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (RegionId, &Region)> {
        self.0.iter().enumerate().map(|(index, region)| (RegionId(index), region))
    }
}
