//! Load: requests at a steady rate or all at once, whatever becomes of the earlier ones, and a report of what became of each.
//!
//! Open loop on purpose: clients of a real gateway do not wait for each other, so a region that hangs must not make the
//! load go away.

use crate::addresses::Addresses;
use crate::client::{PATIENCE, decision_in, forwarded_for, geo_headers, region_of};
use crate::places::Place;
use reqwest::header::{HOST, HeaderMap};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Load that has not started.
pub struct Load {
    gateway: SocketAddr,
    headers: HeaderMap,
    path: String,
    pace: Pace,
    addresses: Option<Addresses>,
}

/// When requests are sent.
#[derive(Clone, Copy)]
enum Pace {
    /// So many per second.
    Rate(u32),
    /// So many at once, and no more.
    Burst(usize),
}

impl Load {
    /// 100 GETs of `/` per second for this gateway, from nowhere in particular.
    pub fn on(gateway: SocketAddr) -> Self {
        Self { gateway, headers: HeaderMap::new(), path: "/".into(), pace: Pace::Rate(100), addresses: None }
    }

    /// Every client is here.
    pub fn from(mut self, place: Place) -> Self {
        self.headers.extend(geo_headers(place));
        self
    }

    /// Each request comes from the next of these addresses, which a load balancer in front of the gateway vouches for: see
    /// [`Plan::trusted_hops`](crate::plan::Plan::trusted_hops).
    pub fn at(mut self, addresses: Addresses) -> Self {
        self.addresses = Some(addresses);
        self
    }

    /// The path that is asked for.
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// The host that is asked for, instead of the gateway's address.
    ///
    /// # Panics
    /// If it is no host.
    #[track_caller]
    pub fn host(mut self, host: &str) -> Self {
        self.headers.insert(HOST, host.parse().expect("a host"));
        self
    }

    /// Requests per second.
    pub fn rate(mut self, rate: u32) -> Self {
        self.pace = Pace::Rate(rate);
        self
    }

    /// So many requests at once instead of a rate, each on a connection of its own.
    pub fn burst(mut self, requests: usize) -> Self {
        self.pace = Pace::Burst(requests);
        self
    }

    /// Starts; returns when the first request was answered or failed, or, for a burst, at once.
    ///
    /// # Panics
    /// If there is no thread or no HTTP client to be had.
    pub fn start(self) -> Running {
        let (stop, stopped) = oneshot::channel();
        let (begun, first) = mpsc::channel();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(self.run(start, stopped, begun))
        });
        let _ = first.recv();
        Running { start, stop, thread }
    }

    async fn run(mut self, start: Instant, mut stopped: oneshot::Receiver<()>, begun: mpsc::Sender<()>) -> Vec<Sample> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("an HTTP client");
        let url = format!("http://{}{}", self.gateway, self.path);
        let pace = self.pace;
        let mut next = || sample(start, http.get(&url).headers(self.next_headers()));
        let (mut requests, mut samples) = (JoinSet::new(), Vec::new());
        let rate = match pace {
            Pace::Rate(rate) => rate.max(1),
            Pace::Burst(count) => {
                (0..count).for_each(|_| drop(requests.spawn(next())));
                let _ = begun.send(());
                0
            }
        };
        let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
        // A late tick is made up for: the rate is a promise.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                _ = ticks.tick(), if rate > 0 => drop(requests.spawn(next())),
                Some(Ok(sample)) = requests.join_next() => {
                    let _ = begun.send(());
                    samples.push(sample);
                }
            }
        }
        samples.extend(requests.join_all().await);
        samples.sort_by_key(|sample| sample.at);
        samples
    }

    fn next_headers(&mut self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(address) = self.addresses.as_mut().and_then(Iterator::next) {
            headers.extend(forwarded_for(address.into()));
        }
        headers
    }
}

async fn sample(start: Instant, request: reqwest::RequestBuilder) -> Sample {
    let at = start.elapsed();
    let answer = async {
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let (status, region) = (response.status(), region_of(response.headers()));
        let body = response.text().await.map_err(|error| format!("{error:?}"))?;
        match region {
            Some(region) if status.is_success() => {
                Ok((region, decision_in(&serde_json::from_str(&body).unwrap_or_default())))
            }
            region => Err(format!("{status} from {}: {body}", region.as_deref().unwrap_or("the gateway"))),
        }
    };
    let (outcome, decision) = match answer.await {
        Ok((region, decision)) => (Ok(region), decision),
        Err(error) => (Err(error), String::new()),
    };
    Sample { at, latency: start.elapsed() - at, outcome, decision }
}

/// Load that runs. It ends with [`Running::stop`] or when this value goes.
pub struct Running {
    start: Instant,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Running {
    /// The time on the clock of [`Sample::at`]: take it before a fault, to say "after" later.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Sends nothing more, waits for the answers that are due, and reports.
    ///
    /// # Panics
    /// If the load itself panicked.
    #[track_caller]
    pub fn stop(self) -> Report {
        let lasted = self.elapsed();
        let _ = self.stop.send(());
        Report { lasted, samples: self.thread.join().expect("the load") }
    }
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it was sent, from the start of the load.
    pub at: Duration,
    /// Until the end of its body, or until it failed.
    pub latency: Duration,
    /// The region that served it with a success, or what went wrong.
    pub outcome: Result<String, String>,
    /// The decision record that came with it, as the region saw it: after a retry it names another region than the one
    /// that served. Empty if none came, or if the region answered with something else than what it saw.
    pub decision: String,
}

impl Sample {
    /// Whether this region served it.
    pub fn is_from(&self, region: &str) -> bool {
        self.outcome.as_deref() == Ok(region)
    }
}

/// What became of every request, in the order in which they were sent.
#[derive(Clone, Debug)]
pub struct Report {
    /// From the start to the stop.
    pub lasted: Duration,
    /// Every request.
    pub samples: Vec<Sample>,
}

impl Report {
    /// The requests that no region served with a success.
    pub fn failures(&self) -> Vec<&Sample> {
        self.samples.iter().filter(|sample| sample.outcome.is_err()).collect()
    }

    /// How many requests each region served.
    pub fn by_region(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for region in self.samples.iter().filter_map(|sample| sample.outcome.as_deref().ok()) {
            *counts.entry(region).or_default() += 1;
        }
        counts
    }

    /// The first request sent after `after` that a region other than `region` served.
    pub fn first_elsewhere(&self, region: &str, after: Duration) -> Option<&Sample> {
        self.sent_after(after).find(|sample| sample.outcome.is_ok() && !sample.is_from(region))
    }

    /// The last request sent after `after` that `region` served.
    pub fn last_from(&self, region: &str, after: Duration) -> Option<&Sample> {
        self.sent_after(after).filter(|sample| sample.is_from(region)).last()
    }

    /// The requests sent after `after`.
    pub fn sent_after(&self, after: Duration) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.at >= after)
    }

    /// The latency that this share of the requests (0.0 to 1.0) did not exceed; zero if there were none.
    pub fn latency(&self, share: f64) -> Duration {
        let mut latencies: Vec<_> = self.samples.iter().map(|sample| sample.latency).collect();
        latencies.sort_unstable();
        let index = (share.clamp(0.0, 1.0) * latencies.len().saturating_sub(1) as f64).round() as usize;
        latencies.get(index).copied().unwrap_or_default()
    }

    /// Requests sent per second, really.
    pub fn rate(&self) -> f64 {
        self.samples.len() as f64 / self.lasted.as_secs_f64()
    }
}
