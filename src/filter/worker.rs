//! One engine, and everything that it wants done.
//!
//! Two things are the SDK's: it hands an answer to the context that sent the call, so that calls on behalf of a request, which may
//! be gone by then, wait for a tick of the root context, ordered at once. And a request that waits is resumed from there.

use super::metrics::Metrics;
use super::{clock, host};
use crate::call::Reply;
use crate::client::source::Source;
use crate::config::Config;
use crate::engine::{Call, Edits, Effect, Engine, RequestHead, Token, Verdict, Waiting};
use crate::own_headers::OwnHeaders;
use crate::region::RegionId;
use proxy_wasm::types::Action;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// As soon as the host can.
const AT_ONCE: Duration = Duration::from_millis(1);

/// One worker's engine for one configuration.
pub(super) struct Worker {
    root: u32,
    config: Rc<Config>,
    engine: RefCell<Engine>,
    metrics: Metrics,
    unsent: RefCell<Vec<Call>>,
    /// Requests that wait or have waited, and the region that was chosen for each since.
    waited: RefCell<BTreeMap<u32, Option<RegionId>>>,
    tick_period: Cell<Duration>,
}

impl Worker {
    /// The worker with this root context.
    pub(super) fn new(root: u32, engine: Engine, metrics: Metrics) -> Self {
        let worker = Self {
            root,
            config: Rc::clone(engine.config()),
            engine: RefCell::new(engine),
            metrics,
            unsent: RefCell::default(),
            waited: RefCell::default(),
            tick_period: Cell::default(),
        };
        worker.run_effects();
        worker.order_tick();
        worker
    }

    /// Judges a request by its headers, and returns the region that was chosen, if that is known already. Called in its own
    /// context.
    pub(super) fn request(&self, stream: u32, body_follows: bool) -> (Action, Option<RegionId>) {
        let outcome = self.engine().map(|mut engine| {
            let headers = host::request_headers();
            if let Some(verdict) = host::chosen_before(&headers).and_then(|region| engine.request_again(&region)) {
                return apply(&verdict);
            }
            let source = match engine.asks_for_source(&headers) {
                true => host::source(engine.asks_for_peer(&headers)),
                false => Source::default(),
            };
            let head = RequestHead { stream, headers: &headers, body_follows, source };
            let verdict = engine.request(head, clock::now, &host::SharedData);
            if let (Verdict::Wait(_), Ok(mut waited)) = (&verdict, self.waited.try_borrow_mut()) {
                waited.insert(stream, None);
            }
            apply(&verdict)
        });
        self.run_effects();
        self.order_tick();
        outcome.unwrap_or((Action::Continue, None))
    }

    /// Lends the names of our own headers.
    pub(super) fn with_own_headers(&self, act: impl FnOnce(&OwnHeaders)) {
        if let Some(engine) = self.engine() {
            act(engine.own_headers());
        }
    }

    /// Writes the region's name where the client finds it: the one that was chosen at once, or after waiting. Called in the
    /// request's own context.
    pub(super) fn response(&self, stream: u32, chosen: Option<RegionId>) {
        let later = || self.waited.try_borrow().ok().and_then(|waited| waited.get(&stream).copied().flatten());
        let (Some(region), Some(engine)) = (chosen.or_else(later), self.engine()) else { return };
        if let Some((header, value)) = engine.response_header(region) {
            host::set_response_header(header, value);
        }
    }

    /// A request is gone.
    pub(super) fn gone(&self, stream: u32) {
        let waited = self.waited.try_borrow_mut().ok().and_then(|mut waited| waited.remove(&stream));
        if let (Some(None), Some(mut engine)) = (waited, self.engine()) {
            engine.abandon(stream);
        }
    }

    /// The root context ticks.
    pub(super) fn tick(&self) {
        if let Some(mut engine) = self.engine() {
            engine.tick(clock::now(), &host::SharedData);
        }
        self.run_root_effects();
    }

    /// A call of the root context was answered.
    pub(super) fn answered(&self, token: u32, header_count: usize) {
        let token = Token::from(token);
        if let Some(mut engine) = self.engine() {
            let body_limit = engine.body_limit(token);
            let answered = |reply: &Reply<'_>| engine.answered(token, reply, clock::now(), &host::SharedData);
            host::read_reply(header_count, body_limit, answered);
        }
        self.run_root_effects();
    }

    /// The root context is gone. Envoy would go on with its ticks.
    pub(super) fn close(&self) {
        if let Some(mut engine) = self.engine() {
            engine.close(clock::now(), &host::SharedData);
        }
        self.run_effects();
        host::set_tick_period(Duration::ZERO);
    }

    /// `None` if it is in use, which no callback of Envoy's is while another one runs.
    fn engine(&self) -> Option<RefMut<'_, Engine>> {
        self.engine.try_borrow_mut().ok()
    }

    /// Does what can be done in any context, and leaves calls for the next tick.
    fn run_effects(&self) {
        while let Some(effect) = self.engine().and_then(|mut engine| engine.poll_effect()) {
            match effect {
                Effect::Tell(event) => self.metrics.tell(&event, Some(&self.config.regions)),
                Effect::Send(call) => {
                    if let Ok(mut unsent) = self.unsent.try_borrow_mut() {
                        unsent.push(call);
                    }
                }
                Effect::Resume(waiting) => self.resume(&waiting),
            }
        }
    }

    /// Does everything, in the root context.
    fn run_root_effects(&self) {
        loop {
            self.run_effects();
            let calls = self.unsent.try_borrow_mut().map(|mut unsent| std::mem::take(&mut *unsent)).unwrap_or_default();
            if calls.is_empty() {
                break;
            }
            calls.iter().for_each(|call| self.send(call));
        }
        self.order_tick();
    }

    fn send(&self, call: &Call) {
        let sent = host::send(&call.request, call.timeout);
        let Some(mut engine) = self.engine() else { return };
        match sent {
            Ok(token) => engine.sent(call, Token::from(token)),
            Err(failure) => engine.not_sent(call, failure, clock::now(), &host::SharedData),
        }
    }

    fn resume(&self, request: &Waiting) {
        let (Ok(mut waited), Some(mut engine)) = (self.waited.try_borrow_mut(), self.engine()) else { return };
        let Some(chosen) = waited.get_mut(&request.stream) else { return };
        if host::act_for(request.stream) {
            if host::can_be_edited() {
                let (action, region) = apply(&engine.resume(request));
                *chosen = region;
                if action == Action::Continue {
                    host::resume_request();
                }
            }
            host::act_for(self.root);
        }
    }

    fn order_tick(&self) {
        let unsent = self.unsent.try_borrow().is_ok_and(|unsent| !unsent.is_empty());
        let wanted = match unsent {
            true => AT_ONCE,
            false => self.engine().map(|engine| engine.tick_period()).unwrap_or_default(),
        };
        if self.tick_period.replace(wanted) != wanted {
            host::set_tick_period(wanted);
        }
    }
}

/// Does to the current request what the verdict says, and returns the region that was chosen.
fn apply(verdict: &Verdict<'_>) -> (Action, Option<RegionId>) {
    match verdict {
        Verdict::Continue(edits) => {
            edit(edits);
            (Action::Continue, edits.region)
        }
        Verdict::Wait(edits) => {
            edit(edits);
            (Action::Pause, None)
        }
        Verdict::Respond(response, edits) => {
            edit(edits);
            host::respond(response);
            (Action::Pause, None)
        }
    }
}

fn edit(edits: &Edits<'_>) {
    edits.remove.iter().for_each(|name| host::remove_request_header(name));
    edits.set.iter().for_each(|(name, value)| host::set_request_header(name, value));
    edits.filter_state.iter().for_each(|(name, value)| host::set_filter_state(name, value));
}
