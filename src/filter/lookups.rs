//! Lookups: requests that wait, calls on their behalf, and the answers that all workers share.
//!
//! Calls are sent in the root context's tick, and a tick is ordered at once when somebody waits. That costs the
//! wait for this tick: the SDK hands an answer to the context that sent the call, and a request's own context may be gone by then while
//! others wait for the same answer.

use super::host;
use super::request::Request;
use super::telemetry::Telemetry;
use crate::call::{Failure, Reply};
use crate::client::lookup::desk::{Desk, Token};
use crate::client::lookup::{Answer, Bucket, Key, Outcome, Prefix, Settings, answer};
use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// As soon as the host can.
const AT_ONCE: Duration = Duration::from_millis(1);

/// How long after its timeout a call is given up, should the host still owe its answer.
const GRACE: Duration = Duration::from_secs(1);

/// How often a swap is tried before an answer is dropped: the next request asks again.
const SWAP_ATTEMPTS: usize = 4;

/// One worker's lookups.
pub(super) struct Lookups {
    settings: Settings,
    service: u32,
    root: u32,
    telemetry: Rc<Telemetry>,
    desk: Cell<Desk<Weak<Request>>>,
    hurried: Cell<bool>,
}

/// What a request gets when it asks about a prefix.
pub(super) enum Asked {
    /// It is known; the answer may be that there is no place.
    Known(Answer),
    /// It has to wait, and will go on by itself.
    Wait,
    /// Nobody will tell.
    No,
}

impl Lookups {
    /// The lookups of the worker with this root context.
    pub(super) fn new(settings: Settings, root: u32, telemetry: Rc<Telemetry>) -> Self {
        let service = settings.fingerprint();
        Self { settings, service, root, telemetry, desk: Cell::default(), hurried: Cell::default() }
    }

    /// Asks about a prefix on behalf of a request.
    pub(super) fn ask(&self, prefix: Prefix, request: &Rc<Request>) -> Asked {
        let now = host::now();
        let key = Key::new(self.service, prefix);
        if let Some(answer) = self.shelf(key).and_then(|shelf| read(&shelf).0.find(key, now)) {
            self.telemetry.cached();
            return Asked::Known(answer);
        }
        match self.at_desk(|desk| desk.wait(prefix, Rc::downgrade(request), now)) {
            Ok(to_be_sent) => {
                if to_be_sent && !self.hurried.replace(true) {
                    host::set_tick_period(AT_ONCE);
                }
                Asked::Wait
            }
            Err(refusal) => {
                self.telemetry.not_looked_up(refusal);
                Asked::No
            }
        }
    }

    /// Sends what has to be sent, in the root context's tick. Returns whether it was a request that ordered this tick.
    pub(super) fn tick(&self) -> bool {
        for prefix in self.at_desk(|desk| desk.unsent()) {
            match host::send(&self.settings.request_for(prefix), self.settings.timeout) {
                Ok(call) => self.at_desk(|desk| desk.sent(prefix, call)),
                Err(failure) => self.settle(prefix, &Reply::Failed(failure)),
            }
        }
        let limit = self.settings.timeout + GRACE;
        for prefix in self.at_desk(|desk| desk.overdue(host::now(), limit)) {
            self.settle(prefix, &Reply::Failed(Failure::Timeout));
        }
        self.hurried.replace(false)
    }

    /// A call was answered, in its callback. Returns false if it was not a lookup.
    pub(super) fn answered(&self, call: Token, headers: usize) -> bool {
        let Some(prefix) = self.at_desk(|desk| desk.prefix_of(call)) else { return false };
        host::read_reply(headers, answer::BODY_LIMIT + 1, |reply| self.settle(prefix, reply));
        true
    }

    fn settle(&self, prefix: Prefix, reply: &Reply<'_>) {
        let (outcome, answer) = answer::read(reply, prefix, &self.settings.pointers);
        self.telemetry.looked_up(outcome);
        self.keep(prefix, outcome, answer);
        let waiters = self.at_desk(|desk| desk.settle(prefix, outcome.into(), host::now(), host::random()));
        for request in waiters.iter().filter_map(Weak::upgrade) {
            request.go_on(answer);
        }
        host::act_for(self.root);
    }

    fn keep(&self, prefix: Prefix, outcome: Outcome, answer: Answer) {
        let (now, lifetime) = (host::now(), self.settings.cache.lifetime(outcome));
        let key = Key::new(self.service, prefix);
        let Some(shelf) = self.shelf(key) else { return };
        for _ in 0..SWAP_ATTEMPTS {
            let (mut bucket, cas) = read(&shelf);
            bucket.keep(key, answer, now, lifetime);
            if host::swap_shared(&shelf, &bucket.to_bytes(), cas) {
                return;
            }
        }
    }

    /// Where in shared data the bucket of this key is; `None` if nothing is kept. The number stands for the format.
    fn shelf(&self, key: Key) -> Option<String> {
        self.settings.cache.bucket_of(key).map(|bucket| format!("greatcircle/lookup/1/{bucket}"))
    }

    fn at_desk<T>(&self, ask: impl FnOnce(&mut Desk<Weak<Request>>) -> T) -> T {
        let mut desk = self.desk.take();
        let result = ask(&mut desk);
        self.desk.set(desk);
        result
    }
}

fn read(shelf: &str) -> (Bucket, host::Cas) {
    let (bytes, cas) = host::read_shared(shelf, None);
    (Bucket::from_bytes(&bytes.unwrap_or_default()), cas)
}
