//! A request's context: hands headers to the worker.

use super::host;
use super::worker::{Chosen, Worker};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// A request. Without a configuration it passes unsteered.
pub(super) struct Stream {
    context: u32,
    worker: Option<Rc<Worker>>,
    pass_without: Option<Rc<[String]>>,
    chosen: Rc<Chosen>,
}

impl Stream {
    pub(super) fn new(context: u32, worker: Option<Rc<Worker>>, pass_without: Option<Rc<[String]>>) -> Self {
        Self { context, worker, pass_without, chosen: Rc::default() }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.pass_without.iter().flat_map(|names| names.iter()).for_each(|name| host::remove_request_header(name));
        self.worker.as_ref().map_or(Action::Continue, |worker| worker.request(self.context, &self.chosen))
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some((worker, region)) = self.worker.as_ref().zip(self.chosen.get()) {
            worker.response(region);
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
