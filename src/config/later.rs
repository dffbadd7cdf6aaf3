//! What belongs to the configuration contract and does not work yet.
//!
//! These fields are read and checked like all others; a value that would change anything is then refused, because a field
//! that is silently ignored is a promise broken in production. Whoever builds one of them moves it out of here.

use super::client_location::read_country;
use super::health::read_statuses;
use super::reader::{Node, Object, is_token};
use super::regions::{Read, read_region_name};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(31_557_600); // what a message calls "1year"

/// Refuses a value that this release does not act on.
fn refuse(node: &Node<'_>, instead: &str) {
    node.wrong::<()>(&not_supported_yet(instead));
}

/// The same where the value may hold a secret.
fn refuse_unseen(node: &Node<'_>, instead: &str) {
    node.wrong_secret::<()>(&not_supported_yet(instead));
}

fn not_supported_yet(instead: &str) -> String {
    format!("{instead}; anything else is not supported yet")
}

/// Refuses every value but the one that means "as if it were not there". A wrong value, which has been reported, is refused
/// once more: whoever corrects it should know that it will not do.
fn only<T: PartialEq>(value: Option<T>, harmless: T, node: &Node<'_>, instead: &str) {
    if value != Some(harmless) {
        refuse(node, instead);
    }
}

/// `state`, `weight`, `bias`, `priority` and `capacity` of a region.
pub(super) fn region_fields(region: &Object<'_>) {
    if let Some(node) = region.get("state") {
        only(node.one_of(&[("active", true), ("drain", false), ("off", false)]), true, &node, "\"active\"");
    }
    if let Some(node) = region.get("weight") {
        only(node.integer(0..=1000), 100, &node, "100");
    }
    if let Some(node) = region.get("bias") {
        only(node.number(-99..=99, "percent"), 0.0, &node, "0");
    }
    if let Some(node) = region.get("priority") {
        only(node.integer(0..=1000), 0, &node, "0");
    }
    if let Some(node) = region.get("capacity") {
        node.number(0..=1_000_000_000, "requests per second");
        refuse(&node, "no capacity");
    }
}

/// `passive` of a health block.
pub(super) fn passive(node: Option<Node<'_>>) {
    let Some((node, object)) = node.and_then(|node| node.object().map(|object| (node, object))) else { return };
    match object.get("enabled") {
        Some(node) => only(node.boolean(), false, &node, "false"),
        None => refuse(&node, "{enabled: false} or no passive"),
    }
    object.get("failures").and_then(|node| node.integer(1..=1000));
    object.get("within").and_then(|node| node.duration(MILLISECOND..=DAY));
    object.get("statuses").and_then(|node| read_statuses(&node));
    object.get("ejectFor").and_then(|node| node.duration(SECOND..=DAY));
    object.finish();
}

/// Everything of `steering` but `whenAllDown`.
pub(super) fn steering_fields(object: &Object<'_>, regions: &Read<'_>) {
    if let Some(node) = object.get("mode") {
        only(node.one_of(&[("enforce", true), ("shadow", false), ("off", false)]), true, &node, "\"enforce\"");
    }
    let no_width = |object: &Object<'_>, key, unit| {
        if let Some(node) = object.get(key) {
            only(node.number(0..=20_000, unit), 0.0, &node, "0");
        }
    };
    if let Some(band) = object.section("tieBand") {
        no_width(&band, "percent", "percent");
        no_width(&band, "km", "kilometres");
        band.finish();
    }
    if let Some(preference) = object.section("localPreference") {
        no_width(&preference, "km", "kilometres");
        preference.finish();
    }
    if let Some(node) = object.get("fences") {
        let fences = node.list("a list of {countries, regions, otherwise, rejectStatus}");
        fences.iter().flatten().for_each(|node| fence(node, regions));
        only(fences.map(|fences| fences.is_empty()), true, &node, "an empty list");
    }
    if let Some(node) = object.get("sticky") {
        if let Some(object) = node.object() {
            sticky(&object);
            object.finish();
        }
        refuse_unseen(&node, "no sticky");
    }
    if let Some(node) = object.get("overrides") {
        refuse(&node, "no overrides");
    }
}

fn fence(node: &Node<'_>, regions: &Read<'_>) {
    let Some(object) = node.object() else { return };
    let list = |key, expected| object.require(key, expected).and_then(|node| node.list(expected)).unwrap_or_default();
    for node in list("countries", "a list of country codes such as \"DE\"") {
        read_country(&node);
    }
    for node in list("regions", "a list of names of regions") {
        read_region_name(&node, regions);
    }
    object.get("otherwise").and_then(|node| node.one_of(&[("reject", ()), ("open", ())]));
    object.get("rejectStatus").and_then(|node| node.integer(400..=599));
    object.finish();
}

fn sticky(object: &Object<'_>) {
    const SECRET: &str = "a secret of at least 16 characters";
    object.get("cookie").and_then(|node| node.text("the name of a cookie", is_token));
    object.get("ttl").and_then(|node| node.duration(SECOND..=YEAR));
    object.require("secret", SECRET).and_then(|node| node.secret(SECRET, |secret| secret.len() >= 16));
}
