//! The root context: hands configuration, ticks and answers to the worker.

use super::metrics::Metrics;
use super::stream::Stream;
use super::worker::Worker;
use super::{clock, host};
use crate::config::Gateway;
use crate::engine::request::FILTER_STATE;
use crate::engine::{Engine, Identity};
use crate::own_headers::OwnHeaders;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::rc::Rc;

/// The root context; idle until it is configured. Everything is kept inside it: old and new configuration live side by side
/// in one memory for a while.
pub(super) struct Root {
    context: u32,
    worker: Option<Rc<Worker>>,
    /// If there is no worker, and requests are to pass all the same: without these headers.
    pass_without: Option<Rc<OwnHeaders>>,
}

impl Root {
    pub(super) fn new(context: u32) -> Self {
        Self { context, worker: None, pass_without: None }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _body_size: usize, _trailers: usize) {
        if let Some(worker) = &self.worker {
            worker.answered(token, headers);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let plugin = host::property(&["plugin_name"]).unwrap_or_default();
        let regions = host::own_regions();
        let gateway = Gateway { regions: &regions, variable: &host::variable };
        let identity = Identity { plugin: &plugin, instance: host::random() };
        let metrics = Metrics::default();
        match Engine::configure(&host::configuration(), gateway, identity, clock::now(), &host::SharedData) {
            Ok(engine) => {
                FILTER_STATE.into_iter().for_each(host::declare_filter_state);
                self.worker = Some(Rc::new(Worker::new(self.context, engine, metrics)));
                true
            }
            Err(refusal) => {
                metrics.tell(&refusal.event, None);
                self.pass_without = refusal.pass_without.map(Rc::new);
                self.pass_without.is_some()
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = &self.worker {
            worker.tick();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context, self.worker.clone(), self.pass_without.clone())))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.close();
        }
    }
}
