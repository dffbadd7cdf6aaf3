//! The durations of the block `health`, which depend on each other.

use super::layers::Layers;
use super::reader::Node;
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

/// The durations of a check, which depend on each other.
pub(super) struct Times {
    pub(super) interval: Duration,
    pub(super) edge_interval: Duration,
    pub(super) timeout: Duration,
    pub(super) stale_after: Duration,
}

impl Times {
    pub(super) fn read(block: Layers<'_, '_>) -> Option<Self> {
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
