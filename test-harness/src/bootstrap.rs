//! Envoy's bootstrap for a world, made from `envoy/envoy.yaml`: what is tested is what people run.
//!
//! The file's first leaf cluster, first cluster for probes and first aggregate are the patterns for every region of a world.

use crate::patch::merge;
pub use crate::region_spec::RegionSpec;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The name of the filter, and of its resource when it is discovered.
pub const FILTER: &str = "greatcircle";

/// The name of the listener in the file.
pub const GATEWAY: &str = "gateway";

pub(crate) const GATEWAY_LISTENER: &str = "/static_resources/listeners/0";
pub(crate) const HTTP_CONNECTION_MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
pub(crate) const PLUGIN: &str = "/typed_config/config";
const ENDPOINT_PORT: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
const FAILOVER_ORDER: &str = "/cluster_type/typed_config/clusters";
/// What the names of clusters begin with that are for probes alone.
const PROBE: &str = "probe-";
const OWN_REGION: &str = "/node/locality/region";

/// The root of the repository.
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// A bootstrap, with the filter's configuration as the JSON that it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    envoy: Value,
    filter: Value,
}

impl Bootstrap {
    /// `envoy/envoy.yaml` of this repository.
    ///
    /// # Errors
    /// If it cannot be read, or has lost the shape that this module relies on.
    pub fn from_file() -> Result<Self> {
        let path = repository().join("envoy/envoy.yaml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut envoy: Value = serde_saphyr::from_str(&text).context("envoy.yaml")?;
        let configuration = at(http_filter(gateway(&mut envoy)?)?, &format!("{PLUGIN}/configuration/value"))?;
        let filter = configuration.as_str().context("the filter's configuration is not a string")?;
        let filter = serde_json::from_str(filter).context("the filter's configuration in envoy.yaml")?;
        Ok(Self { envoy, filter })
    }

    /// The regions, in the order of the filter's configuration, with the ports of their leaf clusters.
    ///
    /// # Errors
    /// If a region has no leaf cluster or no coordinates.
    pub fn regions(&self) -> Result<Vec<RegionSpec>> {
        let entries = self.filter["regions"].as_array().context("no regions")?;
        entries
            .iter()
            .map(|entry| {
                let mut more = entry.as_object().context("a region is not an object")?.clone();
                let mut take = |key: &str| more.remove(key).with_context(|| format!("a region has no {key}"));
                let (name, latitude, longitude) = (take("name")?, take("latitude")?, take("longitude")?);
                let mut region = RegionSpec {
                    name: name.as_str().context("a region's name is not a string")?.into(),
                    latitude: latitude.as_f64().context("a latitude is not a number")?,
                    longitude: longitude.as_f64().context("a longitude is not a number")?,
                    port: 0,
                    more: more.into(),
                };
                let clusters = self.envoy["static_resources"]["clusters"].as_array().context("no clusters")?;
                let leaf = clusters.iter().find(|cluster| cluster["name"] == region.leaf().as_str());
                let port = leaf.and_then(|leaf| leaf.pointer(ENDPOINT_PORT)).and_then(Value::as_u64);
                region.port = port.with_context(|| format!("no port for {}", region.name))?.try_into()?;
                Ok(region)
            })
            .collect()
    }

    /// Exactly these regions: leaf clusters, clusters for their probes, aggregates with the nearest neighbours, and the filter's
    /// list.
    ///
    /// # Errors
    /// If `regions` is empty or the file has no clusters to serve as patterns.
    pub fn with_regions(mut self, regions: &[RegionSpec]) -> Result<Self> {
        let own = self.envoy.pointer(OWN_REGION).and_then(Value::as_str);
        let own = regions.iter().find(|region| Some(region.name.as_str()) == own).or(regions.first());
        let own = own.context("a world needs a region")?.clone();
        let clusters = at(&mut self.envoy, "/static_resources/clusters")?;
        let pattern = |is: fn(&Value) -> bool| {
            let mut clusters = clusters.as_array().into_iter().flatten();
            clusters.find(|cluster| is(cluster)).cloned().context("no pattern")
        };
        let leaf = pattern(|cluster| cluster.pointer(ENDPOINT_PORT).is_some())?;
        let probe = pattern(|cluster| cluster["name"].as_str().is_some_and(|name| name.starts_with(PROBE)))?;
        let aggregate = pattern(|cluster| cluster.pointer(FAILOVER_ORDER).is_some())?;
        let length = aggregate.pointer(FAILOVER_ORDER).and_then(Value::as_array).map_or(0, Vec::len);

        let leaf = |region: &RegionSpec| -> Result<Value> {
            let mut leaf = leaf.clone();
            leaf["name"] = region.leaf().into();
            leaf["load_assignment"]["cluster_name"] = region.leaf().into();
            *at(&mut leaf, ENDPOINT_PORT)? = region.port.into();
            Ok(leaf)
        };
        let probe = |region: &RegionSpec| -> Result<Value> {
            let mut probe = probe.clone();
            probe["name"] = format!("{PROBE}{}", region.name).into();
            probe["load_assignment"] = leaf(region)?["load_assignment"].take();
            Ok(probe)
        };
        let aggregate = |name: &str, first: &RegionSpec| -> Result<Value> {
            let mut nearest: Vec<_> = regions.iter().collect();
            nearest.sort_by(|a, b| first.kilometres_to(a).total_cmp(&first.kilometres_to(b)));
            let mut aggregate = aggregate.clone();
            aggregate["name"] = name.into();
            *at(&mut aggregate, FAILOVER_ORDER)? = nearest.iter().take(length).map(|region| region.leaf()).collect();
            Ok(aggregate)
        };
        let leaves = regions.iter().map(leaf).chain(regions.iter().map(probe));
        let aggregates = regions.iter().map(|region| aggregate(&region.name, region));
        *clusters = leaves.chain(aggregates).chain([aggregate("default", &own)]).collect::<Result<_>>()?;

        self.filter["regions"] = regions.iter().map(RegionSpec::entry).collect();
        Ok(self)
    }

    /// These clusters too.
    ///
    /// # Errors
    /// If the file has no clusters.
    pub fn with_clusters(mut self, more: Vec<Value>) -> Result<Self> {
        let clusters = at(&mut self.envoy, "/static_resources/clusters")?;
        clusters.as_array_mut().context("no list of clusters")?.extend(more);
        Ok(self)
    }

    /// The region in which Envoy says it runs.
    pub fn in_region(mut self, name: &str) -> Self {
        merge(&mut self.envoy, &json!({"node": {"locality": {"region": name}}}));
        self
    }

    /// Merges `patch` into the filter's configuration: objects merge, `null` removes, anything else replaces (RFC 7386).
    pub fn with_filter(mut self, patch: &Value) -> Self {
        merge(&mut self.filter, patch);
        self
    }

    /// How labels are taken out of the names of stats.
    pub fn stats_config(&self) -> Value {
        self.envoy["stats_config"].clone()
    }

    /// The filter's configuration.
    pub fn filter(&self) -> &Value {
        &self.filter
    }

    /// How many load balancers in front of the gateway are believed when they tell the client's address.
    ///
    /// # Errors
    /// If the file has no listener.
    pub fn with_trusted_hops(mut self, hops: u32) -> Result<Self> {
        at(gateway(&mut self.envoy)?, HTTP_CONNECTION_MANAGER)?["xff_num_trusted_hops"] = hops.into();
        Ok(self)
    }

    /// These HTTP filters before the filter, in this order.
    ///
    /// # Errors
    /// If the file has no filter.
    pub fn with_filters_before(mut self, filters: Vec<Value>) -> Result<Self> {
        let all = http_filters(gateway(&mut self.envoy)?)?;
        let place = all.iter().position(|filter| filter["name"] == FILTER).context("no filter")?;
        all.splice(place..place, filters);
        Ok(self)
    }

    /// Loads the filter from this file.
    ///
    /// # Errors
    /// If the file has no filter.
    pub fn with_module(mut self, module: &Path) -> Result<Self> {
        let filename = format!("{PLUGIN}/vm_config/code/local/filename");
        *at(http_filter(gateway(&mut self.envoy)?)?, &filename)? = module.display().to_string().into();
        Ok(self)
    }

    /// What the filter's VM finds in its environment.
    ///
    /// # Errors
    /// If the file has no filter.
    pub fn with_vm_environment(mut self, variables: &Value) -> Result<Self> {
        let vm = at(http_filter(gateway(&mut self.envoy)?)?, &format!("{PLUGIN}/vm_config"))?;
        vm["environment_variables"]["key_values"] = variables.clone();
        Ok(self)
    }

    /// Merges `patch` into what Envoy says of its node: locality, metadata (RFC 7386).
    pub fn with_node(mut self, patch: &Value) -> Self {
        merge(&mut self.envoy["node"], patch);
        self
    }

    /// Listens on the loopback only, wherever the system has a port free.
    ///
    /// # Errors
    /// If the file has no listener or no admin interface.
    pub fn on_free_ports(mut self) -> Result<Self> {
        let anywhere = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
        gateway(&mut self.envoy)?["address"] = anywhere.clone();
        self.envoy["admin"]["address"] = anywhere;
        Ok(self)
    }

    /// The bootstrap as Envoy reads it.
    ///
    /// # Errors
    /// If the file has no filter.
    pub fn render(&self) -> Result<Value> {
        let mut envoy = self.envoy.clone();
        configure_plugin(http_filter(gateway(&mut envoy)?)?, FILTER, &self.filter)?;
        Ok(envoy)
    }

    /// Another plugin of the same module right behind the filter, called `name`, whose configuration differs by `patch`.
    ///
    /// # Errors
    /// If the file has no filter.
    pub fn with_filter_behind(mut self, name: &str, patch: &Value) -> Result<Self> {
        let mut configuration = self.filter.clone();
        merge(&mut configuration, patch);
        let filters = http_filters(gateway(&mut self.envoy)?)?;
        let place = filters.iter().position(|filter| filter["name"] == FILTER).context("no filter")?;
        let mut behind = filters[place].clone();
        behind["name"] = name.into();
        configure_plugin(&mut behind, name, &configuration)?;
        filters.insert(place + 1, behind);
        Ok(self)
    }

    /// Another listener like the file's, called `name`, whose filter is called `plugin` and has a configuration that differs by
    /// `patch`.
    ///
    /// # Errors
    /// If the file has no listener.
    pub fn listener(&self, name: &str, plugin: &str, patch: &Value) -> Result<Value> {
        let mut listener = gateway(&mut self.envoy.clone())?.clone();
        listener["name"] = name.into();
        at(&mut listener, HTTP_CONNECTION_MANAGER)?["stat_prefix"] = name.into();
        let mut filter = self.filter.clone();
        merge(&mut filter, patch);
        configure_plugin(http_filter(&mut listener)?, plugin, &filter)?;
        Ok(listener)
    }

    /// Takes the filter out of a rendered bootstrap and leaves a subscription in its place.
    ///
    /// # Errors
    /// If there is no filter.
    pub fn discover_filter(rendered: &mut Value, source: &Value) -> Result<Value> {
        let filter = http_filter(gateway(rendered)?)?;
        let type_url = at(filter, "/typed_config/@type")?.clone();
        let subscription =
            json!({"name": FILTER, "config_discovery": {"config_source": source, "type_urls": [type_url]}});
        Ok(std::mem::replace(filter, subscription))
    }
}

fn configure_plugin(filter: &mut Value, name: &str, configuration: &Value) -> Result<()> {
    let plugin = at(filter, PLUGIN)?;
    plugin["name"] = name.into();
    plugin["configuration"]["value"] = configuration.to_string().into();
    Ok(())
}

fn gateway(envoy: &mut Value) -> Result<&mut Value> {
    at(envoy, GATEWAY_LISTENER)
}

fn http_filter(listener: &mut Value) -> Result<&mut Value> {
    let mut filters = http_filters(listener)?.iter_mut();
    filters.find(|filter| filter["name"] == FILTER).with_context(|| format!("no http filter {FILTER}"))
}

fn http_filters(listener: &mut Value) -> Result<&mut Vec<Value>> {
    at(listener, &format!("{HTTP_CONNECTION_MANAGER}/http_filters"))?.as_array_mut().context("no list of http filters")
}

fn at<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).with_context(|| format!("nothing at {pointer} in envoy.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::{APIA, DUBLIN, SUVA, SYDNEY};

    #[test]
    fn the_file_is_what_its_own_regions_yield() {
        let file = Bootstrap::from_file().unwrap();
        let regions = file.regions().unwrap();
        assert_eq!(regions.len(), 12);
        assert_eq!(file.clone().with_regions(&regions).unwrap(), file);
    }

    #[test]
    fn failover_goes_by_distance_across_the_date_line() {
        let regions =
            [("a", DUBLIN), ("b", SYDNEY), ("c", APIA), ("d", SUVA)].map(|(name, place)| RegionSpec::at(name, place));
        let bootstrap = Bootstrap::from_file().unwrap().with_regions(&regions).unwrap();
        let clusters = bootstrap.envoy["static_resources"]["clusters"].as_array().unwrap();
        let suva = clusters.iter().find(|cluster| cluster["name"] == "d").unwrap();
        assert_eq!(suva.pointer(FAILOVER_ORDER).unwrap(), &json!(["region-d", "region-c", "region-b", "region-a"]));
    }
}
