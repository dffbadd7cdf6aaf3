//! How often a lookup service is asked: by one worker altogether, and on behalf of one network.
//!
//! A token bucket for each, as the generic cell rate algorithm has it (ITU-T I.371, annex A, "virtual scheduling"): all that is kept
//! is the point in time at which the bucket is full again.

use super::Network;
use crate::stable_hash::stable_hash;
use crate::time::Timestamp;
use std::time::Duration;

/// Networks share this many buckets, so that memory is bounded whoever comes.
const BUCKETS: usize = 1024;

/// How many lookups are affordable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many at once …
    pub burst: u32,
    /// … and one more each time that this has passed.
    pub every: Duration,
}

/// What a worker may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// On everybody.
    pub worker: Rate,
    /// On the prefixes of one network.
    pub network: Rate,
}

impl Default for Budget {
    /// Services sell plans by the month. What one network can cost in a day (for each worker 2,880 lookups and a burst) stays
    /// far below half a million a month.
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { worker: Rate { burst: 1000, every: second }, network: Rate { burst: 100, every: 30 * second } }
    }
}

/// What a worker has spent.
#[derive(Debug)]
pub struct Spending {
    budget: Budget,
    seed: u64,
    worker: Bucket,
    networks: Vec<Bucket>,
}

/// A token bucket: when it is full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Timestamp);

impl Spending {
    /// Nothing yet. `seed`, a random number, keeps strangers from knowing with whom they share a bucket.
    pub fn new(budget: Budget, seed: u64) -> Self {
        Self { budget, seed, worker: Bucket::default(), networks: vec![Bucket::default(); BUCKETS] }
    }

    /// Whether one more lookup on behalf of this network is affordable.
    pub fn affords(&self, network: Network, now: Timestamp) -> bool {
        let bucket = self.networks.get(self.bucket_of(network)).copied().unwrap_or_default();
        self.worker.has_token(self.budget.worker, now) && bucket.has_token(self.budget.network, now)
    }

    /// A lookup was sent.
    pub fn spend(&mut self, network: Network, now: Timestamp) {
        let bucket = self.bucket_of(network);
        self.worker.take(self.budget.worker, now);
        if let Some(bucket) = self.networks.get_mut(bucket) {
            bucket.take(self.budget.network, now);
        }
    }

    fn bucket_of(&self, network: Network) -> usize {
        (stable_hash(&(self.seed, network)) % BUCKETS as u64) as usize
    }
}

impl Bucket {
    fn has_token(self, rate: Rate, now: Timestamp) -> bool {
        self.0.since(now) <= rate.every.saturating_mul(rate.burst.saturating_sub(1))
    }

    fn take(&mut self, rate: Rate, now: Timestamp) {
        self.0 = self.0.max(now) + rate.every;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cache, Prefix};
    use super::*;

    const BUDGET: Budget = Budget {
        worker: Rate { burst: 5, every: Duration::from_secs(1) },
        network: Rate { burst: 2, every: Duration::from_secs(10) },
    };

    fn network(number: u8) -> Network {
        let cache = Cache { entries: 1, ttl: Duration::MAX, negative_ttl: Duration::MAX, prefix_v4: 24, prefix_v6: 48 };
        cache.prefix_of([11, number, 0, 1].into()).map(Prefix::network).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::after_origin(Duration::from_secs(1_000_000 + seconds))
    }

    /// How many of a hundred lookups for this network are affordable now.
    fn affordable(spending: &mut Spending, number: u8, seconds: u64) -> usize {
        let spend = |_: &usize| {
            let affordable = spending.affords(network(number), at(seconds));
            if affordable {
                spending.spend(network(number), at(seconds));
            }
            affordable
        };
        (0..100).filter(spend).count()
    }

    #[test]
    fn a_network_has_its_own_budget_and_a_worker_one_for_all() {
        let mut spending = Spending::new(BUDGET, 7);
        for (number, seconds, expected, why) in [
            (1, 0, 2, "a burst"),
            (1, 1, 0, "that is spent"),
            (2, 1, 2, "which is nobody else's"),
            (1, 9, 0, "until the time has passed"),
            (1, 10, 1, "for one more"),
            (1, 1000, 2, "and no more than a burst is saved up"),
            (2, 1000, 2, "by anybody"),
            (3, 1000, 1, "the worker's fifth"),
            (4, 1000, 0, "is its last"),
            (4, 1001, 1, "for a second"),
        ] {
            assert_eq!(affordable(&mut spending, number, seconds), expected, "{number} at {seconds} s: {why}");
        }
    }

    #[test]
    fn any_rate_is_one() {
        for (burst, every) in [(0, Duration::ZERO), (1, Duration::MAX), (u32::MAX, Duration::MAX)] {
            let rate = Rate { burst, every };
            let mut spending = Spending::new(Budget { worker: rate, network: rate }, 0);
            assert!(affordable(&mut spending, 1, 0) > 0);
        }
    }
}
