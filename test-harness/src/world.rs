//! A world: regions, each a process, and a real Envoy in front of them with the filter of this repository.
//!
//! ```no_run
//! use serde_json::json;
//! use test_harness::{World, eventually_equals, places::*};
//!
//! let world = World::new()
//!     .region("eu-west", DUBLIN)
//!     .region("oceania", SYDNEY)
//!     .filter(json!({"output": {"responseHeader": "x-served-by-region"}}))
//!     .start();
//! world.region("oceania").kill();
//! eventually_equals("the region for Suva", Some("eu-west".into()), || world.client().from(SUVA).get("/").region);
//! ```

use crate::bootstrap::{Bootstrap, GATEWAY};
use crate::client::Client;
use crate::discovery::Discovered;
use crate::envoy::{Envoy, HotRestart, Launch};
use crate::eventually::{LIMIT, eventually, within};
use crate::load::Load;
use crate::lookup::LookupService;
use crate::places::Place;
use crate::plan::Plan;
use crate::region::Region;
use anyhow::Result;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// A running world. Everything in it ends with this value; if the thread is panicking, the end of Envoy's log is printed.
pub struct World {
    pub(crate) envoy: Envoy,
    pub(crate) regions: Vec<Region>,
    pub(crate) lookup: Option<LookupService>,
    pub(crate) filters: Discovered,
    pub(crate) listeners: Discovered,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) dynamic: Mutex<Dynamic>,
    pub(crate) _directory: TempDir,
}

/// What was delivered last, to be changed by the next update.
pub(crate) struct Dynamic {
    pub(crate) configuration: Value,
    pub(crate) filter: Option<Value>,
    pub(crate) listeners: Vec<Value>,
}

impl World {
    /// An empty world with the routes of `envoy/envoy.yaml` and probes quick enough for tests: every 500 ms, every 200 ms
    /// while a state is about to change, for at most 400 ms.
    #[allow(clippy::new_ret_no_self, reason = "a world is planned first")]
    pub fn new() -> Plan {
        let quick = json!({"health": {"interval": "500ms", "edgeInterval": "200ms", "timeout": "400ms"}});
        Plan::of(Bootstrap::from_file(), Vec::new(), quick)
    }

    /// The regions and the configuration of `envoy/envoy.yaml`, all of it, on free ports.
    pub fn from_envoy_yaml() -> Plan {
        let bootstrap = Bootstrap::from_file();
        match bootstrap.and_then(|file| Ok((file.regions()?, file))) {
            Ok((regions, file)) => Plan::of(Ok(file), regions, json!({})),
            Err(error) => Plan::of(Err(error), Vec::new(), json!({})),
        }
    }

    /// The region of this name.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn region(&self, name: &str) -> &Region {
        self.regions.iter().find(|region| region.name() == name).unwrap_or_else(|| panic!("no region {name}"))
    }

    /// Every region, in the order of the plan.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The lookup service.
    ///
    /// # Panics
    /// If the world was planned without [`Plan::lookup_service`].
    #[track_caller]
    pub fn lookup(&self) -> &LookupService {
        self.lookup.as_ref().expect("a world planned with lookup_service()")
    }

    /// The gateway's process.
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// Where the gateway listens.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address_of(GATEWAY)
    }

    /// A second Envoy that takes over from this one, planned with [`Plan::hot_restart`]. `parent_stats`: it adds what the first one
    /// counts to its own.
    ///
    /// # Errors
    /// If it does not start.
    pub fn take_over(&self, parent_stats: bool) -> Result<Envoy> {
        let directory = self._directory.path().join("second");
        std::fs::create_dir(&directory)?;
        let mut bootstrap: Value = serde_json::from_slice(&std::fs::read(self._directory.path().join("envoy.json"))?)?;
        let listener = &mut bootstrap["static_resources"]["listeners"][0];
        listener["address"]["socket_address"]["port_value"] = self.address().port().into();
        let hot_restart = HotRestart::Second { base_id: std::process::id(), parent_stats };
        Envoy::start(&bootstrap, &Launch { hot_restart, ..Launch::default() }, &directory)
    }

    /// A client of the gateway, from nowhere in particular.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::of(self.address())
    }

    /// A client of another listener: see [`World::add_listener`].
    #[track_caller]
    pub fn client_of(&self, listener: &str) -> Client {
        Client::of(self.address_of(listener))
    }

    /// Load for the gateway, not yet started.
    #[track_caller]
    pub fn load(&self) -> Load {
        Load::on(self.address())
    }

    /// Repeats a request until every worker has taken a connection, and returns all answers.
    #[track_caller]
    pub fn through_every_worker<T>(&self, request: impl FnMut() -> T) -> Vec<T> {
        self.envoy.through_every_worker("", request)
    }

    /// Waits until every worker decides like this for clients from `place`.
    #[track_caller]
    pub fn eventually_decides(&self, place: Place, expected: &str) {
        eventually(&format!("{expected} for {} from every worker", place.name), || {
            let client = self.client().from(place);
            let decide = || client.try_request("GET", "/", b"").map_or_else(|why| why.to_string(), |it| it.decision());
            let decisions = self.through_every_worker(decide);
            if decisions.iter().all(|decision| decision == expected) { Ok(()) } else { Err(decisions) }
        });
    }

    /// Watches each region for this long from its next probe but one (the next may belong to what was before). Returns when
    /// further probes came, counted from that one.
    #[track_caller]
    pub fn watch_probes(&self, window: Duration) -> Vec<(&str, Vec<Duration>)> {
        self.watch(self.regions.iter().collect(), window)
    }

    /// [`World::watch_probes`] of some regions.
    #[track_caller]
    pub fn watch_probes_of(&self, names: &[&str], window: Duration) -> Vec<(&str, Vec<Duration>)> {
        self.watch(names.iter().map(|name| self.region(name)).collect(), window)
    }

    #[track_caller]
    fn watch<'a>(&self, regions: Vec<&'a Region>, window: Duration) -> Vec<(&'a str, Vec<Duration>)> {
        let seen: Vec<_> = regions.iter().map(|region| region.probe_count()).collect();
        let watch = |region: &Region, seen: usize| {
            let watched = within(2 * window + LIMIT, || {
                let probes: Vec<_> = region.probes().into_iter().skip(seen + 1).collect();
                let begin = probes.first().copied().unwrap_or_default();
                let probes: Vec<_> = probes.into_iter().skip(1).map(|at| at - begin).collect();
                if probes.last() > Some(&window) { Ok(probes) } else { Err(probes) }
            });
            let mut probes = watched.unwrap_or_else(|seen| panic!("too few probes of {}: {seen:?}", region.name()));
            probes.retain(|at| *at <= window);
            probes
        };
        regions.into_iter().zip(seen).map(|(region, seen)| (region.name(), watch(region, seen))).collect()
    }

    #[track_caller]
    pub(crate) fn address_of(&self, listener: &str) -> SocketAddr {
        eventually(&format!("the listener {listener}"), || self.envoy.listener(listener))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of Envoy's log ---\n{}", self.envoy.log_tail(60));
        }
    }
}
