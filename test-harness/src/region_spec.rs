//! A region as a plan and a bootstrap know it: its place on Earth and on this machine.

use crate::patch::merge;
use crate::places::{Place, kilometres};
use serde_json::{Value, json};

/// Where a region is on Earth and on this machine, and what else the filter's configuration says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionSpec {
    /// The region's name.
    pub name: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Its port on the loopback.
    pub port: u16,
    /// More fields of the region's entry in the filter's configuration; `{}` for none.
    pub more: Value,
}

impl RegionSpec {
    /// A region at a place, on no port yet.
    pub fn at(name: &str, place: Place) -> Self {
        Self { name: name.into(), latitude: place.latitude, longitude: place.longitude, port: 0, more: json!({}) }
    }

    /// The region's entry in the filter's configuration.
    pub(crate) fn entry(&self) -> Value {
        let mut entry = json!({"name": self.name, "latitude": self.latitude, "longitude": self.longitude});
        merge(&mut entry, &self.more);
        entry
    }

    pub(crate) fn kilometres_to(&self, other: &Self) -> f64 {
        kilometres((self.latitude, self.longitude), (other.latitude, other.longitude))
    }

    /// The name of the cluster that leads to it alone.
    pub(crate) fn leaf(&self) -> String {
        format!("region-{}", self.name)
    }
}

/// A list of these regions, as the filter's configuration has it under `regions`.
pub fn region_entries(regions: &[(&str, Place)]) -> Value {
    regions.iter().map(|(name, place)| RegionSpec::at(name, *place).entry()).collect()
}
