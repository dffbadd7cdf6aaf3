//! The decision record: one line that tells a region, and whoever reads its log, where a request was sent and why.
//!
//! It tells no coordinates and no address: how far, how the client was located and the country are enough to understand a
//! decision, and too little to find somebody.

use crate::client::Location;
use crate::steering::{Decision, Route};
use std::fmt;

/// A decision as the region sees it: `region=eu-west;reason=nearest;km=421;rank=1;via=headers;country=DE`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What was decided.
    pub route: &'a Route,
    /// The name of the region.
    pub region: &'a str,
    /// Where the client is, and how that was found.
    pub location: &'a Location,
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, region, location } = self;
        write!(f, "region={region};reason={}", Decision::Route(**route).reason())?;
        if let Some(km) = route.distance {
            write!(f, ";km={km}")?;
        }
        write!(f, ";rank={};via={}", route.rank, location.via.name())?;
        if let Some(country) = location.country {
            write!(f, ";country={country}")?;
        }
        Ok(())
    }
}
