//! The engine: everything that a gateway's worker does, without doing any of it.
//!
//! Values go in: a configuration, a request's headers, the answer to a call, a tick, the time. Values come out: a [`Verdict`] on a
//! request, and [`Effect`]s, which the host asks for with [`Engine::poll_effect`] after every call until there are none. The only
//! thing that the engine reaches for is what workers share, through the port [`Shared`].
//!
//! There is one engine for each configuration and worker. In reading order: [`request`] is a request's way through,
//! `lookups` what it may have to wait for, `probing` what happens in a tick, `succession` which configuration is in force,
//! [`refusal`] what follows from a wrong one, and [`event`] how all of it is counted and told.

pub mod event;
mod lookups;
mod probing;
pub mod refusal;
pub mod request;
mod succession;

pub use event::Event;
pub use refusal::Refusal;
pub use request::{Edits, RequestHead, Verdict, Waiting};

use crate::call::{Failure, Reply, Request};
use crate::client::lookup::Prefix;
use crate::config::{Config, Gateway};
use crate::health_table::Instance;
use crate::own_headers::OwnHeaders;
use crate::prober::{Plan, Probe};
use crate::region::Regions;
use crate::shared::Shared;
use crate::stable_hash::stable_hash;
use crate::time::Timestamp;
use lookups::Lookups;
use probing::Probing;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use succession::Succession;

/// Ticks begin soon after a configuration has come: nothing may be sent while it is being taken, and nothing is known before.
const FIRST_TICK: Duration = Duration::from_millis(10);

/// One worker's engine for one configuration.
#[derive(Debug)]
pub struct Engine {
    config: Rc<Config>,
    plan: Plan,
    calls: Vec<(Token, Purpose)>,
    probing: Probing,
    lookups: Option<Lookups>,
    succession: Succession,
    own_headers: OwnHeaders,
    effects: Effects,
}

/// What the host has not asked for yet.
#[derive(Debug, Default)]
struct Effects(VecDeque<Effect>);

/// Who runs the engine.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The plugin's name. Of several configurations under one name the newest is in force.
    pub plugin: &'a str,
    /// A random number.
    pub instance: u64,
}

/// The number by which the host names a call that it has sent.
pub type Token = u64;

/// The number by which the host names a request.
pub type Stream = u32;

/// What the host has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this call, and say so with [`Engine::sent`], or with [`Engine::not_sent`] if it cannot be.
    Send(Call),
    /// Let a request go on that was told to wait, with [`Engine::resume`].
    Resume(Waiting),
    /// Count this, and log it.
    Tell(Event),
}

/// A call to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// How long an answer may take.
    pub timeout: Duration,
    purpose: Purpose,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Purpose {
    Probe(Probe),
    Lookup(Prefix),
}

impl Engine {
    /// An engine for the configuration in this text, for this gateway.
    ///
    /// # Errors
    /// What follows from a configuration that is refused.
    pub fn configure(
        json: &[u8],
        gateway: Gateway<'_>,
        identity: Identity<'_>,
        now: Timestamp,
        shared: &dyn Shared,
    ) -> Result<Self, Refusal> {
        let config = Config::from_json(json, gateway)
            .map_err(|problems| Refusal::new(json, problems, gateway, identity.plugin, shared))?;
        // Another version of the filter is another configuration: it may read the same text differently.
        let hash = stable_hash(&(env!("CARGO_PKG_VERSION"), json));
        Ok(Self::new(config, hash, identity, now, shared))
    }

    /// An engine for a configuration with this hash.
    pub fn new(config: Config, hash: u64, identity: Identity<'_>, now: Timestamp, shared: &dyn Shared) -> Self {
        let plan = Plan::new(&config.regions, now);
        let names = config.regions.iter().map(|(_, region)| region.name());
        let succession = Succession::register(identity.plugin, hash, names, now, shared);
        let lookups = config.client.lookup.clone().map(|settings| Lookups::new(settings, identity.instance));
        let mut engine = Self {
            plan,
            calls: Vec::new(),
            probing: Probing::new(Instance { number: identity.instance, config: hash }, shared, now),
            lookups,
            succession,
            own_headers: OwnHeaders::of(&config),
            effects: Effects::default(),
            config: Rc::new(config),
        };
        let config = &engine.config;
        engine.effects.tell(Event::Configured {
            regions: config.regions.len(),
            local_region: config.local_region,
            hash,
        });
        if let Some(locality) = &config.unmatched_locality {
            engine.effects.tell(Event::LocalityUnmatched(locality.clone()));
        }
        // What an earlier configuration has learnt holds from the first request on.
        engine.refresh_availability(now, shared);
        engine
    }

    /// The configuration.
    pub fn config(&self) -> &Rc<Config> {
        &self.config
    }

    /// The headers that are our own.
    pub fn own_headers(&self) -> &OwnHeaders {
        &self.own_headers
    }

    /// The regions, by which an [`Event`] names its own.
    pub fn regions(&self) -> &Regions {
        &self.config.regions
    }

    /// The next thing to do. Ask until there is none, after every call of any other method but those that say otherwise.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.0.pop_front()
    }

    /// How long after the last [`Engine::tick`] the next one is due. Ticks that come earlier do no harm.
    pub fn tick_period(&self) -> Duration {
        if self.probing.has_begun() { self.plan.tick() } else { FIRST_TICK }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp, shared: &dyn Shared) {
        self.give_up_lookups(now, shared);
        self.forget_lost_calls(now);
        self.run_round(now, shared);
    }

    /// A call was sent and will be answered under this token.
    pub fn sent(&mut self, call: &Call, token: Token) {
        self.calls.push((token, call.purpose));
    }

    /// A call could not be sent.
    pub fn not_sent(&mut self, call: &Call, failure: Failure, now: Timestamp, shared: &dyn Shared) {
        self.settle(call.purpose, &Reply::Failed(failure), now, shared);
    }

    /// How many bytes of the answer's body are needed to judge it.
    pub fn body_limit(&self, token: Token) -> usize {
        match self.calls.iter().find(|(known, _)| *known == token) {
            Some((_, Purpose::Probe(probe))) => self.probe_body_limit(probe.region),
            Some((_, Purpose::Lookup(_))) => Lookups::BODY_LIMIT,
            None => 0,
        }
    }

    /// A call was answered. An answer to an unknown token is ignored.
    pub fn answered(&mut self, token: Token, reply: &Reply<'_>, now: Timestamp, shared: &dyn Shared) {
        let Some(index) = self.calls.iter().position(|(known, _)| *known == token) else { return };
        let (_, purpose) = self.calls.swap_remove(index);
        self.settle(purpose, reply, now, shared);
    }

    fn settle(&mut self, purpose: Purpose, reply: &Reply<'_>, now: Timestamp, shared: &dyn Shared) {
        match purpose {
            Purpose::Probe(probe) => self.settle_probe(probe, reply, now, shared),
            Purpose::Lookup(prefix) => self.settle_lookup(prefix, reply, now, shared),
        }
    }

    /// Forgets calls whose answer will not come any more, so that the list stays bounded whatever the host does.
    fn forget_lost_calls(&mut self, now: Timestamp) {
        let Self { calls, plan, lookups, .. } = self;
        calls.retain(|(_, purpose)| match purpose {
            Purpose::Probe(probe) => plan.check(probe.region).is_some_and(|(_, check)| !probe.is_lost(check, now)),
            Purpose::Lookup(prefix) => lookups.as_ref().is_some_and(|lookups| lookups.is_in_flight(*prefix)),
        });
    }
}

impl Effects {
    fn send(&mut self, request: Request, timeout: Duration, purpose: Purpose) {
        self.0.push_back(Effect::Send(Call { request, timeout, purpose }));
    }

    fn tell(&mut self, event: Event) {
        self.0.push_back(Effect::Tell(event));
    }

    fn resume(&mut self, waiting: Waiting) {
        self.0.push_back(Effect::Resume(waiting));
    }
}
