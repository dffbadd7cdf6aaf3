//! One request: read its headers, find its client, decide, write the decision down, let it go on.
//!
//! It works on the view of the health table that its worker had when the request began, and asks the host for headers once.
//! Only where the client's place has to be looked up does it pause, and then it is resumed from the root context.

use super::host;
use super::lookups::Asked;
use super::root::Service;
use crate::client::Location;
use crate::client::lookup::Answer;
use crate::health_table::HealthView;
use crate::record::Record;
use crate::region::Region;
use crate::steering::{Decision, steer};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::Cell;
use std::rc::Rc;

/// A request's context. Without a configuration it lets the request pass untouched.
pub(super) struct RequestContext(Option<Rc<Request>>);

/// A request that is being steered, as whoever resumes it sees it.
pub(super) struct Request {
    context: u32,
    service: Rc<Service>,
    view: Rc<HealthView>,
    /// Where its client is, as far as that is known without a lookup.
    location: Cell<Location>,
    decision: Cell<Option<Decision>>,
}

impl RequestContext {
    pub(super) fn new(context: u32, steering: Option<(Rc<Service>, Rc<HealthView>)>) -> Self {
        Self(steering.map(|(service, view)| {
            Rc::new(Request { context, service, view, location: Cell::default(), decision: Cell::default() })
        }))
    }
}

impl Context for RequestContext {}

impl HttpContext for RequestContext {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(request) = &self.0 else { return Action::Continue };
        let service = &request.service;
        let headers = host::request_headers();
        #[cfg(feature = "trap-on-demand")]
        trap_on_demand(&headers);

        let client = &service.config.client;
        let source = client.asks_for_source().then(host::source).flatten();
        let reading = client.read(&headers, source);
        reading.untrusted.iter().for_each(|name| host::remove_request_header(name));
        service.telemetry.read(&reading);
        request.location.set(reading.location);
        match reading.ask.zip(service.lookups.as_ref()).map(|(prefix, lookups)| lookups.ask(prefix, request)) {
            Some(Asked::Wait) => Action::Pause,
            Some(Asked::Known(answer)) => request.steer(reading.location.improved_by(answer)),
            Some(Asked::No) | None => request.steer(reading.location),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some(request) = &self.0
            && let Some(header) = &request.service.config.output.response_header
            && let Some(region) = request.decision.get().and_then(|decision| request.region(&decision))
        {
            host::set_response_header(header, region.name());
        }
        Action::Continue
    }
}

impl Request {
    /// Goes on with what a lookup has told. Called from another context than its own.
    pub(super) fn go_on(&self, answer: Answer) {
        if host::act_for(self.context) && self.steer(self.location.get().improved_by(answer)) == Action::Continue {
            host::resume_request();
        }
    }

    /// Decides where the request of a client at this location goes, and writes it down.
    fn steer(&self, location: Location) -> Action {
        let Service { config, plan, telemetry, .. } = &*self.service;
        let decision = steer(location.origin(), &config.regions, &self.view, config.policy.when_all_down);
        telemetry.decided(&decision);
        self.decision.set(Some(decision));
        match self.region(&decision) {
            Some(region) => {
                self.write(&decision, region, &location);
                Action::Continue
            }
            None => {
                host::remove_request_header(&config.output.region_header);
                host::set_filter_state("greatcircle.reason", decision.reason.name());
                host::refuse(plan.shortest_recovery());
                Action::Pause
            }
        }
    }

    /// Writes the decision where routes, the region and the access log look for it.
    fn write(&self, decision: &Decision, region: &Region, location: &Location) {
        let output = &self.service.config.output;
        host::set_request_header(&output.region_header, region.name());
        if let Some(header) = &output.decision_header {
            let record = Record { decision, region: region.name(), location };
            host::set_request_header(header, &record.to_string());
        }
        host::set_filter_state("greatcircle.region", region.name());
        host::set_filter_state("greatcircle.reason", decision.reason.name());
        if let Some(km) = decision.distance {
            host::set_filter_state("greatcircle.km", &km.to_string());
        }
    }

    fn region(&self, decision: &Decision) -> Option<&Region> {
        self.service.config.regions.get(decision.region?)
    }
}

#[cfg(feature = "trap-on-demand")]
#[allow(clippy::panic)] // the one that this feature is for
fn trap_on_demand(headers: &[(String, Vec<u8>)]) {
    if headers.iter().any(|(name, _)| name == "x-greatcircle-trap") {
        panic!("trapped on demand");
    }
}
