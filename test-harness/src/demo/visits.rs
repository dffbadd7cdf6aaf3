//! The first part of the tour: one request from each city, and whether it went where the map says.

use super::atlas::{Neighbour, neighbours};
use super::record::Record;
use anyhow::Result;
use test_harness::{Client, Place, Response};

/// How many kilometres the distance may be off. The filter rounds to whole ones, and so may differ by one where the formulas
/// differ by a metre.
pub(super) const ROUNDING_KM: f64 = 1.0;

/// One request from a city, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visit {
    pub(super) city: Place,
    /// The region that served it, or what went wrong.
    pub(super) outcome: Result<String, String>,
    /// The decision record as the region saw it.
    pub(super) decision: String,
}

impl Visit {
    /// Sends the request, with the geo headers of the city.
    pub(super) fn pay(client: &Client, city: Place) -> Self {
        Self::of(city, client.clone().from(city).try_request("GET", "/", b""))
    }

    /// What became of a request from this city, whatever its headers said.
    pub(super) fn of(city: Place, answer: Result<Response>) -> Self {
        let (outcome, decision) = match answer {
            Err(error) => (Err(format!("{error:#}")), String::new()),
            Ok(answer) => match &answer.region {
                Some(region) if answer.status == 200 => (Ok(region.clone()), answer.decision()),
                _ => (Err(format!("status {}", answer.status)), answer.decision()),
            },
        };
        Self { city, outcome, decision }
    }

    /// The decision, if anybody decided.
    pub(super) fn record(&self) -> Option<Record<'_>> {
        Record::parse(&self.decision)
    }

    /// Whether everything about it is as the map says while every region is up; if not, what is wrong.
    pub(super) fn judge(&self) -> Result<(), String> {
        self.judge_within(ROUNDING_KM)
    }

    /// The same for a client whose place is known to within so many kilometres.
    pub(super) fn judge_within(&self, tolerance_km: f64) -> Result<(), String> {
        let [Neighbour { site, km }, ..] = neighbours(self.city);
        let served = self.outcome.as_deref().map_err(|error| format!("failed: {error}"))?;
        let record = self.record().ok_or_else(|| format!("nobody decided; {served} served it"))?;
        let wrong = |what: String| Err(format!("{what}; the nearest region is {}, {km:.0} km", site.region));
        if record.region != site.region {
            return wrong(format!("steered to {}", record.region));
        }
        if served != site.region {
            return wrong(format!("served by {served}"));
        }
        if record.reason != "nearest" {
            return wrong(format!("reason {}", record.reason));
        }
        match record.km {
            Some(said) if (f64::from(said) - km).abs() <= tolerance_km => Ok(()),
            said => wrong(said.map_or("no kilometres".into(), |said| format!("{said} km"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_harness::places::SUVA;

    fn visit(served: &str, decision: &str) -> Visit {
        Visit { city: SUVA, outcome: Ok(served.into()), decision: decision.into() }
    }

    #[test]
    fn a_visit_is_right_in_every_detail_or_wrong() {
        let right = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
        assert_eq!(visit("oceania", right).judge(), Ok(()));
        for (name, served, decision, expected) in [
            ("no filter", "eu-west", "", "nobody decided; eu-west served it"),
            (
                "another region was nearer to the filter",
                "ap-northeast",
                "region=ap-northeast;reason=nearest;km=7250;rank=1;via=headers",
                "steered to ap-northeast; the nearest region is oceania, 3218 km",
            ),
            ("Envoy went elsewhere", "eu-west", right, "served by eu-west; the nearest region is oceania, 3218 km"),
            (
                "the place was not understood",
                "oceania",
                "region=oceania;reason=noLocation;rank=1;via=fallback",
                "reason noLocation; the nearest region is oceania, 3218 km",
            ),
            (
                "the distance is another one",
                "oceania",
                "region=oceania;reason=nearest;km=3220;rank=1;via=headers",
                "3220 km; the nearest region is oceania, 3218 km",
            ),
        ] {
            assert_eq!(visit(served, decision).judge(), Err(expected.to_owned()), "{name}");
        }
        let failed = Visit { outcome: Err("status 503".into()), ..visit("", "") };
        assert_eq!(failed.judge(), Err("failed: status 503".into()));
    }
}
