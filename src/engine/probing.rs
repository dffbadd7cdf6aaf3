//! What happens in a tick: probes that are due, results, and this worker's snapshot of which regions are available.

use super::event::Event;
use super::{Engine, Purpose};
use crate::availability::Availability;
use crate::call::{Failure, Reply};
use crate::health::{Health, Transition};
use crate::health_table::{HealthTable, Instance};
use crate::probe::{BODY_LIMIT, Check, Outcome};
use crate::prober::{Claims, Probe};
use crate::region::RegionId;
use crate::shared::{self, Shared, Version};
use crate::time::Timestamp;
use std::time::Duration;

/// A prefix of our own, because under Istio all plugins of a proxy share one key space, and the version of what
/// [`HealthTable::to_bytes`] writes.
const KEY: &str = "greatcircle/health/2";

/// How often gauges are set that have not changed: others may have written them, too.
const GAUGE_INTERVAL: Duration = Duration::from_secs(5);

/// One worker's part in probing.
#[derive(Debug)]
pub(super) struct Probing {
    instance: Instance,
    table: HealthTable,
    version: Option<Version>,
    availability: Availability,
    /// What the gauges say.
    reported: Vec<Health>,
    gauges_set: Option<Timestamp>,
    /// Whether it was told that the configuration is in force.
    told_in_force: bool,
    last_round: Option<Timestamp>,
}

impl Probing {
    /// Takes part under this number. The table is made here if there is none yet: the main thread takes a configuration before any
    /// worker does, and so nobody has to compete for that, which shared data has no means for.
    pub(super) fn new(instance: Instance, shared: &dyn Shared, now: Timestamp) -> Self {
        if shared.read(KEY).is_none() {
            shared.compare_and_swap(KEY, None, &HealthTable::default().to_bytes(now, &|_| false));
        }
        Self {
            instance,
            table: HealthTable::default(),
            version: None,
            availability: Availability::default(),
            reported: Vec::new(),
            gauges_set: None,
            told_in_force: false,
            last_round: None,
        }
    }

    pub(super) fn availability(&self) -> &Availability {
        &self.availability
    }

    pub(super) fn has_begun(&self) -> bool {
        self.last_round.is_some()
    }
}

impl Probe {
    /// Whether its answer will not come any more.
    pub(super) fn is_lost(&self, check: &Check, now: Timestamp) -> bool {
        now.since(self.sent) > check.timeout + check.interval
    }
}

impl Engine {
    /// What every worker does once in a period: probe what is due, and take over what others have found out.
    pub(super) fn run_round(&mut self, now: Timestamp, shared: &dyn Shared) {
        if self.probing.last_round.is_some_and(|last| self.plan.is_early(last, now)) {
            return; // the host had another reason to tick
        }
        self.probing.last_round = Some(now);
        self.check_succession(now, shared);
        if self.succession.in_force() {
            self.probe_what_is_due(now, shared);
        }
        self.refresh_availability(now, shared);
        self.set_gauges(now);
    }

    pub(super) fn probe_body_limit(&self, region: RegionId) -> usize {
        let expected = self.plan.check(region).map(|(_, check)| check.expected.body.as_str());
        if expected.unwrap_or_default().is_empty() { 0 } else { BODY_LIMIT }
    }

    fn probe_what_is_due(&mut self, now: Timestamp, shared: &dyn Shared) {
        let (plan, instance) = (&self.plan, self.probing.instance);
        // Most ticks have nothing to do, which this worker's copy of the table can tell.
        self.probing.refresh_table(shared, &mut self.effects);
        if !plan.is_anything_due(instance, &self.probing.table, now) {
            return;
        }
        let claim = |table: &mut HealthTable| {
            let claims = plan.claim(instance, table, now);
            (!claims.probes.is_empty()).then_some(claims)
        };
        let Some(Claims { probes, went_stale, taken_over }) = self.update(now, shared, claim) else { return };
        for (region, from) in went_stale {
            self.effects.tell(Event::HealthChanged { region, from, to: Health::Unknown, cause: "stale" });
        }
        if taken_over > 0 {
            self.effects.tell(Event::LeasesTaken { regions: taken_over });
        }
        for region in probes {
            if let Some((_, check)) = self.plan.check(region) {
                let probe = Purpose::Probe(Probe { region, sent: now });
                self.effects.send(check.request.clone(), check.timeout, probe);
            }
        }
    }

    /// A probe has ended: whoever sent it writes down and tells what it has shown.
    pub(super) fn settle_probe(&mut self, probe: Probe, reply: &Reply<'_>, now: Timestamp, shared: &dyn Shared) {
        let plan = &self.plan;
        let Some((id, check)) = plan.check(probe.region) else { return };
        let (region, outcome) = (probe.region, check.expected.judge(reply));
        self.effects.tell(Event::Probed { region, outcome });
        let change = self.update(now, shared, |table| {
            let (from, was_without_cluster) = (table.health(id, check, now), table.without_cluster(id));
            let transition = plan.settle(table, probe, outcome, now);
            Some((from, transition, table.health(id, check, now), was_without_cluster))
        });
        let Some((from, transition, to, was_without_cluster)) = change else { return };
        if outcome == Outcome::Failed(Failure::NoCluster) && !was_without_cluster {
            self.effects.tell(Event::NoCluster { region });
        }
        if let Transition::WentUp | Transition::WentDown = transition {
            self.effects.tell(Event::HealthChanged { region, from, to, cause: outcome.name() });
        }
        self.refresh_availability(now, shared);
        self.set_gauges(now);
    }

    /// Changes the newest table for all workers; see [`shared::update`].
    fn update<T>(
        &self,
        now: Timestamp,
        shared: &dyn Shared,
        mut change: impl FnMut(&mut HealthTable) -> Option<T>,
    ) -> Option<T> {
        shared::update(shared, KEY, |bytes| {
            let mut table = HealthTable::from_bytes(bytes).unwrap_or_default();
            let result = change(&mut table)?;
            Some((table.to_bytes(now, &|config| self.succession.is_superseded(config)), result))
        })
    }

    pub(super) fn refresh_availability(&mut self, now: Timestamp, shared: &dyn Shared) {
        self.probing.refresh_table(shared, &mut self.effects);
        self.probing.availability = self.probing.table.availability(self.plan.checks(), now);
    }

    /// Says what is known of the regions, where that has changed or was said some time ago.
    fn set_gauges(&mut self, now: Timestamp) {
        if !self.succession.in_force() {
            return;
        }
        let Self { probing, plan, succession, effects, config, .. } = self;
        let again = probing.gauges_set.is_none_or(|at| now.since(at) >= GAUGE_INTERVAL);
        let table = &probing.table;
        let health = |(id, check)| table.reported_health(id, check, now, |config| succession.is_superseded(config));
        let current: Vec<_> = plan.checks().map(health).collect();
        for ((region, _), (index, health)) in config.regions.iter().zip(current.iter().enumerate()) {
            if again || probing.reported.get(index) != Some(health) {
                effects.tell(Event::Health { region, health: *health });
            }
        }
        if again {
            let probed = |region| table.is_probed(region, now, |config| succession.is_superseded(config));
            succession.tell_gone(probed, effects);
            effects.tell(Event::Built);
            // A stat lives as long as Envoy: one that is replaced at once shall not leave one behind.
            if probing.gauges_set.is_some() {
                effects.tell(Event::InForce { hash: succession.config(), in_force: true });
                probing.told_in_force = true;
            }
            probing.gauges_set = Some(now);
        }
        probing.reported = current;
    }

    /// The worker lets go of the configuration: what nobody reports any more is unknown.
    pub fn close(&mut self, now: Timestamp, shared: &dyn Shared) {
        self.tell_not_in_force();
        if self.succession.close(now, shared) {
            for (region, _) in self.config.regions.iter() {
                self.effects.tell(Event::Health { region, health: Health::Unknown });
            }
        }
    }

    /// Takes it back that the configuration is in force, if that was told.
    pub(super) fn tell_not_in_force(&mut self) {
        if std::mem::take(&mut self.probing.told_in_force) {
            self.effects.tell(Event::InForce { hash: self.succession.config(), in_force: false });
        }
    }

    /// Forgets what the gauges say, so that all are set again.
    pub(super) fn reset_gauges(&mut self) {
        self.probing.gauges_set = None;
    }
}

impl Probing {
    /// Takes over what other workers have changed.
    fn refresh_table(&mut self, shared: &dyn Shared, effects: &mut super::Effects) {
        let Some((bytes, version)) = shared.read(KEY) else { return };
        if self.version == Some(version) {
            return;
        }
        self.version = Some(version);
        self.table = HealthTable::from_bytes(&bytes).unwrap_or_else(|| {
            if !bytes.is_empty() {
                effects.tell(Event::TableUnreadable { bytes: bytes.len() });
            }
            HealthTable::default()
        });
    }
}
