//! The decision record: one line that tells a region, and whoever reads its log, where a request was sent and why.
//!
//! This module must never know how it travels. It tells no coordinates and no address: how far, which way it was found and the
//! country are enough to understand a decision, and too little to find somebody.

use crate::client::Location;
use crate::steering::Decision;
use std::fmt;

/// A decision as the region sees it: `region=eu-west;reason=nearest;km=421;rank=1;via=headers;country=DE`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What was decided.
    pub decision: &'a Decision,
    /// The name of the region.
    pub region: &'a str,
    /// Where the client is, and how that was found.
    pub location: &'a Location,
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decision, region, location } = self;
        write!(f, "region={region};reason={}", decision.reason.name())?;
        if let Some(km) = decision.distance {
            write!(f, ";km={km}")?;
        }
        write!(f, ";rank={};via={}", decision.rank, location.via.name())?;
        if let Some(country) = location.country {
            write!(f, ";country={country}")?;
        }
        Ok(())
    }
}
