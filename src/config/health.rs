//! The block `health`: once for all regions, and again in a region that differs in some fields.

use super::later;
use super::reader::{Node, Object, is_header_value};
use crate::health::Thresholds;
use crate::probe::{BODY_LIMIT, Check, Expected, Request};
use std::ops::RangeInclusive;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MILLISECOND: Duration = Duration::from_millis(1);
/// Ten probes a second are as often as makes sense, and what the filter's tick can keep.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// A region's own block in front of the one for all regions.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a, 'j> {
    pub(super) own: Option<&'a Object<'j>>,
    pub(super) shared: Option<&'a Object<'j>>,
}

impl<'j> Layers<'_, 'j> {
    fn get(&self, key: &'static str) -> Option<Node<'j>> {
        // Both are asked in any case: asking is what makes a key a known one.
        let [own, shared] = [self.own, self.shared].map(|layer| layer.and_then(|object| object.get(key)));
        own.or(shared)
    }
}

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
    later::passive(block.get("passive"));
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
    let filled_in = |key, expected, default: &str| {
        let valid = |text: &str| !text.is_empty() && is_header_value(text) && !text.contains(' ');
        let text = block.get(key).map_or(Some(default), |node| node.text(expected, valid));
        text.map(|text| text.replace("{region}", region))
    };
    let cluster =
        filled_in("cluster", "the name of an Envoy cluster, {region} standing for the region", "region-{region}");
    let authority = filled_in("authority", "a host name, {region} standing for the region", "{region}");
    let method = block
        .get("method")
        .map_or(Some("GET"), |node| node.one_of(&[("GET", "GET"), ("HEAD", "HEAD"), ("OPTIONS", "OPTIONS")]));
    let path = block.get("path").map_or(Some("/healthz"), |node| {
        node.text("a path that begins with /", |path| path.starts_with('/') && is_header_value(path))
    });
    let headers = block.get("headers").map_or(Some(Vec::new()), |node| node.headers());
    Some(Request {
        cluster: cluster?,
        authority: authority?,
        method: method?.to_owned(),
        path: path?.to_owned(),
        headers: headers?,
    })
}

fn read_expected(block: Layers<'_, '_>) -> Option<Expected> {
    let statuses = block.get("expectedStatuses").map_or(Some(vec![200..=299]), |node| read_statuses(&node));
    let body = block.get("expectedBody");
    if let (Some(body), Some(method)) = (&body, block.get("method"))
        && method.as_text() == Some("HEAD")
        && body.as_text() != Some("")
    {
        body.wrong::<()>("nothing, because an answer to HEAD has no body");
    }
    let body = body.map_or(Some(""), |node| node.text("a text of at most 4096 bytes", |body| body.len() <= BODY_LIMIT));
    Some(Expected { statuses: statuses?, body: body?.to_owned() })
}

/// Reads a list such as `["200-299", "304"]`.
pub(super) fn read_statuses(node: &Node<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    const EXPECTED: &str = "a list of statuses such as \"200-299\" or \"304\"";
    let items = node.list(EXPECTED)?;
    if items.is_empty() {
        return node.wrong(EXPECTED);
    }
    items.iter().map(read_status_range).collect()
}

fn read_status_range(node: &Node<'_>) -> Option<RangeInclusive<u16>> {
    let range = node.as_text().and_then(|text| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
        Some(status(from)?..=status(to)?).filter(|range| !range.is_empty())
    });
    range.or_else(|| node.wrong("a status or a range of them as a text, \"100\" to \"599\""))
}

fn read_thresholds(block: Layers<'_, '_>) -> Option<Thresholds> {
    let count = |key| match block.get(key) {
        Some(node) => node.integer(1..=1000, "a count").map(|count| count as u16),
        None => Some(3),
    };
    let (down_after, clear_after, up_after) = (count("downAfter"), count("clearAfter"), count("upAfter"));
    Some(Thresholds { down_after: down_after?, clear_after: clear_after?, up_after: up_after? })
}

/// The durations of a check, which depend on each other.
struct Times {
    interval: Duration,
    edge_interval: Duration,
    timeout: Duration,
    stale_after: Duration,
}

impl Times {
    fn read(block: Layers<'_, '_>) -> Option<Self> {
        let given = |key, range: RangeInclusive<Duration>| {
            let node = block.get(key)?;
            let duration = node.duration(range);
            Some((node, duration))
        };
        let interval = given("interval", SHORTEST_INTERVAL..=DAY);
        let edge_interval = given("edgeInterval", SHORTEST_INTERVAL..=DAY);
        let timeout = given("timeout", MILLISECOND..=DAY);
        let stale_after = given("staleAfter", SHORTEST_INTERVAL..=DAY);

        // What is not given follows the interval, so that a short or a long one alone is no contradiction.
        let interval = interval.map_or(Some(5 * SECOND), |(_, duration)| duration)?;
        let edge_interval = match edge_interval {
            None => SECOND.min(interval),
            Some((node, duration)) => {
                Some(duration?).filter(|edge| *edge <= interval).or_else(|| node.wrong("no longer than interval"))?
            }
        };
        let timeout = match timeout {
            None => SECOND.min(interval / 2),
            Some((node, duration)) => {
                Some(duration?).filter(|timeout| *timeout < interval).or_else(|| node.wrong("shorter than interval"))?
            }
        };
        let round = interval + timeout;
        let stale_after = match stale_after {
            None => (30 * SECOND).max(3 * round),
            Some((node, duration)) => Some(duration?)
                .filter(|stale_after| *stale_after > round)
                .or_else(|| node.wrong("longer than interval and timeout together"))?,
        };
        Some(Self { interval, edge_interval, timeout, stale_after })
    }
}
