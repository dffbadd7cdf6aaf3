//! The circuit breaker between the gateway and a lookup service: open while the service fails, so that it costs requests
//! nothing.
//!
//! A lookup can also fail because of what it asks about, and whoever has such an address may ask as often as they like. So it
//! takes failures of unrelated networks to open the circuit, and half-open, every network has one lookup to close it.

use super::Network;
use super::answer::Outcome;
use crate::time::Timestamp;
use std::time::Duration;

/// So many unrelated networks' lookups have to fail, with no success in between, before the service is left alone.
const FAILURES_TO_OPEN: usize = 5;
/// How long it is left alone at first …
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// … and at most, after doubling each time that its trials fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long trials go on: longer than the longest timeout, so that all of them can fail.
const TRIALS: Duration = Duration::from_secs(12);

/// Whether the service may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Yes.
    Closed {
        /// Whose lookups have failed since the last success.
        failed: Networks,
    },
    /// No, not before this point in time.
    Open {
        /// When it may be tried again.
        until: Timestamp,
        /// How long it was left alone, before jitter.
        pause: Duration,
    },
    /// Some lookups are under way to try it; nobody else may ask.
    HalfOpen {
        /// When the trials begin again, unless enough of them have ended.
        until: Timestamp,
        /// How long it was left alone before, without jitter.
        pause: Duration,
        /// Whose lookups these are.
        tried: Networks,
        /// Which of them have failed.
        failed: Networks,
    },
}

/// As many networks as it takes to open the circuit, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Networks([Option<Network>; FAILURES_TO_OPEN]);

/// What a lookup says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It does its work.
    Works,
    /// It does not, or not for this network.
    Fails,
    /// It wants to be left alone.
    Overloaded,
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failed: Networks::default() }
    }
}

impl Circuit {
    /// Whether to ask now on behalf of this network, and the circuit after that.
    pub fn admit(self, network: Network, now: Timestamp) -> (Self, bool) {
        match self {
            Self::Closed { .. } => (self, true),
            Self::Open { until, .. } if now < until => (self, false),
            Self::HalfOpen { until, pause, tried, failed } if now < until => {
                let admitted = !tried.is_full() && !tried.contains(network);
                let tried = if admitted { tried.with(network) } else { tried };
                (Self::HalfOpen { until, pause, tried, failed }, admitted)
            }
            Self::Open { pause, .. } | Self::HalfOpen { pause, .. } => {
                let (tried, failed) = (Networks::default().with(network), Networks::default());
                (Self::HalfOpen { until: now + TRIALS, pause, tried, failed }, true)
            }
        }
    }

    /// The circuit after a lookup on behalf of this network has ended; `random` spreads the trials of many gateways over time.
    pub fn observe(self, signal: Signal, network: Network, now: Timestamp, random: u64) -> Self {
        let open = |pause| Self::Open { until: now + jittered(pause, random), pause };
        match (self, signal) {
            (_, Signal::Works) => Self::default(),
            (Self::Open { .. }, _) => self, // sent before it opened
            (Self::Closed { .. }, Signal::Overloaded) => open(SHORTEST_PAUSE),
            (Self::Closed { failed }, Signal::Fails) => match failed.with(network) {
                failed if failed.is_full() => open(SHORTEST_PAUSE),
                failed => Self::Closed { failed },
            },
            (Self::HalfOpen { pause, .. }, Signal::Overloaded) => open((pause * 2).min(LONGEST_PAUSE)),
            (Self::HalfOpen { tried, .. }, Signal::Fails) if !tried.contains(network) => self, // no trial
            (Self::HalfOpen { until, pause, tried, failed }, Signal::Fails) => match failed.with(network) {
                failed if failed.is_full() => open((pause * 2).min(LONGEST_PAUSE)),
                failed => Self::HalfOpen { until, pause, tried, failed },
            },
        }
    }
}

impl Networks {
    fn with(mut self, network: Network) -> Self {
        if !self.contains(network) {
            self.0.iter_mut().find(|slot| slot.is_none()).into_iter().for_each(|slot| *slot = Some(network));
        }
        self
    }

    fn contains(&self, network: Network) -> bool {
        self.0.contains(&Some(network))
    }

    fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }
}

impl From<Outcome> for Signal {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Found | Outcome::Nowhere => Self::Works,
            Outcome::Limited => Self::Overloaded,
            Outcome::Malformed
            | Outcome::OtherAddress
            | Outcome::TooLarge
            | Outcome::ServerError
            | Outcome::Status
            | Outcome::Failed(_) => Self::Fails,
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
    use super::super::{Cache, Prefix};
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
    }

    fn network(number: usize) -> Network {
        let cache = Cache { entries: 1, ttl: Duration::MAX, negative_ttl: Duration::MAX, prefix_v4: 24, prefix_v6: 48 };
        cache.prefix_of([11, u8::try_from(number).unwrap(), 0, 1].into()).map(Prefix::network).unwrap()
    }

    const FULL_PAUSE: u64 = 500;
    const HALF_PAUSE: u64 = 0;

    /// After failures of all these networks.
    fn failed(mut circuit: Circuit, networks: impl IntoIterator<Item = usize>, now: Timestamp) -> Circuit {
        for number in networks {
            circuit = circuit.observe(Signal::Fails, network(number), now, FULL_PAUSE);
        }
        circuit
    }

    /// After each of these networks was let try.
    fn tried(mut circuit: Circuit, networks: impl IntoIterator<Item = usize>, now: Timestamp) -> Circuit {
        for number in networks {
            let (next, admitted) = circuit.admit(network(number), now);
            assert!(admitted, "{number}: {circuit:?}");
            circuit = next;
        }
        circuit
    }

    #[test]
    fn one_life() {
        let circuit = failed(Circuit::default(), 1..FAILURES_TO_OPEN, at(0));
        assert!(circuit.admit(network(1), at(0)).1, "some failures are forgiven");
        let circuit = circuit.observe(Signal::Works, network(1), at(0), FULL_PAUSE);
        assert_eq!(circuit, Circuit::default(), "a success wipes them");
        let circuit = failed(circuit, 0..FAILURES_TO_OPEN, at(0));
        assert_eq!(circuit, Circuit::Open { until: at(1), pause: SHORTEST_PAUSE });
        assert_eq!(circuit.admit(network(9), at(0)), (circuit, false));
        assert_eq!(failed(circuit, [9], at(0)), circuit, "a straggler changes nothing");

        let half_open = tried(circuit, 0..FAILURES_TO_OPEN, at(1));
        assert_eq!(half_open.admit(network(9), at(1)), (half_open, false), "enough trials");
        assert_eq!(failed(half_open, [9], at(1)), half_open, "no trial");
        let failing = failed(half_open, 1..FAILURES_TO_OPEN, at(1));
        let reopened = failing.observe(Signal::Fails, network(0), at(1), HALF_PAUSE);
        assert_eq!(reopened, Circuit::Open { until: at(2), pause: Duration::from_secs(2) });
        assert_eq!(failing.observe(Signal::Works, network(0), at(1), 0), Circuit::default(), "one success is enough");
    }

    #[test]
    fn one_network_neither_opens_the_circuit_nor_holds_it_open() {
        let circuit = failed(Circuit::default(), [1; 1000], at(0));
        assert!(circuit.admit(network(2), at(0)).1);

        let open = failed(Circuit::default(), 0..FAILURES_TO_OPEN, at(0));
        let half_open = failed(tried(open, [1], at(1)), [1; 1000], at(1));
        assert!(!half_open.admit(network(1), at(1)).1, "it had its trial");
        assert!(half_open.admit(network(2), at(1)).1, "and others have theirs");
        assert!(half_open.admit(network(1), at(1) + TRIALS).1, "should nobody else come, it may try again");
    }

    #[test]
    fn a_service_that_wants_to_be_left_alone_is_so_at_once() {
        let circuit = Circuit::default().observe(Signal::Overloaded, network(1), at(0), FULL_PAUSE);
        assert_eq!(circuit, Circuit::Open { until: at(1), pause: SHORTEST_PAUSE });
        let circuit = tried(circuit, [1], at(1)).observe(Signal::Overloaded, network(1), at(1), FULL_PAUSE);
        assert_eq!(circuit, Circuit::Open { until: at(3), pause: Duration::from_secs(2) });
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut circuit = failed(Circuit::default(), 0..FAILURES_TO_OPEN, at(0));
        let mut now = at(0);
        for expected in [2, 4, 8, 16, 32, 60, 60] {
            now = now + LONGEST_PAUSE;
            circuit = failed(tried(circuit, 0..FAILURES_TO_OPEN, now), 0..FAILURES_TO_OPEN, now);
            let pause = Duration::from_secs(expected);
            assert_eq!(circuit, Circuit::Open { until: now + pause, pause });
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
