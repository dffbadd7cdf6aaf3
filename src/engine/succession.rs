//! Which configuration is in force.
//!
//! Envoy keeps an old configuration alive for as long as one stream or one draining listener uses it, and does not tell it that it
//! has been replaced. So configurations register: of several under one plugin name the newest is in force, and an older one only
//! while it still takes new requests, as a second listener's does under the same name. Whatever else is superseded: it serves the
//! streams that it has, and neither probes nor reports, but for a probe that was in flight: what it shows holds for all.
//!
//! "Newest" is a matter of the process, not of a VM: a VM that is made anew after a trap registers a configuration that is
//! known already, which changes nothing. Nor does the return to an earlier configuration at first; it comes into force with its
//! first request, or as soon as the one that superseded it is gone.

use super::event::Event;
use super::{Effects, Engine};
use crate::probe::region_hash;
use crate::shared::{self, Shared, Version};
use crate::stable_hash::stable_hash;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// For so long after a new configuration the old one may get requests that were on their way.
const GRACE: Duration = Duration::from_secs(5);

/// How long an older configuration is in force after its last request.
const IN_USE: Duration = Duration::from_secs(60);

/// How often an older configuration that is in force says so.
const SAY_SO_EVERY: Duration = Duration::from_secs(10);

/// How long a configuration is gone before an older one may follow it: whoever lives says so with its next tick.
const VACANCY: Duration = Duration::from_secs(2);

/// How many superseded configurations are remembered.
const MAX_SUPERSEDED: usize = 64;

/// How many names of regions are remembered that no configuration has any more.
const MAX_GONE: usize = 1000;

/// One configuration's part in the succession under its plugin's name.
#[derive(Debug)]
pub(super) struct Succession {
    key: String,
    config: u64,
    register: Register,
    version: Option<Version>,
    in_force: bool,
    /// Whether there was a request since the last tick.
    used: bool,
    last_use: Option<Timestamp>,
    last_tick: Timestamp,
}

/// What all configurations under one plugin name share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Register {
    newest: u64,
    since: Timestamp,
    /// When a worker let go of the newest; cleared by the next one that still has it.
    vacant: Option<Timestamp>,
    regions: Vec<String>,
    /// Names of regions that earlier configurations had.
    gone: Vec<String>,
    /// Earlier configurations, the latest last.
    superseded: Vec<u64>,
    /// Those of them that are in force because they take requests, and when they said so.
    in_use: Vec<(u64, Timestamp)>,
}

impl Succession {
    /// Registers a configuration with these regions.
    pub(super) fn register<'a>(
        plugin: &str,
        config: u64,
        regions: impl Iterator<Item = &'a str>,
        now: Timestamp,
        shared: &dyn Shared,
    ) -> Self {
        let key = key(plugin);
        let regions: Vec<_> = regions.map(str::to_owned).collect();
        update(shared, &key, |register| register.add(config, &regions, now));
        let mut this = Self {
            key,
            config,
            register: Register::default(),
            version: None,
            in_force: false,
            used: false,
            last_use: None,
            last_tick: now,
        };
        this.refresh(shared);
        this.in_force = this.is_in_force(now);
        this
    }

    /// Whether there is a configuration under this name.
    pub(super) fn is_begun(plugin: &str, shared: &dyn Shared) -> bool {
        let register = shared.read(&key(plugin)).map(|(bytes, _)| postcard::from_bytes::<Register>(&bytes));
        register.is_some_and(|register| register.is_ok_and(|register| !register.is_new() && register.vacant.is_none()))
    }

    /// The hash of the configuration.
    pub(super) fn config(&self) -> u64 {
        self.config
    }

    /// Whether the configuration was in force at the last tick.
    pub(super) fn in_force(&self) -> bool {
        self.in_force
    }

    /// Whether this is an earlier configuration under the same name, and not in force any more.
    pub(super) fn is_superseded(&self, config: u64) -> bool {
        let in_use = |(other, said): &(u64, Timestamp)| *other == config && self.last_tick.since(*said) < IN_USE;
        config != self.config && self.register.superseded.contains(&config) && !self.register.in_use.iter().any(in_use)
    }

    /// A new request came.
    #[inline]
    pub(super) fn used(&mut self) {
        self.used = true;
    }

    /// Says that regions of earlier configurations are gone, unless they are still probed.
    pub(super) fn tell_gone(&self, is_probed: impl Fn(u32) -> bool, effects: &mut Effects) {
        for name in self.register.gone.iter().filter(|name| !is_probed(region_hash(name))) {
            effects.tell(Event::RegionGone { name: name.clone() });
        }
    }

    /// The worker lets go of the configuration. Returns whether there is no newer one.
    pub(super) fn close(&mut self, now: Timestamp, shared: &dyn Shared) -> bool {
        let config = self.config;
        update(shared, &self.key, |register| (register.newest == config).then(|| register.vacant = Some(now)));
        self.refresh(shared);
        self.register.newest == config
    }

    fn tick(&mut self, now: Timestamp, shared: &dyn Shared) {
        if std::mem::take(&mut self.used) {
            self.last_use = Some(now);
        }
        self.refresh(shared);
        let config = self.config;
        if self.register.vacant.is_some() {
            update(shared, &self.key, |register| register.fill(config, now));
            self.refresh(shared);
        }
        self.in_force = self.is_in_force(now);
        self.last_tick = now;
        if self.in_force && self.register.newest != config && !self.register.has_said_so(config, now) {
            update(shared, &self.key, |register| register.say_so(config, now));
        }
    }

    fn is_in_force(&self, now: Timestamp) -> bool {
        let in_use = |last| last > self.register.since + GRACE && now.since(last) < IN_USE;
        self.register.newest == self.config || self.last_use.is_some_and(in_use)
    }

    fn refresh(&mut self, shared: &dyn Shared) {
        if let Some((bytes, version)) = shared.read(&self.key)
            && self.version != Some(version)
        {
            self.version = Some(version);
            self.register = postcard::from_bytes(&bytes).unwrap_or_default();
        }
    }
}

impl Register {
    /// A worker has taken a configuration. Returns `None` if that changes nothing.
    fn add(&mut self, config: u64, regions: &[String], now: Timestamp) -> Option<()> {
        if self.newest == config {
            return self.fill(config, now);
        }
        if self.superseded.contains(&config) && self.vacant.is_none() {
            return None;
        }
        self.take_over(config, now);
        let before = std::mem::replace(&mut self.regions, regions.to_vec());
        self.gone.extend(before);
        self.gone.retain(|name| !regions.contains(name));
        self.gone.sort();
        self.gone.dedup();
        self.gone.truncate(MAX_GONE);
        Some(())
    }

    /// A worker with this configuration lives, while somebody has let go of the newest. Returns `None` if that changes nothing.
    fn fill(&mut self, config: u64, now: Timestamp) -> Option<()> {
        let vacant = self.vacant?;
        if self.newest == config {
            self.vacant = None;
            return Some(());
        }
        (now.since(vacant) > VACANCY).then(|| self.take_over(config, now))
    }

    /// Whether an older configuration has said lately that it is in force.
    fn has_said_so(&self, config: u64, now: Timestamp) -> bool {
        self.in_use.iter().any(|(other, said)| *other == config && now.since(*said) < SAY_SO_EVERY)
    }

    /// An older configuration is in force. Returns `None` if another worker has said so meanwhile.
    fn say_so(&mut self, config: u64, now: Timestamp) -> Option<()> {
        if self.newest == config || self.has_said_so(config, now) {
            return None;
        }
        self.in_use.retain(|(other, said)| *other != config && now.since(*said) < IN_USE);
        self.in_use.push((config, now));
        Some(())
    }

    fn take_over(&mut self, config: u64, now: Timestamp) {
        self.in_use.retain(|(other, _)| *other != config);
        self.superseded.retain(|other| *other != config && *other != self.newest);
        if !self.is_new() {
            self.superseded.push(self.newest);
        }
        let excess = self.superseded.len().saturating_sub(MAX_SUPERSEDED);
        self.superseded.drain(..excess);
        (self.newest, self.since, self.vacant) = (config, now, None);
    }

    fn is_new(&self) -> bool {
        *self == Self::default()
    }
}

/// Where the register is. The number stands for the format.
fn key(plugin: &str) -> String {
    format!("greatcircle/succession/2/{:016x}", stable_hash(&plugin))
}

fn update(shared: &dyn Shared, key: &str, mut change: impl FnMut(&mut Register) -> Option<()>) {
    shared::update(shared, key, |bytes| {
        let mut register = postcard::from_bytes(bytes).unwrap_or_default();
        change(&mut register)?;
        // Serialising to memory cannot fail; an empty value would be read as an empty register.
        Some((postcard::to_allocvec(&register).unwrap_or_default(), ()))
    });
}

impl Engine {
    /// Finds out whether the configuration is in force now, and tells if that has changed.
    pub(super) fn check_succession(&mut self, now: Timestamp, shared: &dyn Shared) {
        let before = self.succession.in_force;
        self.succession.tick(now, shared);
        match (before, self.succession.in_force) {
            (true, false) => self.tell_not_in_force(),
            (false, true) => self.reset_gauges(),
            _ => {}
        }
    }
}
