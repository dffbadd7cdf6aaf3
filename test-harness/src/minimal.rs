//! The gateway of `envoy/minimal.yaml`, with ports that are free here and nothing else changed.

use crate::bootstrap::{GATEWAY, repository};
use crate::client::Client;
use crate::envoy::{Envoy, Launch};
use crate::eventually::eventually;
use crate::region::Region;
use anyhow::{Context, Result};
use serde_json::Value;
use std::net::SocketAddr;
use tempfile::TempDir;

const LISTENER_PORT: &str = "/static_resources/listeners/0/address/socket_address/port_value";
const ADMIN_PORT: &str = "/admin/address/socket_address/port_value";
const ENDPOINT_PORT: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";

/// A running gateway and its regions. Everything in it ends with this value.
pub struct Minimal {
    /// The gateway's process.
    pub envoy: Envoy,
    /// In the order of the file.
    pub regions: Vec<Region>,
    _directory: TempDir,
}

/// The file.
///
/// # Errors
/// If it cannot be read.
pub fn bootstrap() -> Result<Value> {
    let path = repository().join("envoy/minimal.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).context("minimal.yaml")
}

impl Minimal {
    /// Starts the regions, then Envoy, and returns when Envoy is ready.
    ///
    /// # Errors
    /// If something does not start, or the file has lost the shape that this module relies on.
    pub fn start() -> Result<Self> {
        let mut bootstrap = bootstrap()?;
        let mut regions: Vec<Region> = Vec::new();
        for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().context("no clusters")? {
            // A region's cluster and the one for its probes have one assignment of this name.
            let name = cluster["load_assignment"]["cluster_name"].as_str().context("no name")?;
            let known = regions.iter().find(|region| region.name() == name).map(Region::port);
            let port = match known {
                Some(port) => port,
                None => {
                    regions.push(Region::start(name)?);
                    regions.last().map(Region::port).context("no region")?
                }
            };
            *cluster.pointer_mut(ENDPOINT_PORT).context("no port")? = port.into();
        }
        for port in [LISTENER_PORT, ADMIN_PORT] {
            *bootstrap.pointer_mut(port).with_context(|| format!("no {port}"))? = 0.into();
        }
        let directory = tempfile::tempdir()?;
        let envoy = Envoy::start(&bootstrap, &Launch::default(), directory.path())?;
        Ok(Self { envoy, regions, _directory: directory })
    }

    /// Where the gateway listens.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        eventually("the gateway", || self.envoy.listener(GATEWAY))
    }

    /// A client of the gateway, from nowhere in particular.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::of(self.address())
    }
}
