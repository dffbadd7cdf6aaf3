//! One request: read its headers, decide, write the decision down, let it go on.
//!
//! It works on the view of the health table that its worker had when the request began, and asks the host for headers once.

use super::host;
use super::root::Service;
use crate::health_table::HealthView;
use crate::region::Region;
use crate::steering::{Decision, Origin, steer};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// A request's context. Without a configuration it lets the request pass untouched.
pub(super) struct RequestContext {
    steering: Option<(Rc<Service>, Rc<HealthView>)>,
    decision: Option<Decision>,
}

impl RequestContext {
    pub(super) fn new(steering: Option<(Rc<Service>, Rc<HealthView>)>) -> Self {
        Self { steering, decision: None }
    }
}

impl Context for RequestContext {}

impl HttpContext for RequestContext {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some((service, view)) = &self.steering else { return Action::Continue };
        let headers = host::request_headers();
        #[cfg(feature = "trap-on-demand")]
        trap_on_demand(&headers);

        let decision = steer(origin(service, &headers), &service.config.regions, view, service.config.when_all_down);
        service.telemetry.decided(&decision);
        self.decision = Some(decision);
        match decision.region.and_then(|region| service.config.regions.get(region)) {
            Some(region) => {
                write(service, &decision, region);
                Action::Continue
            }
            None => {
                host::remove_request_header(&service.config.output.region_header);
                host::set_filter_state("greatcircle.reason", decision.reason.name());
                host::refuse(service.plan.shortest_recovery());
                Action::Pause
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some((service, _)) = &self.steering
            && let Some(header) = &service.config.output.response_header
            && let Some(region) = self.decision.and_then(|decision| service.config.regions.get(decision.region?))
        {
            host::set_response_header(header, region.name());
        }
        Action::Continue
    }
}

fn origin(service: &Service, headers: &[(String, Vec<u8>)]) -> Origin {
    let client = &service.config.client;
    let connection = client.asks_for_connection().then(host::connection_peer).flatten();
    match client.locate(headers, connection) {
        Ok(place) => Origin::Client(place),
        Err(why) => {
            service.telemetry.unlocated(why);
            service.config.fallback
        }
    }
}

/// Writes the decision where routes, the region and the access log look for it.
fn write(service: &Service, decision: &Decision, region: &Region) {
    let output = &service.config.output;
    host::set_request_header(&output.region_header, region.name());
    if let Some(header) = &output.decision_header {
        host::set_request_header(header, &decision.record(region.name()).to_string());
    }
    host::set_filter_state("greatcircle.region", region.name());
    host::set_filter_state("greatcircle.reason", decision.reason.name());
    if let Some(km) = decision.distance {
        host::set_filter_state("greatcircle.km", &km.to_string());
    }
}

#[cfg(feature = "trap-on-demand")]
#[allow(clippy::panic)] // the one that this feature is for
fn trap_on_demand(headers: &[(String, Vec<u8>)]) {
    if headers.iter().any(|(name, _)| name == "x-greatcircle-trap") {
        panic!("trapped on demand");
    }
}
