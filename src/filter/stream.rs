//! A request's context: hands headers to the worker.

use super::host;
use super::worker::Worker;
use crate::own_headers::OwnHeaders;
use crate::region::RegionId;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// A request. Without a configuration it passes unsteered.
pub(super) struct Stream {
    context: u32,
    worker: Option<Rc<Worker>>,
    pass_without: Option<Rc<OwnHeaders>>,
    chosen: Option<RegionId>,
}

impl Stream {
    pub(super) fn new(context: u32, worker: Option<Rc<Worker>>, pass_without: Option<Rc<OwnHeaders>>) -> Self {
        Self { context, worker, pass_without, chosen: None }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if let Some(own) = &self.pass_without {
            own.strays(&host::request_headers()).for_each(host::remove_request_header);
        }
        let Some(worker) = &self.worker else { return Action::Continue };
        let (action, chosen) = worker.request(self.context, !end_of_stream);
        self.chosen = chosen;
        action
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let remove = |own: &OwnHeaders| own.among(&host::request_trailers()).for_each(host::remove_request_trailer);
        match (&self.worker, &self.pass_without) {
            (Some(worker), _) => worker.with_own_headers(remove),
            (None, Some(own)) => remove(own),
            (None, None) => {}
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some(worker) = &self.worker {
            worker.response(self.context, self.chosen);
        }
        Action::Continue
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.gone(self.context);
        }
    }
}
