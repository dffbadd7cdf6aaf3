//! The block `health`: once for all regions, and again in a region that differs in some fields.

use super::layers::Layers;
use super::reader::{Node, is_one_word};
use super::statuses;
use super::times::Times;
use super::unsupported::{only, only_json, only_redacted, refuse};
use crate::call::Request;
use crate::health::Thresholds;
use crate::probe::{BODY_LIMIT, Check, Expected};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads how the region of this name is checked.
pub(super) fn read(region: &str, block: Layers<'_, '_>) -> Option<Check> {
    let request = read_request(region, block);
    let expected = read_expected(block);
    let thresholds = read_thresholds(block);
    let times = Times::read(block);
    let unknown_is_up = match block.get("unknownIs") {
        Some(node) => node.one_of(&[("up", true), ("down", false)]),
        None => Some(true),
    };
    refuse_unsupported(block);
    let Times { interval, edge_interval, timeout, stale_after } = times?;
    Some(Check {
        request: request?,
        expected: expected?,
        interval,
        edge_interval,
        timeout,
        thresholds: thresholds?,
        unknown_is_up: unknown_is_up?,
        stale_after,
    })
}

fn read_request(region: &str, block: Layers<'_, '_>) -> Option<Request> {
    let filled_in = |key, expected, default: &str, refused: &[u8]| {
        let valid = |text: &str| {
            let rest = text.replace("{region}", "");
            !text.is_empty() && is_one_word(text) && !rest.bytes().any(|byte| refused.contains(&byte))
        };
        let text = block.get(key).map_or(Some(default), |node| match key {
            "authority" => node.redacted_text(expected, valid), // a URL may have a password in it
            _ => node.text(expected, valid),
        });
        text.map(|text| text.replace("{region}", region))
    };
    const CLUSTER: &str =
        "the name of an Envoy cluster: no blanks, no braces but {region}, which stands for the region's name";
    const AUTHORITY: &str =
        "a host name: no blanks or slashes, no braces but {region}, which stands for the region's name";
    let cluster = filled_in("cluster", CLUSTER, "region-{region}", b"{}"); // a brace that is left is a placeholder misspelt
    let authority = filled_in("authority", AUTHORITY, "{region}", b"{}/");
    let method = block
        .get("method")
        .map_or(Some("GET"), |node| node.one_of(&[("GET", "GET"), ("HEAD", "HEAD"), ("OPTIONS", "OPTIONS")]));
    let path = block.get("path").map_or(Some("/healthz"), |node| {
        node.redacted_text("a path that begins with /, without blanks", |path| {
            path.starts_with('/') && is_one_word(path)
        })
    });
    let headers = block.get("headers").map_or(Some(Vec::new()), |node| {
        let headers = node.headers()?;
        // Envoy would append it to `:authority`, and no region would be asked by its name.
        let has_host = headers.iter().any(|(name, _)| name == "host");
        if has_host { node.wrong("no header \"host\", which authority is for") } else { Some(headers) }
    });
    Some(Request {
        cluster: cluster?,
        authority: authority?,
        method: method?.to_owned(),
        path: path?.to_owned(),
        headers: headers?,
    })
}

fn read_expected(block: Layers<'_, '_>) -> Option<Expected> {
    let statuses = block.get("expectedStatuses").map_or(Some(vec![200..=299]), |node| statuses::read(&node));
    let node = block.get("expectedBody");
    let valid = |body: &str| body.len() <= BODY_LIMIT;
    let body = node.as_ref().map_or(Some(""), |node| node.text("a text of at most 4096 bytes", valid));
    if let (Some(node), Some(method)) = (node, block.get("method"))
        && method.as_text() == Some("HEAD")
        && body.is_some_and(|body| !body.is_empty())
    {
        return node.wrong(&format!("\"\", because {} is \"HEAD\", which gets no body", method.path()));
    }
    Some(Expected { statuses: statuses?, body: body?.to_owned() })
}

fn read_thresholds(block: Layers<'_, '_>) -> Option<Thresholds> {
    let count = |key| match block.get(key) {
        Some(node) => node.integer(1..=1000).map(|count| count as u16),
        None => Some(3),
    };
    let (down_after, clear_after, up_after) = (count("downAfter"), count("clearAfter"), count("upAfter"));
    Some(Thresholds { down_after: down_after?, clear_after: clear_after?, up_after: up_after? })
}

/// What belongs to this block and is not supported yet.
fn refuse_unsupported(block: Layers<'_, '_>) {
    only_json(block.get("targets"), "[]");
    only(block.get("minUp"), "1", &|node| node.is_json("1") || node.is_json("1.0")); // a double in Istio
    only_redacted(block.get("slowStart"), "no slowStart", &|_| false);
    if let Some(node) = block.get("passive") {
        refuse_passive(&node);
    }
    only_json(block.get("quorum"), "{}");
}

fn refuse_passive(node: &Node<'_>) {
    let Some(object) = node.object() else { return };
    match object.get("enabled") {
        None => refuse(node, "{enabled: false} or no passive"),
        enabled => only(enabled, "false", &|node| node.boolean() == Some(false)),
    }
    object.get("failures").and_then(|node| node.integer(1..=1000));
    object.get("within").and_then(|node| node.duration(MILLISECOND..=DAY));
    object.get("statuses").and_then(|node| statuses::read(&node));
    object.get("ejectFor").and_then(|node| node.duration(SECOND..=DAY));
    object.finish();
}
