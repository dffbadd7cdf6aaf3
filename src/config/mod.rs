//! JSON in, a [`Config`] out, or every problem at once.
//!
//! A configuration is all or nothing: with one problem in it the whole is refused, and whoever served before goes on. What
//! belongs to the contract and is not supported yet is refused as such, so that nothing is silently ignored. Numbers may be
//! doubles and every duration is a text, because Istio delivers a protobuf `Struct`.
//!
//! Imports go one way, which `tests/layout.rs` holds:
//!
//! 1. `reader` reads JSON and knows nothing of the configuration; `protobuf` recognizes what is not JSON; `gateway` is who
//!    reads.
//! 2. `coordinates`, `country`, `layers`, `region_names`, `reserved`, `statuses` and `unsupported` read what several blocks have in
//!    common.
//! 3. The blocks: `times`, then `health`, then `regions`; `lookup`, then `client_location`; `steering`; `output`.
//! 4. This file puts them together.

mod client_location;
mod coordinates;
mod country;
mod gateway;
mod health;
mod layers;
mod lookup;
mod output;
mod protobuf;
mod reader;
mod region_names;
mod regions;
mod reserved;
mod statuses;
mod steering;
mod times;
mod unsupported;

pub use gateway::Gateway;
pub use output::Output;
pub use reader::Problem;

use crate::client;
use crate::region::{Region, RegionId, Regions};
use crate::steering::Policy;
use layers::Layers;
use reader::{Node, Object, Problems};
use serde_json::Value;
use unsupported::only_json;

/// A configuration that is right in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// This gateway's own region, if it is one of `regions`.
    pub local_region: Option<RegionId>,
    /// What the gateway says of its own region, where that should have named the local one and names none of `regions`. Worth a
    /// warning.
    pub unmatched_locality: Option<String>,
    /// Where traffic can go, and how each region is checked.
    pub regions: Regions,
    /// How a client is located.
    pub client: client::Settings,
    /// How requests are steered.
    pub policy: Policy,
    /// Which headers tell the decision.
    pub output: Output,
}

impl Config {
    /// Reads a configuration, for this gateway.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the document's structure.
    pub fn from_json(json: &[u8], gateway: Gateway<'_>) -> Result<Self, Vec<Problem>> {
        let problems = Problems::new(gateway.variable);
        let config = match serde_json::from_slice::<Value>(json) {
            Ok(value) => read(&Node::root(&value, &problems), gateway.regions),
            Err(error) => {
                report_no_json(json, &error, &problems);
                None
            }
        };
        let problems = problems.into_vec();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }
}

fn report_no_json(bytes: &[u8], error: &serde_json::Error, problems: &Problems<'_>) {
    let (found, expected) = if bytes.trim_ascii().is_empty() {
        ("nothing".to_owned(), "a JSON object")
    } else if protobuf::looks_like_struct(bytes) {
        let found = "the bytes of a protobuf message (google.protobuf.Struct?)";
        (found.to_owned(), "JSON in a google.protobuf.StringValue")
    } else {
        (format!("no JSON ({error})"), "a JSON object")
    };
    problems.add("configuration", &found, expected);
}

fn read(root: &Node<'_>, own_regions: &[String]) -> Option<Config> {
    let object = root.object()?;
    // Every section is read before any `?`, so that a problem in one does not hide those in the next.
    let health = object.section("health");
    health::read("", Layers { own: None, shared: health.as_ref() }); // its problems, even if there is no region to read it for
    let read = regions::read(object.require("regions", regions::LIST), health.as_ref());
    let local = regions::read_local(object.get("localRegion"), read.names(), own_regions);
    let client = client_location::read(object.section("clientLocation"));
    let policy = steering::read(object.section("steering"), read.names());
    let output = output::read(object.section("output"), client.headers.as_ref(), client.trust.as_ref());
    refuse_unsupported(&object);
    if let Some(health) = health {
        health.finish();
    }
    object.finish();

    let regions = read.regions?;
    let home = local.region.and_then(|local| regions.get(local)).map(Region::coordinates);
    let client = client.settings(home)?;
    let regions::Local { region: local_region, unmatched_locality } = local;
    Some(Config { local_region, unmatched_locality, regions, client, policy: policy?, output: output? })
}

/// What belongs to the document itself and is not supported yet.
fn refuse_unsupported(object: &Object<'_>) {
    only_json(object.get("overrides"), "{}");
    only_json(object.get("policies"), "[]");
    only_json(object.get("status"), "{}");
}
