//! The block `steering`: what the walk does when the usual answer is not there.

use super::country;
use super::reader::{Node, Object, is_token};
use super::region_names::{REGION_NAME, RegionNames};
use super::unsupported::{only, only_json, only_redacted};
use crate::steering::{Policy, WhenAllDown};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(31_557_600); // what a message calls "1year"

/// Reads how requests are steered.
pub(super) fn read(object: Option<Object<'_>>, names: RegionNames<'_>) -> Option<Policy> {
    let object = object?;
    let when_all_down =
        object.get("whenAllDown").map_or(Some(WhenAllDown::default()), |node| read_when_all_down(&node, names));
    refuse_unsupported(&object, names);
    object.finish();
    Some(Policy { when_all_down: when_all_down? })
}

fn read_when_all_down(node: &Node<'_>, names: RegionNames<'_>) -> Option<WhenAllDown> {
    match node.as_text() {
        Some("nearest") => Some(WhenAllDown::Nearest),
        Some("reject") => Some(WhenAllDown::Reject),
        _ if node.is_object() => {
            let object = node.object()?;
            let region = object.require("region", REGION_NAME);
            object.finish();
            names.read(&region?).map(WhenAllDown::Region)
        }
        _ => node.wrong("\"nearest\", \"reject\" or {region: NAME}"),
    }
}

/// What belongs to this block and is not supported yet.
fn refuse_unsupported(object: &Object<'_>, names: RegionNames<'_>) {
    let modes = [("enforce", true), ("shadow", false), ("off", false)];
    only(object.get("mode"), "\"enforce\"", &|node| node.one_of(&modes) == Some(true));
    only_json(object.get("rankBy"), "\"distance\"");
    only_json(object.get("action"), "\"route\"");
    if let Some(band) = object.section("tieBand") {
        only_zero(&band, "percent", "percent");
        only_zero(&band, "km", "kilometres");
        band.finish();
    }
    if let Some(preference) = object.section("localPreference") {
        only_zero(&preference, "km", "kilometres");
        preference.finish();
    }
    only(object.get("fences"), "an empty list", &|node| {
        let fences = node.list("a list of {countries, regions, otherwise, rejectStatus}");
        fences.iter().flatten().for_each(|node| check_fence(node, names));
        fences.is_some_and(|fences| fences.is_empty())
    });
    only_redacted(object.get("sticky"), "no sticky", &|node| {
        if let Some(object) = node.object() {
            check_sticky(&object);
        }
        false
    });
}

fn only_zero(object: &Object<'_>, key: &'static str, unit: &str) {
    only(object.get(key), "0", &|node| node.number(0..=20_000, unit) == Some(0.0));
}

fn check_fence(node: &Node<'_>, names: RegionNames<'_>) {
    let Some(object) = node.object() else { return };
    let list = |key, expected| object.require(key, expected).and_then(|node| node.list(expected)).unwrap_or_default();
    for node in list("countries", "a list of country codes such as \"DE\"") {
        country::read(&node);
    }
    for node in list("regions", "a list of names of regions") {
        names.read(&node);
    }
    object.get("otherwise").and_then(|node| node.one_of(&[("reject", ()), ("open", ())]));
    object.get("rejectStatus").and_then(|node| node.integer(400..=599));
    object.finish();
}

fn check_sticky(object: &Object<'_>) {
    const SECRET: &str = "a secret of at least 16 characters";
    object.get("cookie").and_then(|node| node.text("the name of a cookie", is_token));
    object.get("ttl").and_then(|node| node.duration(SECOND..=YEAR));
    object.require("secret", SECRET).and_then(|node| node.secret(SECRET, |secret| secret.len() >= 16));
    object.finish();
}
