//! A worker's host in a few lines: an engine, what it wants sent, and what it tells.

use super::store::Store;
use super::{START, config};
use greatcircle::call::Reply;
use greatcircle::config::Config;
use greatcircle::engine::{Call, Effect, Engine, Event, Identity, Token, Waiting};
use greatcircle::health::Health;
use greatcircle::region::Regions;
use greatcircle::time::Timestamp;
use std::time::Duration;

pub(crate) struct Worker<'a> {
    pub(crate) engine: Engine,
    store: &'a Store,
    regions: Regions,
    pub(crate) calls: Vec<Call>,
    pub(crate) resumed: Vec<Waiting>,
    pub(crate) events: Vec<Event>,
    tokens: Token,
}

impl<'a> Worker<'a> {
    /// A worker that takes a configuration with this hash under this plugin name.
    pub(crate) fn with(store: &'a Store, plugin: &str, hash: u64, config: Config, at: Duration) -> Self {
        let regions = config.regions.clone();
        let identity = Identity { plugin, instance: hash * 1000 + store.keys().len() as u64 };
        let engine = Engine::new(config, hash, identity, Timestamp::after_origin(START + at), store);
        let (calls, resumed, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut worker = Self { engine, store, regions, calls, resumed, events, tokens: 0 };
        worker.poll();
        worker
    }

    /// The same with these regions and nothing else out of the ordinary.
    pub(crate) fn new(store: &'a Store, plugin: &str, hash: u64, regions: Regions, at: Duration) -> Self {
        Self::with(store, plugin, hash, config(regions), at)
    }

    /// Ticks, and answers every probe at once: regions answer 200, but for these.
    pub(crate) fn tick(&mut self, at: Duration, failing: &[&str]) -> Vec<String> {
        let now = Timestamp::after_origin(START + at);
        self.engine.tick(now, self.store);
        self.poll();
        let mut probed = Vec::new();
        for call in std::mem::take(&mut self.calls) {
            let region = call.request.cluster.clone();
            let status = if failing.contains(&region.as_str()) { 500 } else { 200 };
            self.answer(&call, &Reply::Answered { status: Some(status), body: b"" }, at);
            probed.push(region);
        }
        probed
    }

    /// Answers a call.
    pub(crate) fn answer(&mut self, call: &Call, reply: &Reply<'_>, at: Duration) {
        self.tokens += 1;
        self.engine.sent(call, self.tokens);
        self.engine.answered(self.tokens, reply, Timestamp::after_origin(START + at), self.store);
        self.poll();
    }

    pub(crate) fn close(mut self, at: Duration) -> Vec<Event> {
        self.events.clear();
        self.engine.close(Timestamp::after_origin(START + at), self.store);
        self.poll();
        self.events
    }

    pub(crate) fn poll(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Send(call) => self.calls.push(call),
                Effect::Resume(waiting) => self.resumed.push(waiting),
                Effect::Tell(event) => self.events.push(event),
            }
        }
    }

    /// What the gauges were set to since this was last asked: region and value.
    pub(crate) fn gauges(&mut self) -> Vec<(String, Health)> {
        let told = std::mem::take(&mut self.events);
        let gauge = |event| match event {
            Event::Health { region, health } => Some((self.regions.get(region).unwrap().name().to_owned(), health)),
            Event::RegionGone { name } => Some((name, Health::Unknown)),
            _ => None,
        };
        told.into_iter().filter_map(gauge).collect()
    }
}
