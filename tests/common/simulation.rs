//! One Envoy process in simulated time: N instances that tick, one shared table, regions that answer as they are told.
//!
//! What the host does is here as it was found to be: callbacks of one instance never overlap, those of two do; a swap may
//! come too late, because somebody else was faster; and a swap succeeds unconditionally where there is no value yet.

use super::{START, ms, plan_since};
use greatcircle::health::Transition;
use greatcircle::health_table::{HealthTable, Instance};
use greatcircle::probe::{Check, Outcome};
use greatcircle::prober::{Claims, InFlight, Plan, Prober, Token};
use greatcircle::region::Regions;
use greatcircle::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::time::Duration;

/// How late anything may be for reasons that are not the prober's: timers, and lost swaps that are tried again.
pub(crate) const SLACK: Duration = ms(50);
const LATEST_TICK_US: u64 = 1000;
const LONGEST_SWAP_US: u64 = 500;
const SWAP_ATTEMPTS: usize = 16;

/// Envoy's shared data as far as one key is concerned.
#[derive(Default)]
struct Store {
    value: Option<(Vec<u8>, u32)>,
    last_cas: u32,
}

impl Store {
    fn set(&mut self, bytes: Vec<u8>, cas: Option<u32>) -> bool {
        let unconditional = self.value.is_none() || cas.is_none();
        let matches = self.value.as_ref().map(|(_, current)| *current) == cas;
        if unconditional || matches {
            self.last_cas += 1;
            self.value = Some((bytes, self.last_cas));
        }
        unconditional || matches
    }
}

/// A probe as the region sees it.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) region: usize,
    pub(crate) instance: usize,
    pub(crate) at: Duration,
    /// When the instance knew the outcome; never, if it died before.
    pub(crate) answered: Option<Duration>,
    pub(crate) transition: Option<Transition>,
    /// Claimed on a table that did not exist yet, as several instances may do.
    creation: bool,
}

/// How a region answers a probe that is sent at this moment, and how long it takes.
pub(crate) type Answers = Box<dyn Fn(usize, Duration) -> (Outcome, Duration)>;

/// What an instance has to write to the table: a callback between its beginning and its end.
#[derive(Clone, Copy)]
enum Task {
    Tick,
    Settle { probe: usize, in_flight: InFlight, outcome: Outcome },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Answer(Token, usize),
    Swap(usize),
    Tick(usize),
    Die(usize),
}

struct Worker {
    plan: Plan,
    prober: Prober,
    alive: bool,
    tasks: VecDeque<Task>,
    /// The swap on its way: bytes, the cas they were read under, and what follows if it succeeds.
    proposal: Option<Proposal>,
    seen: (HealthTable, Option<u32>),
}

struct Proposal {
    bytes: Vec<u8>,
    cas: Option<u32>,
    now: Timestamp,
    attempt: usize,
    claims: Claims,
    transition: Transition,
}

pub(crate) struct Simulation {
    workers: Vec<Worker>,
    answers: Answers,
    store: Store,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    pub(crate) now: Duration,
    paused: Range<Duration>,
    /// From then on the clock is wrong by this many seconds.
    clock_step: (Duration, i64),
    random: u64,
    sequence: u64,
    pub(crate) probes: Vec<Probe>,
    outcomes: Vec<Outcome>,
}

impl Simulation {
    /// One instance for each phase, which is when it is configured and begins to tick.
    pub(crate) fn new(regions: &Regions, check: &Check, phases: &[Duration], seed: u64, answers: Answers) -> Self {
        let worker = |(index, phase): (usize, &Duration)| Worker {
            plan: plan_since(regions, check, Timestamp::after_epoch(START + *phase)),
            prober: Prober::new(Instance(index as u64)),
            alive: true,
            tasks: VecDeque::new(),
            proposal: None,
            seen: Default::default(),
        };
        let mut simulation = Self {
            workers: phases.iter().enumerate().map(worker).collect(),
            answers,
            store: Store::default(),
            events: BinaryHeap::new(),
            now: ms(0),
            paused: ms(0)..ms(0),
            clock_step: (Duration::MAX, 0),
            random: seed,
            sequence: 0,
            probes: Vec::new(),
            outcomes: Vec::new(),
        };
        for (index, phase) in phases.iter().enumerate() {
            let late = simulation.up_to_us(LATEST_TICK_US);
            simulation.schedule(*phase + late, Event::Tick(index));
        }
        simulation
    }

    /// As many instances as there are moments, in their order, each at its moment.
    pub(crate) fn kill_all_but_the_last(&mut self, deaths: &[Duration]) {
        for (instance, at) in deaths.iter().enumerate().take(self.workers.len() - 1) {
            self.schedule(*at, Event::Die(instance));
        }
    }

    /// The whole process stands still; timers and answers wait for its end. What has begun is finished.
    pub(crate) fn pause(&mut self, period: Range<Duration>) {
        self.paused = period;
    }

    pub(crate) fn step_clock(&mut self, at: Duration, seconds: i64) {
        self.clock_step = (at, seconds);
    }

    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if self.paused.contains(&at) && !matches!(event, Event::Swap(_)) {
                self.schedule(self.paused.end, event);
                continue;
            }
            if at >= end {
                self.schedule(at, event);
                break;
            }
            self.now = at;
            match event {
                Event::Tick(instance) => self.tick(instance),
                Event::Swap(instance) => self.swap(instance),
                Event::Answer(token, instance) => self.answered(token, instance),
                Event::Die(instance) => self.workers[instance].alive = false,
            }
        }
        self.now = end;
    }

    /// A region's probes in order, without those of instances that lost the race to create the table.
    pub(crate) fn probes_of(&self, region: usize) -> Vec<&Probe> {
        let of_region = || self.probes.iter().filter(|probe| probe.region == region);
        let last_creator = of_region().filter(|probe| probe.creation).map(|probe| probe.instance).next_back();
        of_region().filter(|probe| !probe.creation || Some(probe.instance) == last_creator).collect()
    }

    /// The newest table, if there is one.
    pub(crate) fn table(&self) -> HealthTable {
        self.store.value.as_ref().and_then(|(bytes, _)| HealthTable::from_bytes(bytes)).unwrap_or_default()
    }

    pub(crate) fn wall_clock(&self) -> Timestamp {
        let now = Timestamp::after_epoch(START + self.now);
        let (at, seconds) = self.clock_step;
        let step = Duration::from_secs(seconds.unsigned_abs());
        match seconds {
            _ if self.now < at => now,
            ..0 => now - step,
            _ => now + step,
        }
    }

    fn tick(&mut self, index: usize) {
        let Some(worker) = self.workers.get_mut(index).filter(|worker| worker.alive) else { return };
        let period = worker.plan.tick();
        if !worker.tasks.iter().any(|task| matches!(task, Task::Tick)) {
            worker.tasks.push_back(Task::Tick);
        }
        // Envoy arms the timer anew after each tick, so what it is late by adds up.
        let late = self.up_to_us(LATEST_TICK_US);
        self.schedule(self.now + period + late, Event::Tick(index));
        self.begin(index);
    }

    fn answered(&mut self, token: Token, index: usize) {
        let worker = &mut self.workers[index];
        let Some(in_flight) = worker.alive.then(|| worker.prober.answered(token)).flatten() else { return };
        let probe = token as usize;
        self.probes[probe].answered = Some(self.now);
        worker.tasks.push_back(Task::Settle { probe, in_flight, outcome: self.outcomes[probe] });
        self.begin(index);
    }

    /// Begins with the next task unless another one is not finished.
    fn begin(&mut self, index: usize) {
        let idle = self.workers[index].alive && self.workers[index].proposal.is_none();
        if idle && !self.workers[index].tasks.is_empty() {
            self.propose(index, self.wall_clock(), 0);
        }
    }

    /// Reads the table and changes a copy, as `update` in src/filter/shared_table.rs does.
    fn propose(&mut self, index: usize, now: Timestamp, attempt: usize) {
        let Worker { plan, prober, tasks, proposal, seen, .. } = &mut self.workers[index];
        let cas = self.store.value.as_ref().map(|(_, cas)| *cas);
        if let Some((bytes, cas)) = self.store.value.as_ref().filter(|(_, cas)| seen.1 != Some(*cas)) {
            *seen = (HealthTable::from_bytes(bytes).unwrap_or_default(), Some(*cas));
        }
        let mut table = seen.0.clone();
        let (claims, transition) = match tasks[0] {
            Task::Tick => {
                prober.forget_lost(plan, now);
                (prober.claim(plan, &mut table, now), Transition::Unchanged)
            }
            Task::Settle { in_flight, outcome, .. } => {
                (Claims::default(), plan.settle(&mut table, in_flight, outcome, now))
            }
        };
        if matches!(tasks[0], Task::Tick) && claims.is_empty() {
            tasks.pop_front();
            return self.begin(index);
        }
        *proposal = Some(Proposal { bytes: table.to_bytes(now), cas, now, attempt, claims, transition });
        let takes = self.up_to_us(LONGEST_SWAP_US);
        self.schedule(self.now + takes, Event::Swap(index));
    }

    fn swap(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let Some(proposal) = worker.proposal.take().filter(|_| worker.alive) else { return };
        let Proposal { bytes, cas, now, attempt, claims, transition } = proposal;
        if !self.store.set(bytes, cas) {
            if attempt + 1 < SWAP_ATTEMPTS {
                return self.propose(index, now, attempt + 1);
            }
            worker.tasks.pop_front();
            return self.begin(index);
        }
        if let Some(Task::Settle { probe, .. }) = worker.tasks.pop_front() {
            self.probes[probe].transition = Some(transition);
        }
        for region in claims.probes {
            let (outcome, latency) = (self.answers)(region.index(), self.now);
            let token = self.probes.len() as Token;
            self.probes.push(Probe {
                region: region.index(),
                instance: index,
                at: self.now,
                answered: None,
                transition: None,
                creation: cas.is_none(),
            });
            self.outcomes.push(outcome);
            self.workers[index].prober.sent(token, InFlight { region, sent: now });
            self.schedule(self.now + latency, Event::Answer(token, index));
        }
        self.begin(index);
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    /// Knuth's linear congruential generator: the same seed, the same run.
    fn up_to_us(&mut self, limit: u64) -> Duration {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((self.random >> 33) % (limit + 1))
    }
}
