//! One Envoy process in simulated time: N engines that tick, the bytes that they share, regions that answer as they are told.
//!
//! What the host does is here as it was found to be: callbacks of one worker never overlap, those of two do, so that a swap may
//! find that another worker was faster; and a swap succeeds unconditionally where there is no value yet.

use super::store::Store;
use super::{START, config, ms};
use greatcircle::call::{Failure, Reply};
use greatcircle::engine::{Call, Effect, Engine, Event, Identity, Token};
use greatcircle::health::{State, Transition};
use greatcircle::health_table::HealthTable;
use greatcircle::probe::{Check, Outcome};
use greatcircle::region::Regions;
use greatcircle::shared::{Shared, Version};
use greatcircle::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

/// How late anything may be for reasons that are not the engine's: timers, and lost swaps that are tried again.
pub(crate) const SLACK: Duration = ms(50);
const LATEST_TICK_US: u64 = 1000;
const LONGEST_SWAP: Duration = Duration::from_micros(500);

/// A probe as the region sees it.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) region: usize,
    pub(crate) worker: usize,
    pub(crate) at: Duration,
    pub(crate) outcome: Outcome,
    /// When the worker knew the outcome; never, if it died before.
    pub(crate) answered: Option<Duration>,
    /// What that did to the region's state.
    pub(crate) transition: Option<Transition>,
}

/// How a region answers a probe that is sent at this moment, and how long it takes.
pub(crate) type Answers = Box<dyn Fn(usize, Duration) -> (Outcome, Duration)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Answer(usize),
    Tick(usize),
    Configure(usize),
    Die(usize),
}

pub(crate) struct Simulation {
    regions: Regions,
    check: Check,
    workers: Vec<RefCell<Option<Engine>>>,
    dead: Vec<Cell<bool>>,
    answers: Answers,
    store: Store,
    lost_swaps: Cell<u64>,
    queue: RefCell<BinaryHeap<Reverse<(Duration, u64, Happening)>>>,
    now: Cell<Duration>,
    paused: Range<Duration>,
    random: Cell<u64>,
    sequence: Cell<u64>,
    probes: RefCell<Vec<Probe>>,
    /// What the regions' states should be.
    states: RefCell<Vec<State>>,
    pub(crate) events: RefCell<Vec<Event>>,
}

impl Simulation {
    /// One worker for each phase, which is when it is configured.
    pub(crate) fn new(regions: Regions, check: &Check, phases: &[Duration], seed: u64, answers: Answers) -> Self {
        let simulation = Self {
            workers: phases.iter().map(|_| RefCell::default()).collect(),
            dead: phases.iter().map(|_| Cell::default()).collect(),
            states: RefCell::new(vec![State::default(); regions.len()]),
            regions,
            check: check.clone(),
            answers,
            store: Store::default(),
            lost_swaps: Cell::default(),
            queue: RefCell::default(),
            now: Cell::default(),
            paused: ms(0)..ms(0),
            random: Cell::new(seed),
            sequence: Cell::default(),
            probes: RefCell::default(),
            events: RefCell::default(),
        };
        for (worker, phase) in phases.iter().enumerate() {
            simulation.schedule(*phase, Happening::Configure(worker));
        }
        simulation
    }

    /// All workers but the last one die, each at its moment.
    pub(crate) fn kill_all_but_the_last(&mut self, deaths: &[Duration]) {
        for (worker, at) in deaths.iter().enumerate().take(self.workers.len() - 1) {
            self.schedule(*at, Happening::Die(worker));
        }
    }

    /// The whole process stands still; timers and answers wait for its end.
    pub(crate) fn pause(&mut self, period: Range<Duration>) {
        self.paused = period;
    }

    pub(crate) fn run_until(&self, end: Duration) {
        loop {
            let next = self.queue.borrow_mut().pop();
            let Some(Reverse((at, _, happening))) = next else { break };
            if self.paused.contains(&at) {
                self.schedule(self.paused.end, happening);
            } else if at >= end {
                self.schedule(at, happening);
                break;
            } else {
                self.now.set(at.max(self.now.get()));
                self.let_happen(happening);
            }
        }
        self.now.set(end);
    }

    pub(crate) fn probes(&self) -> Vec<Probe> {
        self.probes.borrow().clone()
    }

    /// A region's probes in order.
    pub(crate) fn probes_of(&self, region: usize) -> Vec<Probe> {
        self.probes.borrow().iter().filter(|probe| probe.region == region).cloned().collect()
    }

    /// The newest table, if there is one.
    pub(crate) fn table(&self) -> HealthTable {
        let bytes = self.store.find("greatcircle/health/");
        bytes.and_then(|bytes| HealthTable::from_bytes(&bytes)).unwrap_or_default()
    }

    pub(crate) fn now(&self) -> Duration {
        self.now.get()
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::after_origin(START + self.now.get())
    }

    /// How many swaps found that another worker had been faster.
    pub(crate) fn lost_swaps(&self) -> u64 {
        self.lost_swaps.get()
    }

    fn let_happen(&self, happening: Happening) {
        match happening {
            Happening::Configure(index) if self.dead[index].get() => {}
            Happening::Configure(index) => {
                let number = index as u64 + 1;
                let identity = Identity { plugin: "greatcircle", instance: number };
                let config = config(self.regions.clone());
                let engine = Engine::new(config, 1, identity, self.timestamp(), &self.port(index));
                *self.workers[index].borrow_mut() = Some(engine);
                self.run_effects(index);
                self.schedule_tick(index);
            }
            Happening::Tick(index) => {
                if let Some(engine) = self.workers[index].borrow_mut().as_mut() {
                    engine.tick(self.timestamp(), &self.port(index));
                }
                self.run_effects(index);
                // Envoy arms the timer anew after each tick, so what it is late by adds up.
                self.schedule_tick(index);
            }
            Happening::Answer(probe) => self.answer(probe),
            Happening::Die(index) => {
                self.dead[index].set(true);
                *self.workers[index].borrow_mut() = None;
            }
        }
    }

    fn schedule_tick(&self, index: usize) {
        let Some(period) = self.workers[index].borrow().as_ref().map(Engine::tick_period) else { return };
        let late = Duration::from_micros(self.random_below(LATEST_TICK_US + 1));
        self.schedule(self.now.get() + period + late, Happening::Tick(index));
    }

    fn answer(&self, number: usize) {
        let Probe { worker, outcome, region, .. } = self.probes.borrow()[number].clone();
        if let Some(engine) = self.workers[worker].borrow_mut().as_mut() {
            let transition = self.observe(region, outcome);
            let mut probes = self.probes.borrow_mut();
            (probes[number].answered, probes[number].transition) = (Some(self.now.get()), Some(transition));
            drop(probes);
            engine.answered(number as Token, &reply(outcome), self.timestamp(), &self.port(worker));
        }
        self.run_effects(worker);
    }

    /// What this outcome should do to the region's state.
    fn observe(&self, region: usize, outcome: Outcome) -> Transition {
        let mut states = self.states.borrow_mut();
        let (state, transition) = states[region].observe(outcome.evidence(), self.check.thresholds);
        states[region] = state;
        transition
    }

    fn run_effects(&self, index: usize) {
        loop {
            let effect = self.workers[index].borrow_mut().as_mut().and_then(Engine::poll_effect);
            match effect {
                None => break,
                Some(Effect::Tell(event)) => self.events.borrow_mut().push(event),
                Some(Effect::Resume(_)) => panic!("there are no requests here"),
                Some(Effect::Send(call)) => self.send(index, &call),
            }
        }
    }

    fn send(&self, index: usize, call: &Call) {
        let at = self.now.get();
        let region = call.request.cluster.strip_prefix('r').unwrap().parse().unwrap();
        let (outcome, latency) = (self.answers)(region, at);
        let number = self.probes.borrow().len();
        let probe = Probe { region, worker: index, at, outcome, answered: None, transition: None };
        self.probes.borrow_mut().push(probe);
        let mut worker = self.workers[index].borrow_mut();
        let Some(engine) = worker.as_mut() else { return };
        match outcome {
            Outcome::Failed(failure @ (Failure::NoCluster | Failure::NoHost)) => {
                self.probes.borrow_mut()[number].answered = Some(at);
                engine.not_sent(call, failure, self.timestamp(), &self.port(index));
            }
            _ => {
                engine.sent(call, number as Token);
                self.schedule(at + latency, Happening::Answer(number));
            }
        }
    }

    fn schedule(&self, at: Duration, happening: Happening) {
        self.sequence.set(self.sequence.get() + 1);
        self.queue.borrow_mut().push(Reverse((at, self.sequence.get(), happening)));
    }

    fn port(&self, worker: usize) -> Port<'_> {
        Port { simulation: self, worker }
    }

    /// Lets another worker's callback happen while this one is about to swap, if there is one at this moment.
    fn interleave(&self, worker: usize) {
        let next = self.queue.borrow().peek().copied();
        let Some(Reverse((at, _, happening @ Happening::Tick(other)))) = next else { return };
        let soon = at <= self.now.get() + LONGEST_SWAP && !self.paused.contains(&at);
        if soon && other != worker && self.workers[other].try_borrow_mut().is_ok() {
            self.queue.borrow_mut().pop();
            self.let_happen(happening);
        }
    }

    /// Knuth's linear congruential generator: the same seed, the same run.
    fn random_below(&self, limit: u64) -> u64 {
        let next = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random.set(next);
        (next >> 33) % limit
    }
}

/// Envoy's shared data, as one worker reaches it.
struct Port<'a> {
    simulation: &'a Simulation,
    worker: usize,
}

impl Shared for Port<'_> {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.simulation.store.read(key)
    }

    fn compare_and_swap(&self, key: &str, expected: Option<Version>, bytes: &[u8]) -> bool {
        self.simulation.interleave(self.worker);
        let won = self.simulation.store.compare_and_swap(key, expected, bytes);
        self.simulation.lost_swaps.set(self.simulation.lost_swaps.get() + u64::from(!won));
        won
    }
}

fn reply(outcome: Outcome) -> Reply<'static> {
    match outcome {
        Outcome::Success => Reply::Answered { status: Some(200), body: b"" },
        Outcome::Status | Outcome::Body => Reply::Answered { status: Some(500), body: b"" },
        Outcome::Failed(failure) => Reply::Failed(failure),
    }
}
