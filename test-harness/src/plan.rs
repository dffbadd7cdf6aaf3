//! The plan of a world: what a test asks for, before anything runs.
//!
//! Must never know: what happens in the world once it runs.

use crate::bootstrap::{Bootstrap, RegionSpec, repository};
use crate::discovery::{Discovered, filter_resource};
use crate::envoy::Envoy;
use crate::lookup::LookupService;
use crate::patch::overlay;
use crate::places::Place;
use crate::region::Region;
use crate::world::{Dynamic, World};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The cluster of the lookup service.
const LOOKUP: &str = "ipinfo";

/// What a world will be.
pub struct Plan {
    bootstrap: Result<Bootstrap>,
    regions: Vec<RegionSpec>,
    own_region: Option<String>,
    filter: Value,
    workers: u32,
    ecds: bool,
    clusters: Vec<Value>,
    filters_before: Vec<Value>,
    trusted_hops: u32,
    lookup: bool,
    module: PathBuf,
}

impl Plan {
    pub(crate) fn of(bootstrap: Result<Bootstrap>, regions: Vec<RegionSpec>, filter: Value) -> Self {
        Self {
            bootstrap,
            regions,
            own_region: None,
            filter,
            workers: 2,
            ecds: false,
            clusters: Vec::new(),
            filters_before: Vec::new(),
            trusted_hops: 0,
            lookup: false,
            module: repository().join("dist/greatcircle.wasm"),
        }
    }

    /// Adds a region. The first one is the gateway's own, unless [`Plan::gateway_in`] says otherwise.
    pub fn region(self, name: &str, place: Place) -> Self {
        self.region_with(name, place, json!({}))
    }

    /// Adds a region with more fields in its entry of the filter's configuration.
    pub fn region_with(mut self, name: &str, place: Place, more: Value) -> Self {
        self.regions.push(RegionSpec { more, ..RegionSpec::at(name, place) });
        self
    }

    /// The region that Envoy names as its locality.
    pub fn gateway_in(mut self, region: &str) -> Self {
        self.own_region = Some(region.into());
        self
    }

    /// Merges this into the filter's configuration (RFC 7386: `null` removes). Several calls add up.
    pub fn filter(mut self, patch: Value) -> Self {
        // Not `merge`: a `null` has to survive until it meets the configuration.
        overlay(&mut self.filter, patch);
        self
    }

    /// How many workers Envoy has; 2 if nothing is said.
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Delivers the filter's configuration through a watched file, so that [`World::update_filter`] can change it.
    pub fn ecds(mut self) -> Self {
        self.ecds = true;
        self
    }

    /// Adds a cluster that belongs to no region.
    pub fn cluster(mut self, cluster: Value) -> Self {
        self.clusters.push(cluster);
        self
    }

    /// Puts more HTTP filters before the filter of this repository, in this order.
    pub fn filters_before(mut self, filters: Vec<Value>) -> Self {
        self.filters_before.extend(filters);
        self
    }

    /// So many load balancers stand in front of the gateway and are believed: with one of them, the last address that a client
    /// sends in `x-forwarded-for` is its own (see [`Client::at`](crate::Client::at)). None if nothing is said.
    pub fn trusted_hops(mut self, hops: u32) -> Self {
        self.trusted_hops = hops;
        self
    }

    /// Starts a lookup service ([`World::lookup`]) behind a cluster `ipinfo`, and tells the filter to ask it. `more` is merged
    /// into the filter's `clientLocation.lookup`.
    pub fn lookup_service(mut self, more: Value) -> Self {
        self.lookup = true;
        self.filter(json!({"clientLocation": {"lookup": {"cluster": LOOKUP, "authority": "ipinfo.io"}}}))
            .filter(json!({"clientLocation": {"lookup": more}}))
    }

    /// Loads this module instead of `dist/greatcircle.wasm`. A relative path counts from the root of the repository.
    pub fn module(mut self, module: impl Into<PathBuf>) -> Self {
        self.module = repository().join(module.into());
        self
    }

    /// Starts the regions, then Envoy, and returns when Envoy is ready.
    ///
    /// # Panics
    /// If something does not start.
    #[track_caller]
    pub fn start(self) -> World {
        self.try_start().unwrap_or_else(|error| panic!("the world does not start: {error:#}"))
    }

    /// [`Plan::start`] for a configuration that Envoy may refuse.
    ///
    /// # Errors
    /// If something does not start; if that is Envoy, with the end of its log.
    pub fn try_start(mut self) -> Result<World> {
        if !self.module.is_file() {
            bail!("no module at {}: run ./build.sh test, which makes it", self.module.display());
        }
        let regions: Vec<Region> =
            self.regions.iter().map(|region| Region::start(&region.name)).collect::<Result<_>>()?;
        for (spec, region) in self.regions.iter_mut().zip(&regions) {
            spec.port = region.port();
        }
        let lookup = self.lookup.then(LookupService::start).transpose()?;
        self.clusters.extend(lookup.iter().map(|service| cluster_at(LOOKUP, service.port())));
        let own =
            self.own_region.or_else(|| Some(self.regions.first()?.name.clone())).context("a world needs a region")?;
        let bootstrap = self
            .bootstrap?
            .in_region(&own)
            .with_regions(&self.regions)?
            .with_clusters(self.clusters)?
            .with_filters_before(self.filters_before)?
            .with_trusted_hops(self.trusted_hops)?
            .with_filter(&self.filter)
            .with_module(&self.module)?
            .on_free_ports()?;

        let directory = tempfile::tempdir()?;
        let discovered = |file: &str| Discovered::in_file(directory.path().join(file));
        let (filters, listeners) = (discovered("filters.json"), discovered("listeners.json"));
        let mut rendered = bootstrap.render()?;
        let filter = match self.ecds {
            true => Some(Bootstrap::discover_filter(&mut rendered, &filters.source())?),
            false => None,
        };
        if let Some(filter) = &filter {
            filters.publish(&[filter_resource(filter.clone())])?;
        }
        rendered["dynamic_resources"]["lds_config"] = listeners.source();
        listeners.publish(&[])?;

        let envoy = Envoy::start(&rendered, self.workers, directory.path())?;
        Ok(World {
            envoy,
            regions,
            lookup,
            filters,
            listeners,
            dynamic: Dynamic { configuration: bootstrap.filter().clone(), filter, listeners: Vec::new() }.into(),
            bootstrap,
            _directory: directory,
        })
    }
}

/// A cluster with one host on the loopback.
fn cluster_at(name: &str, port: u16) -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    })
}
