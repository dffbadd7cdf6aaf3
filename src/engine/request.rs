//! A request's way through: locate its client, decide, say what to change in it.

use super::event::Ignored;
use super::lookups::{Asked, bytes_waiting};
use super::{Effects, Engine, Event, Stream};
use crate::availability::Availability;
use crate::client::lookup::Answer;
use crate::client::source::Source;
use crate::client::{Headers, Location, Reading};
use crate::config::{Config, Output};
use crate::prober::Plan;
use crate::record::Record;
use crate::region::{Region, RegionId};
use crate::shared::Shared;
use crate::steering::{Decision, Query, Route, steer};
use crate::time::Timestamp;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::time::Duration;

/// Where the access log finds the region's name. The host keeps it for [`Engine::request_again`], too.
pub const REGION: &str = "greatcircle.region";
const REASON: &str = "greatcircle.reason";
const KM: &str = "greatcircle.km";
/// All that the access log can show.
pub const FILTER_STATE: [&str; 3] = [REGION, REASON, KM];

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<'a> {
    /// It goes on with these edits.
    Continue(Edits<'a>),
    /// It waits, with these edits made, until an [`Effect::Resume`](super::Effect::Resume) names it.
    Wait(Edits<'a>),
    /// It is answered at once.
    Respond(Response, Edits<'a>),
}

/// What to change in a request. Names of headers are lower-case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits<'a> {
    /// Request headers to remove, however often they came …
    pub remove: Vec<&'a str>,
    /// … and then those to set, whatever they were.
    pub set: SmallVec<[(&'a str, Cow<'a, str>); 2]>,
    /// What the access log can show.
    pub filter_state: SmallVec<[(&'static str, Cow<'a, str>); 3]>,
    /// The region that was chosen: what [`Engine::response_header`] wants to know.
    pub region: Option<RegionId>,
}

/// An answer of the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// When to try again.
    pub retry_after: Duration,
    /// The body.
    pub body: &'static str,
}

/// A request that waits for a lookup, or waits no more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waiting {
    /// The request.
    pub stream: Stream,
    location: Location,
}

/// What a host knows of a request when its headers are there.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The host's name for it.
    pub stream: Stream,
    /// Its headers.
    pub headers: &'a Headers,
    /// Whether a body follows them.
    pub body_follows: bool,
    /// Where it comes from, as far as [`Engine::asks_for_source`] wants to know.
    pub source: Source,
}

impl Engine {
    /// Whether [`Engine::request`] wants to know the source of these headers, which costs a host call.
    pub fn asks_for_source(&self, headers: &Headers) -> bool {
        self.config.client.asks_for_source(headers)
    }

    /// Whether it wants to know the direct peer, for which a host may have to be asked once more.
    pub fn asks_for_peer(&self, headers: &Headers) -> bool {
        self.config.client.asks_for_peer(headers)
    }

    /// Judges a request by its head. `now` is asked only where a lookup might be needed.
    pub fn request<'a>(
        &'a mut self,
        head: RequestHead<'a>,
        now: impl FnOnce() -> Timestamp,
        shared: &dyn Shared,
    ) -> Verdict<'a> {
        let RequestHead { stream, headers, body_follows, source } = head;
        let Self { config, lookups, effects, succession, own_headers, .. } = self;
        succession.used();
        let Reading { location, ask, untrusted, malformed } = config.client.read(headers, source);
        if !untrusted.is_empty() {
            effects.tell(Event::GeoHeadersIgnored(Ignored::Untrusted));
        }
        if malformed {
            effects.tell(Event::GeoHeadersIgnored(Ignored::Invalid));
        }
        let mut edits = Edits { remove: untrusted, ..Edits::default() };
        edits.remove.extend(own_headers.strays(headers));
        edits.set.extend(own_headers.connection(headers).map(|options| ("connection", options.into())));
        let asked = match lookups.as_mut().zip(ask) {
            Some((lookups, prefix)) => {
                let waiting = (Waiting { stream, location }, bytes_waiting(headers, body_follows));
                lookups.ask(prefix, waiting, now(), shared, effects)
            }
            None => Asked::Nobody,
        };
        let location = match asked {
            Asked::Known(answer) => location.improved_by(answer),
            Asked::Nobody => location,
            Asked::Wait => return Verdict::Wait(withheld(&config.output, edits)),
        };
        decide(config, &self.plan, self.probing.availability(), &location, edits, effects)
    }

    /// Judges a request that the gateway itself sends through once more, after a redirect that it follows. It goes where it went
    /// the first time, and is not counted again; the decision record stands in it already. `None` if the region of this name, which was
    /// chosen then, is not in the list any more.
    pub fn request_again(&self, region: &str) -> Option<Verdict<'_>> {
        let region = self.config.regions.find(region)?;
        let name = self.config.regions.get(region)?.name();
        let set = smallvec![(self.config.output.region_header.as_str(), name.into())];
        Some(Verdict::Continue(Edits { set, region: Some(region), ..Edits::default() }))
    }

    /// Judges a request that has waited.
    pub fn resume(&mut self, waiting: &Waiting) -> Verdict<'_> {
        let availability = self.probing.availability();
        decide(&self.config, &self.plan, availability, &waiting.location, Edits::default(), &mut self.effects)
    }

    /// A request that was told to wait is gone.
    pub fn abandon(&mut self, stream: Stream) {
        if let Some(lookups) = &mut self.lookups {
            lookups.abandon(stream);
        }
    }

    /// The header with the region's name for the client, if there is to be one.
    pub fn response_header(&self, region: RegionId) -> Option<(&str, &str)> {
        let header = self.config.output.response_header.as_deref()?;
        Some((header, self.regions().get(region)?.name()))
    }
}

impl Response {
    /// The value of the header `retry-after`: whole seconds, rounded up.
    pub fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0)
    }
}

impl Waiting {
    /// The request of this client, after a lookup has told this.
    pub(super) fn told(self, answer: Answer) -> Self {
        Self { location: self.location.improved_by(answer), ..self }
    }
}

fn decide<'a>(
    config: &'a Config,
    plan: &Plan,
    availability: &Availability,
    location: &Location,
    edits: Edits<'a>,
    effects: &mut Effects,
) -> Verdict<'a> {
    let decision = steer(&Query::from(location), &config.regions, &config.policy, availability, &mut ());
    effects.tell(Event::Decided(decision));
    let named = |route: &Route| config.regions.get(route.region).map(Region::name);
    match decision {
        Decision::Route(route) => match named(&route) {
            Some(region) => Verdict::Continue(routed(&config.output, region, &route, location, edits)),
            None => Verdict::Continue(withheld(&config.output, edits)), // not a region of this list, which steering never says
        },
        Decision::Reject => {
            let filter_state = smallvec![(REASON, decision.reason().into())];
            let edits = Edits { filter_state, ..withheld(&config.output, edits) };
            let body = "no region is available\n";
            Verdict::Respond(Response { status: 503, retry_after: plan.shortest_recovery(), body }, edits)
        }
    }
}

/// Writes the decision where routes, the region and the access log look for it.
fn routed<'a>(
    output: &'a Output,
    region: &'a str,
    route: &Route,
    location: &Location,
    mut edits: Edits<'a>,
) -> Edits<'a> {
    edits.set.push((&output.region_header, region.into()));
    if let Some(header) = &output.decision_header {
        edits.set.push((header.as_str(), Record { route, region, location }.to_string().into()));
    }
    let reason = Decision::Route(*route).reason();
    let mut filter_state = smallvec![(REGION, region.into()), (REASON, reason.into())];
    if let Some(km) = route.distance {
        filter_state.push((KM, km.to_string().into()));
    }
    Edits { filter_state, region: Some(route.region), ..edits }
}

/// Nobody has decided: what a client has sent under the names of our own headers must not pass for a decision.
fn withheld<'a>(output: &'a Output, mut edits: Edits<'a>) -> Edits<'a> {
    edits.remove.push(&output.region_header);
    edits.remove.extend(output.decision_header.as_deref());
    edits
}
