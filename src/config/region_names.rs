//! Reading the name of a region, wherever a field refers to one.

use super::reader::Node;
use crate::region::{RegionId, Regions};

/// What a reference to a region has to be.
pub(super) const REGION_NAME: &str = "the name of one of the regions";

/// The regions that a name may refer to.
#[derive(Clone, Copy)]
pub(super) struct RegionNames<'a> {
    /// Known even where something else is wrong with a region; empty if there is no list of regions.
    pub(super) names: &'a [&'a str],
    /// `None` if something is wrong with one of them.
    pub(super) regions: Option<&'a Regions>,
}

impl RegionNames<'_> {
    /// Reads a name; `None` as well if something is wrong with the regions themselves.
    pub(super) fn read(self, node: &Node<'_>) -> Option<RegionId> {
        let name = node.text(REGION_NAME, |name| self.names.is_empty() || self.names.contains(&name))?;
        self.regions?.find(name)
    }
}
