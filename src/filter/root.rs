//! One worker's root context: takes the configuration, ticks, probes, and keeps this worker's view of the health table.
//!
//! Everything is kept inside the context: old and new configuration live side by side in one memory for a while.

use super::host;
use super::lookups::Lookups;
use super::request::RequestContext;
use super::shared_table::SharedTable;
use super::telemetry::{self, Telemetry};
use crate::call::Failure;
use crate::config::Config;
use crate::health::{Health, Transition};
use crate::health_table::{HealthView, Instance};
use crate::probe::{BODY_LIMIT, Outcome};
use crate::prober::{InFlight, Plan, Prober};
use crate::region::RegionId;
use crate::time::Timestamp;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::rc::Rc;
use std::time::Duration;

/// The first tick comes soon: nothing may be sent while a configuration is being taken, and nothing is known before.
const FIRST_TICK: Duration = Duration::from_millis(10);

/// The root context; idle until it is configured.
pub(super) struct Root {
    context: u32,
    active: Option<Active>,
}

/// What requests need of a configuration.
pub(super) struct Service {
    pub(super) config: Config,
    pub(super) plan: Plan,
    pub(super) telemetry: Rc<Telemetry>,
    pub(super) lookups: Option<Lookups>,
}

/// A configuration in force.
struct Active {
    service: Rc<Service>,
    view: Rc<HealthView>,
    prober: Prober,
    table: SharedTable,
    /// When the last round was; `None` before the first.
    last_round: Option<Timestamp>,
}

impl Root {
    pub(super) fn new(context: u32) -> Self {
        Self { context, active: None }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _body_size: usize, _trailers: usize) {
        if let Some(active) = &mut self.active {
            active.answered(token, headers);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        // Own locality, in the words of Envoy 1.33 and later, and of earlier ones.
        let node_region = host::property(&["xds", "node", "locality", "region"])
            .or_else(|| host::property(&["node", "locality", "region"]));
        match Config::from_json(&host::configuration(), node_region.as_deref()) {
            Ok(config) => {
                telemetry::config_accepted(&config.regions, config.local_region);
                self.active = Some(Active::new(config, self.context));
                host::set_tick_period(FIRST_TICK);
                true
            }
            Err(problems) => {
                telemetry::config_rejected(&problems);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(active) = &mut self.active {
            active.tick();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        let steering = self.active.as_ref().map(|active| (Rc::clone(&active.service), Rc::clone(&active.view)));
        Some(Box::new(RequestContext::new(context, steering)))
    }
}

impl Active {
    fn new(config: Config, context: u32) -> Self {
        let now = host::now();
        let plan = Plan::new(&config.regions, now);
        let telemetry = Rc::new(Telemetry::new(&config.regions));
        let lookup = config.client.lookup.clone();
        let lookups = lookup.map(|settings| Lookups::new(settings, context, Rc::clone(&telemetry)));
        let mut active = Self {
            service: Rc::new(Service { config, plan, telemetry, lookups }),
            view: Rc::default(),
            prober: Prober::new(Instance(host::random())),
            table: SharedTable::open(now),
            last_round: None,
        };
        // What an earlier configuration has learnt holds from the first request on.
        active.refresh_view(now);
        active
    }

    fn tick(&mut self) {
        let ordered = self.service.lookups.as_ref().is_some_and(Lookups::tick);
        if ordered || self.last_round.is_none() {
            host::set_tick_period(self.service.plan.tick());
        }
        let now = host::now();
        // The period begins anew with a tick that a request has ordered, and rounds must not be put off for ever.
        if ordered && self.last_round.is_some_and(|last| self.service.plan.is_early(last, now)) {
            return;
        }
        self.round(now);
        self.last_round = Some(now);
    }

    /// What every instance does once in a period: probe what is due, and take over what others have found out.
    fn round(&mut self, now: Timestamp) {
        self.prober.forget_lost(&self.service.plan, now);
        self.probe_what_is_due(now);
        self.refresh_view(now);
    }

    fn probe_what_is_due(&mut self, now: Timestamp) {
        let Self { service, prober, .. } = self;
        let claims = self.table.update(now, |table| {
            let claims = prober.claim(&service.plan, table, now);
            (!claims.is_empty()).then_some(claims)
        });
        let Some(claims) = claims else { return };
        for region in &claims.went_stale {
            service.telemetry.changed(*region, self.view.health(*region), Health::Unknown, "stale");
        }
        if claims.taken_over > 0 {
            service.telemetry.took_over(claims.taken_over);
        }
        for region in claims.probes {
            self.send_probe(region, now);
        }
    }

    fn send_probe(&mut self, region: RegionId, now: Timestamp) {
        let service = Rc::clone(&self.service);
        let Some((_, check)) = service.plan.check(region) else { return };
        let probe = InFlight { region, sent: now };
        match host::send(&check.request, check.timeout) {
            Ok(token) => self.prober.sent(token, probe),
            Err(failure) => self.settle(probe, Outcome::Failed(failure), now),
        }
    }

    fn answered(&mut self, token: u32, headers: usize) {
        if self.service.lookups.as_ref().is_some_and(|lookups| lookups.answered(token, headers)) {
            return;
        }
        let Some(probe) = self.prober.answered(token) else { return };
        let service = Rc::clone(&self.service);
        let Some((_, check)) = service.plan.check(probe.region) else { return };
        let body_limit = if check.expected.body.is_empty() { 0 } else { BODY_LIMIT };
        let outcome = host::read_reply(headers, body_limit, |reply| check.expected.judge(reply));
        let now = host::now();
        self.settle(probe, outcome, now);
        self.refresh_view(now);
    }

    fn settle(&mut self, probe: InFlight, outcome: Outcome, now: Timestamp) {
        let service = Rc::clone(&self.service);
        let Some((id, check)) = service.plan.check(probe.region) else { return };
        service.telemetry.probed(probe.region, outcome);
        let change = self.table.update(now, |table| {
            let before = (table.health(id, check, now), table.without_cluster(id));
            let transition = service.plan.settle(table, probe, outcome, now);
            Some((before, transition, table.health(id, check, now)))
        });
        let Some(((before, was_without_cluster), transition, after)) = change else { return };
        if outcome == Outcome::Failed(Failure::NoCluster) && !was_without_cluster {
            service.telemetry.no_cluster(probe.region, &check.request.cluster);
        }
        if let Transition::WentUp | Transition::WentDown = transition {
            service.telemetry.changed(probe.region, before, after, outcome.name());
        }
    }

    fn refresh_view(&mut self, now: Timestamp) {
        let view = self.table.get().view(self.service.plan.checks(), now);
        for (region, _) in self.service.config.regions.iter() {
            if view.health(region) != self.view.health(region) || self.last_round.is_none() {
                self.service.telemetry.health(region, view.health(region));
            }
        }
        if *self.view != view {
            self.view = Rc::new(view);
        }
    }
}
