//! One probe: what is asked of a region, and what the answer means.

use crate::call::{Failure, Reply, Request};
use crate::health::{Evidence, Thresholds};
use crate::stable_hash::stable_hash;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How much of an answer's body is searched for the expected text, in bytes.
pub const BODY_LIMIT: usize = 4096;

/// How one region is checked: the whole `health` block, with `{region}` filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is sent.
    pub request: Request,
    /// What a healthy region answers.
    pub expected: Expected,
    /// Time from one probe to the next.
    pub interval: Duration,
    /// The same while a state is about to change.
    pub edge_interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How much evidence changes the state.
    pub thresholds: Thresholds,
    /// Whether the region counts as usable while nobody knows.
    pub unknown_is_up: bool,
    /// The age at which a result counts no more.
    pub stale_after: Duration,
}

/// What a healthy region answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Status codes, any of them.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// A text within the first [`BODY_LIMIT`] bytes of the body; empty: the body is not looked at.
    pub body: String,
}

/// Names a region together with everything that gives its results their meaning.
///
/// Results are kept across configurations for as long as this stays the same; intervals and thresholds are not part of it.
/// Identities of one region are neighbours in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckId {
    region: u32,
    check: u64,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// As expected.
    Success,
    /// A status that was not expected.
    Status,
    /// A body without the expected text.
    Body,
    /// Nobody answered.
    Failed(Failure),
}

impl Check {
    /// The identity of this check for the region of this name.
    pub fn id(&self, region: &str) -> CheckId {
        CheckId { region: region_hash(region), check: stable_hash(&(region, &self.request, &self.expected)) }
    }
}

impl CheckId {
    /// Names the region: [`region_hash`].
    pub fn region(self) -> u32 {
        self.region
    }
}

/// Names a region in shared data, where names would take more room.
pub fn region_hash(name: &str) -> u32 {
    stable_hash(&name) as u32
}

impl Expected {
    /// Judges an answer.
    pub fn judge(&self, reply: &Reply<'_>) -> Outcome {
        match *reply {
            Reply::Failed(failure) => Outcome::Failed(failure),
            Reply::Answered { status, body } => {
                if !status.is_some_and(|status| self.statuses.iter().any(|range| range.contains(&status))) {
                    Outcome::Status
                } else if !contains(body, self.body.as_bytes()) {
                    Outcome::Body
                } else {
                    Outcome::Success
                }
            }
        }
    }
}

impl Outcome {
    /// Every outcome there is.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Status,
        Self::Body,
        Self::Failed(Failure::Timeout),
        Self::Failed(Failure::Refused),
        Self::Failed(Failure::Reset),
        Self::Failed(Failure::Malformed),
        Self::Failed(Failure::NoHost),
        Self::Failed(Failure::NoCluster),
    ];

    /// What this says about the region.
    pub fn evidence(self) -> Evidence {
        if self == Self::Success { Evidence::Success } else { Evidence::Failure }
    }

    /// The position in [`Outcome::ALL`].
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or_default()
    }

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Status => "status",
            Self::Body => "body",
            Self::Failed(failure) => failure.name(),
        }
    }
}

/// Whether `needle` occurs in the first [`BODY_LIMIT`] bytes of `hay`; the empty needle always does.
fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let hay = hay.get(..BODY_LIMIT).unwrap_or(hay);
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means() {
        let expected = Expected { statuses: vec![200..=299, 503..=504], body: "ok".into() };
        let answered = |status, body| Reply::Answered { status, body };
        let late = [vec![b' '; BODY_LIMIT], b"ok".to_vec()].concat();
        for (reply, outcome) in [
            (answered(Some(200), b"all ok"), Outcome::Success),
            (answered(Some(204), b"ok"), Outcome::Success),
            (answered(Some(200), b""), Outcome::Body),
            (answered(Some(200), &late), Outcome::Body),
            (answered(Some(301), b"ok"), Outcome::Status),
            (answered(None, b"ok"), Outcome::Status),
            (answered(Some(503), b"ok"), Outcome::Success), // a region may be expected to answer that
            (Reply::Failed(Failure::Refused), Outcome::Failed(Failure::Refused)),
        ] {
            assert_eq!(expected.judge(&reply), outcome, "{:.60}", format!("{reply:?}"));
        }
    }
}
