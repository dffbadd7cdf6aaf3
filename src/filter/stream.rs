//! A request's context: hands headers to the worker.

use super::host;
use super::worker::Worker;
use crate::region::RegionId;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// A request. Without a configuration it passes unsteered.
pub(super) struct Stream {
    context: u32,
    worker: Option<Rc<Worker>>,
    pass_without: Option<Rc<[String]>>,
    chosen: Option<RegionId>,
}

impl Stream {
    pub(super) fn new(context: u32, worker: Option<Rc<Worker>>, pass_without: Option<Rc<[String]>>) -> Self {
        Self { context, worker, pass_without, chosen: None }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.pass_without.iter().flat_map(|names| names.iter()).for_each(|name| host::remove_request_header(name));
        let Some(worker) = &self.worker else { return Action::Continue };
        let (action, chosen) = worker.request(self.context, !end_of_stream);
        self.chosen = chosen;
        action
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
