//! One region's health: what probes have shown, and when that is enough to change one's mind.
//!
//! The thresholds have gdnsd's shape. While a region is up, failures add up even when successes lie between them, and are
//! forgiven only after `clear_after` successes in a row: a region that fails every second probe goes down. While it is
//! down, only `up_after` successes in a row bring it back. Before the first result one probe decides, either way.

use serde::{Deserialize, Serialize};

/// What one probe says about a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The region answered as expected.
    Success,
    /// It did not.
    Failure,
}

/// How much evidence it takes to change a region's state; each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures, not necessarily in a row, that take a region down.
    pub down_after: u16,
    /// Successes in a row that wipe the failures of a region that is up.
    pub clear_after: u16,
    /// Successes in a row that bring a region back.
    pub up_after: u16,
}

/// Where a region stands, and the evidence gathered for leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// No result yet, or none that is fresh enough.
    #[default]
    Unknown,
    /// Serving, with `failures` not yet forgiven and the `successes` in a row since the last of them.
    Up {
        /// Failures that count towards going down.
        failures: u16,
        /// Successes in a row that count towards forgiving them; 0 while there are none to forgive.
        successes: u16,
    },
    /// Not serving, with the `successes` in a row that count towards coming back.
    Down {
        /// Successes in a row.
        successes: u16,
    },
}

/// A region's health without the bookkeeping, as the rest of the filter and its metrics see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// The thresholds say that it does not serve.
    Down,
    /// The thresholds say that it serves.
    Up,
    /// Nobody knows.
    Unknown,
}

/// What an observation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing new.
    Unchanged,
    /// The state stands, but evidence against it is gathering: probe more often.
    Pending,
    /// The region came up.
    WentUp,
    /// The region went down.
    WentDown,
}

impl State {
    /// The state after one more piece of evidence, and what that did.
    pub fn observe(self, evidence: Evidence, thresholds: Thresholds) -> (Self, Transition) {
        use Evidence::{Failure, Success};
        const UP: State = State::Up { failures: 0, successes: 0 };
        const DOWN: State = State::Down { successes: 0 };

        match (self, evidence) {
            (Self::Unknown, Success) => (UP, Transition::WentUp),
            (Self::Unknown, Failure) => (DOWN, Transition::WentDown),

            (Self::Up { failures: 0, .. }, Success) => (UP, Transition::Unchanged),
            (Self::Up { failures, successes }, Success) => match successes.saturating_add(1) {
                enough if enough >= thresholds.clear_after => (UP, Transition::Unchanged),
                successes => (Self::Up { failures, successes }, Transition::Pending),
            },
            (Self::Up { failures, .. }, Failure) => match failures.saturating_add(1) {
                enough if enough >= thresholds.down_after => (DOWN, Transition::WentDown),
                failures => (Self::Up { failures, successes: 0 }, Transition::Pending),
            },

            (Self::Down { .. }, Failure) => (DOWN, Transition::Unchanged),
            (Self::Down { successes }, Success) => match successes.saturating_add(1) {
                enough if enough >= thresholds.up_after => (UP, Transition::WentUp),
                successes => (Self::Down { successes }, Transition::Pending),
            },
        }
    }

    /// The state without the bookkeeping.
    pub fn health(self) -> Health {
        match self {
            Self::Unknown => Health::Unknown,
            Self::Up { .. } => Health::Up,
            Self::Down { .. } => Health::Down,
        }
    }
}

impl Health {
    /// Every health there is.
    pub const ALL: [Self; 3] = [Self::Down, Self::Up, Self::Unknown];

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Unknown => "unknown",
        }
    }

    /// The value of the gauge `greatcircle_region_health`.
    pub fn gauge(self) -> u64 {
        match self {
            Self::Down => 0,
            Self::Up => 1,
            Self::Unknown => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds probes (`.` success, `x` failure) and writes the health after each as `U`, `D` or `?`.
    fn run(thresholds: Thresholds, probes: &str) -> String {
        let mut state = State::default();
        let evidence = |probe| if probe == '.' { Evidence::Success } else { Evidence::Failure };
        probes
            .chars()
            .map(|probe| {
                state = state.observe(evidence(probe), thresholds).0;
                match state.health() {
                    Health::Up => 'U',
                    Health::Down => 'D',
                    Health::Unknown => '?',
                }
            })
            .collect()
    }

    #[test]
    fn what_a_sequence_of_probes_does() {
        let three = Thresholds { down_after: 3, clear_after: 3, up_after: 3 };
        for (name, probes, expected) in [
            ("one success decides at first", ".", "U"),
            ("one failure decides at first", "x", "D"),
            ("three failures in a row take it down", ".xxx", "UUUD"),
            ("two failures do not", ".xx.....", "UUUUUUUU"),
            ("failing every second probe takes it down", ".x.x.x", "UUUUUD"),
            ("three successes in a row forgive", ".xx...xx...", "UUUUUUUUUUU"),
            ("two successes do not", ".xx..x", "UUUUUD"),
            ("three successes in a row bring it back", "x...", "DDDU"),
            ("a failure starts the recovery again", "x..x..x...", "DDDDDDDDDU"),
            ("back up means a clean slate", "x...xx.", "DDDUUUU"),
        ] {
            assert_eq!(run(three, probes), expected, "{name}: {probes}");
        }
    }

    #[test]
    fn thresholds_of_one_follow_every_probe() {
        let one = Thresholds { down_after: 1, clear_after: 1, up_after: 1 };
        assert_eq!(run(one, ".x.xx.."), "UDUDDUU");
    }

    #[test]
    fn pending_says_that_evidence_is_gathering() {
        let two = Thresholds { down_after: 2, clear_after: 2, up_after: 2 };
        let mut state = State::default();
        for (evidence, expected) in [
            (Evidence::Success, Transition::WentUp),
            (Evidence::Success, Transition::Unchanged),
            (Evidence::Failure, Transition::Pending),
            (Evidence::Success, Transition::Pending),
            (Evidence::Success, Transition::Unchanged),
            (Evidence::Failure, Transition::Pending),
            (Evidence::Failure, Transition::WentDown),
            (Evidence::Failure, Transition::Unchanged),
            (Evidence::Success, Transition::Pending),
            (Evidence::Success, Transition::WentUp),
        ] {
            let (next, transition) = state.observe(evidence, two);
            assert_eq!(transition, expected, "{state:?} and {evidence:?}");
            state = next;
        }
    }
}
