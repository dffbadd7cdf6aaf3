//! The block `health`: once for all regions, and again in a region that differs in some fields.

use super::later;
use super::reader::{Node, Object, is_one_word};
use crate::call::Request;
use crate::health::Thresholds;
use crate::probe::{BODY_LIMIT, Check, Expected};
use humantime::format_duration;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than the longest interval and timeout together, so that every interval can have a `staleAfter`.
const LONGEST_STALE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
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
    let filled_in = |key, expected, default: &str, refused: &[u8]| {
        let valid = |text: &str| {
            let rest = text.replace("{region}", "");
            !text.is_empty() && is_one_word(text) && !rest.bytes().any(|byte| refused.contains(&byte))
        };
        let text = block.get(key).map_or(Some(default), |node| node.text(expected, valid));
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
        node.text("a path that begins with /, without blanks", |path| path.starts_with('/') && is_one_word(path))
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
    let statuses = block.get("expectedStatuses").map_or(Some(vec![200..=299]), |node| read_statuses(&node));
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

/// Reads a list such as `["200-299", "304"]`.
pub(super) fn read_statuses(node: &Node<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    const EXPECTED: &str = "a list of statuses and ranges such as [\"200-299\", \"304\"]";
    let items = node.list(EXPECTED)?;
    if items.is_empty() {
        return node.wrong(EXPECTED);
    }
    let ranges: Vec<_> = items.iter().map(read_status_range).collect(); // all of them, before the first wrong one counts
    ranges.into_iter().collect()
}

fn read_status_range(node: &Node<'_>) -> Option<RangeInclusive<u16>> {
    let range = node.as_text().and_then(|text| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
        Some(status(from)?..=status(to)?).filter(|range| !range.is_empty())
    });
    range.or_else(|| node.wrong("a text such as \"304\" or \"200-299\", within 100 to 599"))
}

fn read_thresholds(block: Layers<'_, '_>) -> Option<Thresholds> {
    let count = |key| match block.get(key) {
        Some(node) => node.integer(1..=1000).map(|count| count as u16),
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
        let interval = Given::read(block, "interval", SHORTEST_INTERVAL..=DAY);
        let edge_interval = Given::read(block, "edgeInterval", SHORTEST_INTERVAL..=DAY);
        let timeout = Given::read(block, "timeout", MILLISECOND..=DAY);
        let stale_after = Given::read(block, "staleAfter", SHORTEST_INTERVAL..=LONGEST_STALE_AFTER);

        // What is not given follows the interval, so that a short or a long one alone is no contradiction. Everything is
        // compared before the last `?`, so that one contradiction does not hide the next.
        let interval = interval?.or(5 * SECOND);
        let edge_interval = edge_interval.map(|given| given.or(SECOND.min(interval.duration)));
        let timeout = timeout.map(|given| given.or(SECOND.min(interval.duration / 2)));

        let edge_interval = edge_interval
            .and_then(|edge| edge.unless(edge.duration > interval.duration, &format!("no longer than {interval}")));
        let fitting_timeout = timeout.as_ref().and_then(|timeout| {
            timeout.unless(timeout.duration >= interval.duration, &format!("shorter than {interval}"))
        });
        let stale_after = stale_after.zip(timeout).and_then(|(given, timeout)| {
            let round = interval.duration + timeout.duration;
            let stale_after = given.or((30 * SECOND).max(3 * round));
            stale_after.unless(stale_after.duration <= round, &format!("longer than {interval} and {timeout} together"))
        });
        Some(Self {
            interval: interval.duration,
            edge_interval: edge_interval?,
            timeout: fitting_timeout?,
            stale_after: stale_after?,
        })
    }
}

/// A duration, if the document has it.
struct Given<'a> {
    key: &'static str,
    value: Option<(Node<'a>, Duration)>,
}

/// A duration, from the document or by default.
struct Time<'a> {
    key: &'static str,
    node: Option<Node<'a>>,
    duration: Duration,
}

impl<'a> Given<'a> {
    /// `None` is a wrong one, which has been reported.
    fn read(block: Layers<'_, 'a>, key: &'static str, range: RangeInclusive<Duration>) -> Option<Self> {
        let Some(node) = block.get(key) else { return Some(Self { key, value: None }) };
        let duration = node.duration(range)?;
        Some(Self { key, value: Some((node, duration)) })
    }

    fn or(self, default: Duration) -> Time<'a> {
        let (node, duration) = self.value.map_or((None, default), |(node, duration)| (Some(node), duration));
        Time { key: self.key, node, duration }
    }
}

impl Time<'_> {
    /// The duration, unless it contradicts another one, which is reported then. A default never does.
    fn unless(&self, contradicts: bool, expected: &str) -> Option<Duration> {
        match &self.node {
            Some(node) if contradicts => node.wrong(expected),
            _ => Some(self.duration),
        }
    }
}

impl fmt::Display for Time<'_> {
    /// As a message refers to it. A region's own duration may contradict one that all share, so the path matters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = format_duration(self.duration);
        match &self.node {
            Some(node) => write!(f, "{} ({duration})", node.path()),
            None => write!(f, "{} ({duration} by default)", self.key),
        }
    }
}
