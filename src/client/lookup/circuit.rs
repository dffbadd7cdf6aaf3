//! The circuit breaker between the gateway and a lookup service: open while the service fails, so that it costs requests
//! nothing.

use super::answer::Outcome;
use crate::time::Timestamp;
use std::time::Duration;

/// So many lookups in a row have to fail before the service is left alone.
const FAILURES_TO_OPEN: u32 = 5;
/// How long it is left alone at first …
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// … and at most, after doubling with each trial that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether the service may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Yes.
    Closed {
        /// How many lookups have failed since the last success.
        failures: u32,
    },
    /// No, not before this point in time.
    Open {
        /// When it may be tried again.
        until: Timestamp,
        /// How long it was left alone, before jitter.
        pause: Duration,
    },
    /// One lookup is under way to try it; nobody else may ask.
    HalfOpen {
        /// How long it was left alone before, without jitter.
        pause: Duration,
    },
}

/// What a lookup says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It does its work.
    Works,
    /// It does not.
    Fails,
    /// It wants to be left alone.
    Overloaded,
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Circuit {
    /// Whether to ask now, and the circuit after that.
    pub fn admit(self, now: Timestamp) -> (Self, bool) {
        match self {
            Self::Closed { .. } => (self, true),
            Self::Open { until, pause } if now >= until => (Self::HalfOpen { pause }, true),
            Self::Open { .. } | Self::HalfOpen { .. } => (self, false),
        }
    }

    /// The circuit after a lookup has ended; `random` spreads the trials of many gateways over time.
    pub fn observe(self, signal: Signal, now: Timestamp, random: u64) -> Self {
        let open = |pause| Self::Open { until: now + jittered(pause, random), pause };
        match (self, signal) {
            (_, Signal::Works) => Self::default(),
            (Self::Closed { failures }, Signal::Fails) if failures + 1 < FAILURES_TO_OPEN => {
                Self::Closed { failures: failures + 1 }
            }
            (Self::Closed { .. }, Signal::Fails | Signal::Overloaded) => open(SHORTEST_PAUSE),
            (Self::Open { .. }, Signal::Fails | Signal::Overloaded) => self, // sent before it opened
            (Self::HalfOpen { pause }, Signal::Fails | Signal::Overloaded) => open((pause * 2).min(LONGEST_PAUSE)),
        }
    }
}

impl From<Outcome> for Signal {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Found | Outcome::Nowhere => Self::Works,
            Outcome::Limited | Outcome::ServerError => Self::Overloaded,
            Outcome::Malformed | Outcome::OtherAddress | Outcome::TooLarge | Outcome::Status | Outcome::Failed(_) => {
                Self::Fails
            }
        }
    }
}

/// Between half of the pause and all of it.
fn jittered(pause: Duration, random: u64) -> Duration {
    let thousandths = (random % 501) as u32;
    pause * (500 + thousandths) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
    }

    const FULL_PAUSE: u64 = 500;
    const HALF_PAUSE: u64 = 0;

    #[test]
    fn one_life() {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES_TO_OPEN - 1 {
            circuit = circuit.observe(Signal::Fails, at(0), FULL_PAUSE);
            assert!(circuit.admit(at(0)).1, "some failures are forgiven");
        }
        circuit = circuit.observe(Signal::Works, at(0), FULL_PAUSE);
        assert_eq!(circuit, Circuit::default(), "a success wipes them");
        for _ in 0..FAILURES_TO_OPEN {
            circuit = circuit.observe(Signal::Fails, at(0), FULL_PAUSE);
        }
        assert_eq!(circuit, Circuit::Open { until: at(1), pause: SHORTEST_PAUSE });
        assert_eq!(circuit.admit(at(0)), (circuit, false));
        assert_eq!(circuit.observe(Signal::Fails, at(0), FULL_PAUSE), circuit, "a straggler changes nothing");
        let (half_open, admitted) = circuit.admit(at(1));
        assert!(admitted);
        assert_eq!(half_open.admit(at(1)), (half_open, false), "one trial at a time");
        let reopened = half_open.observe(Signal::Fails, at(1), HALF_PAUSE);
        assert_eq!(reopened, Circuit::Open { until: at(2), pause: Duration::from_secs(2) });
        assert_eq!(half_open.observe(Signal::Works, at(1), 0), Circuit::default());
    }

    #[test]
    fn a_service_that_wants_to_be_left_alone_is_so_at_once() {
        let circuit = Circuit::default().observe(Signal::Overloaded, at(0), FULL_PAUSE);
        assert_eq!(circuit, Circuit::Open { until: at(1), pause: SHORTEST_PAUSE });
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut pause = SHORTEST_PAUSE;
        for expected in [2, 4, 8, 16, 32, 60, 60] {
            match (Circuit::HalfOpen { pause }).observe(Signal::Fails, at(0), FULL_PAUSE) {
                Circuit::Open { until, pause: next } => {
                    assert_eq!((until, next), (at(expected), Duration::from_secs(expected)));
                    pause = next;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn jitter_takes_off_half_at_most() {
        for random in [0, 1, 250, 500, 501, u64::MAX] {
            let pause = jittered(LONGEST_PAUSE, random);
            assert!((LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(&pause), "{random}: {pause:?}");
        }
    }
}
