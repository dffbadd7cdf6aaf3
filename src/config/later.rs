//! What belongs to the configuration contract and does not work yet.
//!
//! These fields are read and checked like all others; a value that would change anything is then refused, because a field
//! that is silently ignored is a promise broken in production. Whoever builds one of them moves it out of here.

use super::client_location::read_network;
use super::health::read_statuses;
use super::reader::{Node, Object, is_header_value, is_token};
use super::regions::{Read, read_coordinates, read_region_name};
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

/// `preset`, `countryHeader`, `networks` and `lookup`.
pub(super) fn client_location_fields(object: &Object<'_>) {
    const PRESETS: [(&str, bool); 7] = [
        ("none", true),
        ("cloudflare", false),
        ("cloudfront", false),
        ("gcp", false),
        ("fastly", false),
        ("akamai", false),
        ("vercel", false),
    ];
    if let Some(node) = object.get("preset") {
        only(node.one_of(&PRESETS), true, &node, "\"none\" and the names in clientLocation.headers");
    }
    if let Some(node) = object.get("countryHeader") {
        node.header_name();
        refuse(&node, "no countryHeader");
    }
    if let Some(node) = object.get("networks") {
        let networks = node.list("a list of {cidr, latitude, longitude, country}");
        networks.iter().flatten().for_each(network);
        only(networks.map(|networks| networks.is_empty()), true, &node, "an empty list");
    }
    if let Some(node) = object.get("lookup") {
        if let Some(object) = node.object() {
            lookup(&object);
            object.finish();
        }
        refuse_unseen(&node, "no lookup");
    }
}

fn network(node: &Node<'_>) {
    let Some(object) = node.object() else { return };
    object.require("cidr", "a network such as \"10.1.0.0/16\"").and_then(|node| read_network(&node));
    read_coordinates(&object);
    object.get("country").and_then(|node| country(&node));
    object.finish();
}

fn country<'a>(node: &Node<'a>) -> Option<&'a str> {
    node.text("an ISO 3166-1 alpha-2 code such as \"DE\"", |code| {
        code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

fn lookup(object: &Object<'_>) {
    const POINTER: &str = "a JSON pointer such as \"/loc\"";
    let not_empty = |text: &str| !text.is_empty() && is_header_value(text);
    object
        .require("cluster", "the name of an Envoy cluster")
        .and_then(|node| node.text("the name of an Envoy cluster", not_empty));
    object.get("authority").and_then(|node| node.text("a host name", not_empty));
    object.get("path").and_then(|node| {
        node.text("a path that begins with / and contains {ip}", |path| path.starts_with('/') && path.contains("{ip}"))
    });
    object.get("headers").and_then(|node| node.headers());
    object.get("timeout").and_then(|node| node.duration(MILLISECOND..=10 * SECOND));
    for key in ["location", "latitude", "longitude", "country"] {
        object.get(key).and_then(|node| node.text(POINTER, |pointer| pointer.starts_with('/')));
    }
    if let Some(cache) = object.get("cache").and_then(|node| node.object()) {
        cache.get("entries").and_then(|node| node.integer(0..=1_000_000));
        cache.get("ttl").and_then(|node| node.duration(SECOND..=YEAR));
        cache.get("negativeTtl").and_then(|node| node.duration(SECOND..=YEAR));
        cache.get("prefixV4").and_then(|node| node.integer(8..=32));
        cache.get("prefixV6").and_then(|node| node.integer(16..=128));
        cache.finish();
    }
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
        country(&node);
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
