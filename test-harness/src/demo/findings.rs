//! What the outage showed: a report of thousands of requests in, a handful of numbers and claims out.

use super::atlas::{Neighbour, neighbours};
use super::budget::Probing;
use super::outage::Outage;
use super::record::Record;
use std::time::Duration;
use test_harness::Place;
use test_harness::load::Sample;

/// Something that the tour says it showed, and whether it did.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) what: String,
    pub(super) right: bool,
}

/// One request, by what the region that served it saw.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    /// When it was sent, from the death or the return of the region.
    pub(super) after: Duration,
    pub(super) steered_to: String,
    pub(super) served_by: String,
    pub(super) reason: String,
    pub(super) km: Option<u32>,
}

/// The outage in numbers. "Home" is the region that dies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Findings {
    pub(super) home: &'static str,
    /// The nearest region to the clients while home is dead.
    pub(super) refuge: &'static str,
    pub(super) requests: usize,
    /// What went wrong with each request that failed.
    pub(super) failures: Vec<String>,
    /// Served by another region than the one that they were steered to: Envoy's retry.
    pub(super) retried: usize,
    pub(super) median: Duration,
    pub(super) slowest: Duration,
    /// Answered before the death, and how many of them not by home.
    pub(super) before: (usize, usize),
    /// After the death: the first request that another region served.
    pub(super) first_elsewhere: Option<Moment>,
    /// After the death: the first request that was steered to another region.
    pub(super) first_steered: Option<Moment>,
    /// After the death: when the last request was not yet steered elsewhere, be it that it failed.
    pub(super) last_stayed: Option<Duration>,
    /// Steered to neither home nor refuge, or to the refuge for another reason than a failover.
    pub(super) astray: usize,
    /// After the return: the first request that was steered home.
    pub(super) first_back: Option<Moment>,
    /// After the return: when the last request was not yet steered home.
    pub(super) last_away: Option<Duration>,
    /// Steered home and served there after that.
    pub(super) back: usize,
}

impl Findings {
    /// What a load from `city` met when its nearest region died and came back.
    pub(super) fn of(outage: &Outage, city: Place) -> Self {
        let [Neighbour { site: home, .. }, Neighbour { site: refuge, .. }, ..] = neighbours(city);
        let (home, refuge) = (home.region, refuge.region);
        let Outage { died, revived, report } = outage;
        let steered_home = |sample: &Sample| steered_to(sample) == Some(home);
        let steered_away = |sample: &Sample| steered_to(sample).is_some_and(|region| region != home);
        let dead = || report.sent_after(*died).take_while(|sample| sample.at < *revived);
        let again = || report.sent_after(*revived);
        let before = || report.samples.iter().filter(|sample| sample.at + sample.latency < *died);

        let last_away = again().filter(|sample| !steered_home(sample)).last().map(|sample| sample.at);
        let settled = |sample: &&Sample| last_away.is_none_or(|last| sample.at > last);
        Self {
            home,
            refuge,
            requests: report.samples.len(),
            failures: report.failures().into_iter().filter_map(|sample| sample.outcome.clone().err()).collect(),
            retried: report.samples.iter().filter(|sample| was_retried(sample)).count(),
            median: report.latency(0.5),
            slowest: report.latency(1.0),
            before: (before().count(), before().filter(|sample| !sample.is_from(home)).count()),
            first_elsewhere: report.first_elsewhere(home, *died).and_then(|sample| Moment::of(sample, *died)),
            first_steered: dead().find(|sample| steered_away(sample)).and_then(|sample| Moment::of(sample, *died)),
            last_stayed: dead().filter(|sample| !steered_away(sample)).last().map(|sample| sample.at - *died),
            astray: report.samples.iter().filter(|sample| is_astray(sample, home, refuge)).count(),
            first_back: again().find(|sample| steered_home(sample)).and_then(|sample| Moment::of(sample, *revived)),
            last_away: last_away.map(|at| at - *revived),
            back: again().filter(settled).filter(|sample| sample.is_from(home)).count(),
        }
    }

    /// What has to be true of an outage, with the time that probes may take.
    pub(super) fn claims(&self, probing: &Probing) -> Vec<Claim> {
        let Self { home, refuge, .. } = self;
        let (leave, come_back) = (probing.to_leave(), probing.to_return());
        let within = |time: Option<Duration>, budget| time.unwrap_or_default() <= budget;
        let claim = |what: String, right| Claim { what, right };
        vec![
            claim(
                format!("no request failed ({} of {})", self.failures.len(), self.requests),
                self.failures.is_empty(),
            ),
            claim(format!("{home} served everything before it died"), self.before.0 > 0 && self.before.1 == 0),
            claim(
                format!("new requests left it within {} s", leave.as_secs_f64()),
                self.first_steered.is_some() && within(self.last_stayed, leave),
            ),
            claim(
                format!("they went to {refuge}, the next nearest, as a failover"),
                self.first_steered.is_some() && self.astray == 0,
            ),
            claim(
                format!("traffic came back to {home} within {} s", come_back.as_secs_f64()),
                self.back > 0 && within(self.last_away, come_back),
            ),
        ]
    }
}

impl Moment {
    fn of(sample: &Sample, since: Duration) -> Option<Self> {
        let record = Record::parse(&sample.decision)?;
        Some(Self {
            after: sample.at.saturating_sub(since),
            steered_to: record.region.into(),
            served_by: sample.outcome.clone().ok()?,
            reason: record.reason.into(),
            km: record.km,
        })
    }
}

fn steered_to(sample: &Sample) -> Option<&str> {
    Record::parse(&sample.decision).map(|record| record.region)
}

fn was_retried(sample: &Sample) -> bool {
    steered_to(sample).is_some_and(|region| sample.outcome.is_ok() && !sample.is_from(region))
}

/// A request that failed is none: it is counted as failed.
fn is_astray(sample: &Sample, home: &str, refuge: &str) -> bool {
    let allowed = |record: Record<'_>| match record.reason {
        "nearest" => record.region == home,
        "failover" => record.region == refuge,
        _ => false,
    };
    sample.outcome.is_ok() && !Record::parse(&sample.decision).is_some_and(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_harness::bootstrap::Bootstrap;
    use test_harness::load::Report;
    use test_harness::places::GENEVA;

    const HOME: &str = "region=eu-central;reason=nearest;km=474;rank=1;via=headers";
    const AWAY: &str = "region=eu-west;reason=failover;km=1190;rank=2;via=headers";

    /// A request sent at so many milliseconds, answered 5 ms later.
    fn sent(at: u64, outcome: Result<&str, &str>, decision: &str) -> Sample {
        Sample {
            at: Duration::from_millis(at),
            latency: Duration::from_millis(5),
            outcome: outcome.map(Into::into).map_err(Into::into),
            decision: decision.into(),
        }
    }

    /// Geneva's load: Frankfurt dies after two seconds and runs again after twelve.
    fn findings(samples: Vec<Sample>) -> Findings {
        let report = Report { lasted: Duration::from_secs(25), samples };
        let outage = Outage { died: Duration::from_secs(2), revived: Duration::from_secs(12), report };
        Findings::of(&outage, GENEVA)
    }

    fn good() -> Vec<Sample> {
        vec![
            sent(0, Ok("eu-central"), HOME),
            sent(1_999, Ok("eu-west"), HOME), // on its way when Frankfurt died
            sent(2_010, Ok("eu-west"), HOME),
            sent(8_000, Ok("eu-west"), HOME),
            sent(8_005, Ok("eu-west"), AWAY),
            sent(18_000, Ok("eu-west"), AWAY),
            sent(18_005, Ok("eu-central"), HOME),
            sent(22_000, Ok("eu-central"), HOME),
        ]
    }

    fn broken_claims(samples: Vec<Sample>) -> Vec<String> {
        let probing = Probing::of("eu-central", &Bootstrap::from_file().unwrap()).unwrap();
        let claims = findings(samples).claims(&probing).into_iter();
        claims.filter(|claim| !claim.right).map(|claim| claim.what).collect()
    }

    #[test]
    fn an_outage_in_numbers() {
        let findings = findings(good());
        assert_eq!((findings.home, findings.refuge), ("eu-central", "eu-west"));
        assert_eq!((findings.requests, findings.retried, findings.failures.len()), (8, 3, 0));
        assert_eq!(findings.before, (1, 0));
        assert_eq!(findings.last_stayed, Some(Duration::from_millis(6_000)));
        assert_eq!(findings.last_away, Some(Duration::from_millis(6_000)));
        assert_eq!((findings.astray, findings.back), (0, 2));
        let elsewhere = findings.first_elsewhere.unwrap();
        assert_eq!((elsewhere.after.as_millis(), elsewhere.steered_to.as_str()), (10, "eu-central"));
        let steered = findings.first_steered.unwrap();
        assert_eq!((steered.after.as_millis(), steered.reason.as_str(), steered.km), (6_005, "failover", Some(1_190)));
        assert_eq!(findings.first_back.unwrap().after.as_millis(), 6_005);
    }

    #[test]
    fn a_good_outage_keeps_every_claim() {
        assert_eq!(broken_claims(good()), [""; 0]);
    }

    #[test]
    fn every_claim_can_break() {
        let with = |more: Sample| {
            let mut samples = good();
            samples.push(more);
            samples.sort_by_key(|sample| sample.at);
            samples
        };
        let without = |decision: &str, from: u64, to: u64| {
            let gone =
                |sample: &Sample| sample.decision == decision && (from..to).contains(&(sample.at.as_millis() as u64));
            good().into_iter().filter(|sample| !gone(sample)).collect::<Vec<_>>()
        };
        let left = "new requests left it within 9 s";
        let refuge = "they went to eu-west, the next nearest, as a failover";
        let back = "traffic came back to eu-central within 9 s";
        for (name, samples, expected) in [
            ("one failed", with(sent(2_020, Err("503"), "")), &["no request failed (1 of 9)"][..]),
            (
                "a stranger before the death",
                with(sent(10, Ok("eu-west"), HOME)),
                &["eu-central served everything before it died"],
            ),
            ("late to leave", with(sent(11_001, Ok("eu-west"), HOME)), &[left]),
            ("late to leave, and failed", with(sent(11_001, Err("503"), "")), &["no request failed (1 of 9)", left]),
            ("never left", without(AWAY, 0, 99_999), &[left, refuge]),
            (
                "to another place",
                with(sent(9_000, Ok("eu-north"), "region=eu-north;reason=failover;km=1700;rank=3;via=headers")),
                &[refuge],
            ),
            (
                "for another reason",
                with(sent(9_000, Ok("eu-west"), "region=eu-west;reason=failOpen;km=1190;rank=2;via=headers")),
                &[refuge],
            ),
            ("nobody decided", with(sent(9_000, Ok("eu-west"), "")), &[refuge]),
            ("never back", without(HOME, 12_000, 99_999), &[back]),
            ("late to come back", with(sent(21_001, Ok("eu-west"), AWAY)), &[back]),
        ] {
            assert_eq!(broken_claims(samples), expected, "{name}");
        }
    }
}
