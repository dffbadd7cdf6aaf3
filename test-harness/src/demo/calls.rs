//! The second part of the tour: a request from each caller, how the gateway found it, and whether that was right.

use super::callers::Caller;
use super::findings::Claim;
use super::visits::Visit;
use test_harness::{Client, LookupService};

/// A caller's request, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) caller: &'static Caller,
    pub(super) visit: Visit,
    /// The addresses that the lookup service was asked about meanwhile.
    pub(super) asked: Vec<String>,
    /// The names of the caller's headers that the region saw as they were sent.
    pub(super) arrived: Vec<&'static str>,
}

impl Call {
    /// Sends the request, as the load balancer would pass it on.
    pub(super) fn make(client: &Client, service: &LookupService, caller: &'static Caller) -> Self {
        let before = service.lookup_count();
        let client = client.clone().at(caller.address);
        let headers = caller.headers();
        let with = |client: Client, (name, value): &(&str, String)| client.header(name, value);
        let answer = headers.iter().fold(client, with).try_request("GET", "/", b"");
        let arrived = |(name, value): (&'static str, String)| {
            let seen = answer.as_ref().map_or_else(|_| Vec::new(), |answer| answer.seen_headers(name));
            seen.contains(&value).then_some(name)
        };
        Self {
            caller,
            arrived: headers.into_iter().filter_map(arrived).collect(),
            asked: service.addresses().split_off(before),
            visit: Visit::of(caller.place, answer),
        }
    }

    /// Whether the caller was found in the way that the gateway should find it; if not, what was different.
    fn judge_way(&self) -> Result<(), String> {
        let Caller { via, country, asks, .. } = *self.caller;
        let Some(record) = self.visit.record() else { return Err("nobody decided".into()) };
        if record.via != via {
            return Err(format!("found via={}, not via={via}", record.via));
        }
        if record.country != Some(country) {
            return Err(format!("found in country {}, not {country}", record.country.unwrap_or("-")));
        }
        if self.asked.iter().ne(asks) {
            let asked = if self.asked.is_empty() { "nothing".into() } else { self.asked.join(", ") };
            return Err(format!("the service was asked about {asked}, not about {}", asks.unwrap_or("anybody")));
        }
        match self.caller.lies() && !self.arrived.is_empty() {
            true => Err(format!("the region saw {}", self.arrived.join(", "))),
            false => Ok(()),
        }
    }

    /// Whether the caller was served where the map says; if not, what is wrong.
    fn judge_region(&self) -> Result<(), String> {
        self.visit.judge_within(self.caller.tolerance_km())
    }

    /// Both.
    pub(super) fn judge(&self) -> Result<(), String> {
        self.judge_way()?;
        self.judge_region()
    }
}

/// What has to be true of these calls.
pub(super) fn claims(calls: &[Call]) -> Vec<Claim> {
    let right = calls.iter().filter(|call| call.judge_region().is_ok()).count();
    let what = format!("{right} of {} clients on the internet were served by their nearest region", calls.len());
    let all = Claim { what, right: right == calls.len() };
    let each = calls.iter().map(|call| Claim { what: call.caller.shows.into(), right: call.judge().is_ok() });
    std::iter::once(all).chain(each).collect()
}

#[cfg(test)]
mod tests {
    use super::super::callers::CALLERS;
    use super::*;

    const LIAR: &Caller = &CALLERS[5];
    const FOUND: &str = "region=us-west;reason=nearest;km=1330;rank=1;via=lookup;country=US";

    fn call(caller: &'static Caller, served: &str, decision: &str, asked: &[&str]) -> Call {
        let visit = Visit { city: caller.place, outcome: Ok(served.into()), decision: decision.into() };
        Call { caller, visit, asked: asked.iter().copied().map(Into::into).collect(), arrived: Vec::new() }
    }

    #[test]
    fn a_call_is_right_in_every_detail_or_wrong() {
        let asked = &["45.50.60.0"][..];
        assert_eq!(call(LIAR, "us-west", FOUND, asked).judge(), Ok(()));
        for (name, served, decision, asked, expected) in [
            ("no filter", "eu-west", "", asked, "nobody decided"),
            (
                "believed",
                "oceania",
                "region=oceania;reason=nearest;km=3218;rank=1;via=headers;country=FJ",
                &[],
                "found via=headers, not via=lookup",
            ),
            (
                "found elsewhere",
                "us-east",
                "region=us-east;reason=nearest;km=350;rank=1;via=lookup;country=US",
                asked,
                "steered to us-east; the nearest region is us-west, 1330 km",
            ),
            ("in another country", "us-west", &FOUND.replace("US", "CA"), asked, "found in country CA, not US"),
            ("in no country", "us-west", FOUND.trim_end_matches(";country=US"), asked, "found in country -, not US"),
            ("never asked", "us-west", FOUND, &[], "the service was asked about nothing, not about 45.50.60.0"),
            (
                "the whole address was told",
                "us-west",
                FOUND,
                &["45.50.60.7"],
                "the service was asked about 45.50.60.7, not about 45.50.60.0",
            ),
        ] {
            assert_eq!(call(LIAR, served, decision, asked).judge(), Err(expected.to_owned()), "{name}");
        }
    }

    #[test]
    fn what_a_liar_says_arrives_nowhere_and_what_the_edge_says_may() {
        let heard = |call| Call { arrived: vec!["x-geo-latitude", "x-greatcircle-region"], ..call };
        let lies = heard(call(LIAR, "us-west", FOUND, &["45.50.60.0"]));
        assert_eq!(lies.judge(), Err("the region saw x-geo-latitude, x-greatcircle-region".into()));
        let decision = "region=oceania;reason=nearest;km=3218;rank=1;via=headers;country=FJ";
        assert_eq!(heard(call(&CALLERS[0], "oceania", decision, &[])).judge(), Ok(()));
    }

    #[test]
    fn neighbours_share_an_answer_and_may_not_need_another() {
        let decision = "region=me-central;reason=nearest;km=3553;rank=1;via=lookup;country=KE";
        let calls = |second: &[&str]| {
            let [_, first, neighbour, ..] = &CALLERS;
            [call(first, "me-central", decision, &["45.10.20.0"]), call(neighbour, "me-central", decision, second)]
        };
        let right = |calls: [Call; 2]| claims(&calls).into_iter().map(|claim| claim.right).collect::<Vec<_>>();
        assert_eq!(right(calls(&[])), [true, true, true]);
        assert_eq!(right(calls(&["45.10.20.0"])), [true, true, false]);
    }

    #[test]
    fn a_client_that_is_served_elsewhere_breaks_two_claims() {
        let [.., liar] = &CALLERS;
        let decision = FOUND.replace("us-west", "us-east");
        let wrong = claims(&[call(liar, "us-east", &decision, &["45.50.60.0"])]);
        assert_eq!(wrong[0].what, "0 of 1 clients on the internet were served by their nearest region");
        assert_eq!(wrong.iter().map(|claim| claim.right).collect::<Vec<_>>(), [false, false]);
    }

    #[test]
    fn the_middle_of_a_country_is_near_enough_within_the_country() {
        let judge = |km: u32| {
            let decision = format!("region=ap-south;reason=nearest;km={km};rank=1;via=country;country=LK");
            call(&CALLERS[4], "ap-south", &decision, &["45.30.40.0"]).judge().is_ok()
        };
        assert_eq!([1_250, 1_500, 1_547, 1_790, 1_850].map(judge), [false, true, true, true, false]);
    }
}
