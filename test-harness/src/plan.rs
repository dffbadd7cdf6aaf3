//! The plan of a world: what a test asks for, before anything runs.

use crate::bootstrap::{Bootstrap, GATEWAY_LISTENER, HTTP_CONNECTION_MANAGER, PLUGIN, RegionSpec, repository};
use crate::discovery::{Discovered, filter_resource, listener_resource};
use crate::envoy::{Envoy, HotRestart, Launch};
use crate::lookup::LookupService;
use crate::patch::{merge, overlay};
use crate::places::Place;
use crate::region::Region;
use crate::trapping::trapping;
use crate::world::{Dynamic, World};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The cluster of the lookup service.
const LOOKUP: &str = "ipinfo";

/// What a world will be.
pub struct Plan {
    bootstrap: Result<Bootstrap>,
    regions: Vec<RegionSpec>,
    own_region: Option<String>,
    filter: Value,
    launch: Launch,
    vm_environment: Value,
    node: Value,
    ecds: bool,
    lds: bool,
    clusters: Vec<Value>,
    filters_before: Vec<Value>,
    filters_behind: Vec<(String, Value)>,
    trusted_hops: u32,
    lookup: bool,
    module: PathBuf,
    traps: bool,
    patches: Vec<(String, Value)>,
}

impl Plan {
    pub(crate) fn of(bootstrap: Result<Bootstrap>, regions: Vec<RegionSpec>, filter: Value) -> Self {
        Self {
            bootstrap,
            regions,
            own_region: None,
            filter,
            launch: Launch::default(),
            vm_environment: json!({}),
            node: json!({}),
            ecds: false,
            lds: false,
            clusters: Vec::new(),
            filters_before: Vec::new(),
            filters_behind: Vec::new(),
            trusted_hops: 0,
            lookup: false,
            module: repository().join("dist/greatcircle.wasm"),
            traps: false,
            patches: Vec::new(),
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
        self.launch.workers = workers;
        self
    }

    /// Delivers the filter's configuration through a watched file, so that [`World::update_filter`] can change it.
    pub fn ecds(mut self) -> Self {
        self.ecds = true;
        self
    }

    /// Delivers the gateway's listener through a watched file, so that [`World::apply_listener`] can replace it.
    pub fn lds(mut self) -> Self {
        self.lds = true;
        self
    }

    /// How long the connections of a listener that was replaced or removed may last; a second if nothing is said.
    pub fn drain(mut self, limit: Duration) -> Self {
        self.launch.drain = limit;
        self
    }

    /// Another process may take over from this Envoy: see [`World::take_over`]. One in a test's process.
    pub fn hot_restart(mut self) -> Self {
        self.launch.hot_restart = HotRestart::First(std::process::id());
        self
    }

    /// Adds a variable to Envoy's environment.
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.launch.environment.push((name.into(), value.into()));
        self
    }

    /// What the filter's VM finds in its environment.
    pub fn vm_environment(mut self, variables: Value) -> Self {
        self.vm_environment = variables;
        self
    }

    /// Merges this into what Envoy says of its node: locality, metadata (RFC 7386).
    pub fn node(mut self, patch: Value) -> Self {
        self.node = patch;
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

    /// Puts another plugin of the same module, called `name`, right behind the filter of this repository. Its configuration differs by
    /// `patch` from the filter's.
    pub fn filter_behind(mut self, name: &str, patch: Value) -> Self {
        self.filters_behind.push((name.into(), patch));
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

    /// Loads the module with a trap in it: any request with a body traps the VM of its worker (see [`crate::trapping`]).
    pub fn traps(mut self) -> Self {
        self.traps = true;
        self
    }

    /// Merges this into what stands at a JSON pointer of Envoy's bootstrap, the filter's configuration apart (RFC 7386).
    pub fn bootstrap(mut self, pointer: impl Into<String>, patch: Value) -> Self {
        self.patches.push((pointer.into(), patch));
        self
    }

    /// Merges this into the gateway's HTTP connection manager.
    pub fn connection_manager(self, patch: Value) -> Self {
        self.bootstrap(format!("{GATEWAY_LISTENER}{HTTP_CONNECTION_MANAGER}"), patch)
    }

    /// Merges this into the Wasm plugin, which is what surrounds the filter's configuration.
    pub fn plugin(self, patch: Value) -> Self {
        self.bootstrap(format!("{GATEWAY_LISTENER}{HTTP_CONNECTION_MANAGER}/http_filters/0{PLUGIN}"), patch)
    }

    /// Trailers pass from HTTP/1.1 clients, and to regions, which tell them.
    pub fn trailers(self) -> Self {
        let enabled = json!({"enable_trailers": true});
        let mut plan = self.connection_manager(json!({"http_protocol_options": enabled}));
        for index in 0..plan.regions.len() {
            let options = json!({
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": enabled},
            });
            let options = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options});
            let cluster = format!("/static_resources/clusters/{index}");
            plan = plan.bootstrap(cluster, json!({"typed_extension_protocol_options": options}));
        }
        plan
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
        let directory = tempfile::tempdir()?;
        if self.traps {
            let trapping = trapping(&std::fs::read(&self.module)?)?;
            self.module = directory.path().join("trapping.wasm");
            std::fs::write(&self.module, trapping)?;
        }
        let mut bootstrap = self
            .bootstrap?
            .in_region(&own)
            .with_regions(&self.regions)?
            .with_clusters(self.clusters)?
            .with_filters_before(self.filters_before)?
            .with_trusted_hops(self.trusted_hops)?
            .with_filter(&self.filter)
            .with_module(&self.module)?
            .with_vm_environment(&self.vm_environment)?
            .with_node(&self.node)
            .on_free_ports()?;
        for (name, patch) in &self.filters_behind {
            bootstrap = bootstrap.with_filter_behind(name, patch)?;
        }

        let discovered = |file: &str| Discovered::in_file(directory.path().join(file));
        let (filters, listeners) = (discovered("filters.json"), discovered("listeners.json"));
        let mut rendered = bootstrap.render()?;
        for (pointer, patch) in &self.patches {
            merge(rendered.pointer_mut(pointer).with_context(|| format!("nothing at {pointer}"))?, patch);
        }
        let filter = match self.ecds {
            true => Some(Bootstrap::discover_filter(&mut rendered, &filters.source())?),
            false => None,
        };
        if let Some(filter) = &filter {
            filters.publish(&[filter_resource(filter.clone())])?;
        }
        rendered["dynamic_resources"]["lds_config"] = listeners.source();
        let dynamic: Vec<_> = match (self.lds, rendered["static_resources"]["listeners"].as_array_mut()) {
            (true, Some(all)) => all.drain(..).map(listener_resource).collect(),
            _ => Vec::new(),
        };
        listeners.publish(&dynamic)?;

        let envoy = Envoy::start(&rendered, &self.launch, directory.path())?;
        Ok(World {
            envoy,
            regions,
            lookup,
            filters,
            listeners,
            dynamic: Dynamic { configuration: bootstrap.filter().clone(), filter, listeners: dynamic }.into(),
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
