//! A lookup service as a test sees it: it knows where addresses are, fails on command, and remembers what it was asked.
//!
//! It answers like ipinfo.io, `GET /{ip}/json`. A thread with real sockets, because nobody kills or freezes it: its faults
//! are those of a service behind a network.

mod fault;
mod server;
mod table;

pub use fault::Fault;
pub use server::Asked;

use crate::listening::{Listening, Reserved};
use crate::places::Place;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use server::State;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use table::Template;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A running lookup service. It ends with this value.
///
/// An address that it was told nothing about is answered with `{"ip": "…", "bogon": true}`.
pub struct LookupService {
    port: u16,
    /// Nobody else gets the port while the service refuses connections.
    _reserved: Reserved,
    state: Arc<State>,
    listening: Mutex<Option<Listening>>,
    runtime: Handle,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl LookupService {
    /// Starts a service that knows nothing, on a free port of the loopback.
    ///
    /// # Errors
    /// If there is no port or no thread to be had.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let reserved = {
            let _in_runtime = handle.enter();
            Reserved::any()?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("lookup service".into()).spawn(move || {
            let _ = runtime.block_on(stopped);
        })?;
        let service = Self {
            port: reserved.port()?,
            _reserved: reserved,
            state: Arc::default(),
            listening: Mutex::default(),
            runtime: handle,
            thread: Some((stop, thread)),
        };
        service.listen()?;
        Ok(service)
    }

    /// Its port on the loopback: the same for life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The addresses of this network (`8.8.8.0/24`, or one address) are in this place and country. The smallest network that
    /// contains an address decides.
    ///
    /// # Panics
    /// If it is no network.
    #[track_caller]
    pub fn knows(&self, network: &str, place: Place, country: &str) {
        let loc = format!("{},{}", place.latitude, place.longitude);
        self.answers(network, &json!({"ip": "{ip}", "city": place.name, "loc": loc, "country": country}));
    }

    /// The answer for the addresses of this network; `{ip}` in it stands for the address that is asked about.
    ///
    /// # Panics
    /// If it is no network.
    #[track_caller]
    pub fn answers(&self, network: &str, body: &Value) {
        let address = |text: &str| text.parse::<IpAddr>().ok().map(Into::into);
        let network = network.parse().ok().or_else(|| address(network));
        let network = network.unwrap_or_else(|| panic!("{network:?} is no network"));
        self.state.lock().table.add(network, Template::new(body.to_string().as_bytes()));
    }

    /// From now on an answer takes this long.
    pub fn takes(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    /// From now on every answer waits for [`LookupService::releases`].
    pub fn holds(&self) {
        self.state.held.send_replace(true);
    }

    /// Ends [`LookupService::holds`].
    pub fn releases(&self) {
        self.state.held.send_replace(false);
    }

    /// From now on lookups meet this fault. [`Fault::Refuses`] and [`Fault::Bytes`] also drop every connection there is.
    ///
    /// # Panics
    /// If it has to listen again and cannot.
    #[track_caller]
    pub fn fails_with(&self, fault: Fault) {
        let (refuses, no_http) = (fault == Fault::Refuses, matches!(fault, Fault::Bytes(_)));
        self.state.lock().fault = Some(fault);
        if refuses || no_http {
            let listening = self.listening.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            listening.into_iter().for_each(|listening| self.runtime.block_on(listening.close()));
        }
        if !refuses {
            self.listen().expect("the service's port");
        }
    }

    /// Ends the fault. Lookups that hang already hang on.
    ///
    /// # Panics
    /// If it has to listen again and cannot.
    #[track_caller]
    pub fn recovers(&self) {
        self.state.lock().fault = None;
        self.listen().expect("the service's port");
    }

    /// Every lookup since the start, in the order in which they came.
    pub fn lookups(&self) -> Vec<Asked> {
        self.state.lock().asked.clone()
    }

    /// How many lookups came since the start.
    pub fn lookup_count(&self) -> usize {
        self.state.lock().asked.len()
    }

    /// The addresses that were asked about, in the order in which they came; a path without one counts as it stands.
    pub fn addresses(&self) -> Vec<String> {
        let address = |asked: &Asked| asked.address().map_or_else(|| asked.path.clone(), |address| address.to_string());
        self.state.lock().asked.iter().map(address).collect()
    }

    fn listen(&self) -> Result<()> {
        let mut listening = self.listening.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if listening.is_none() {
            let _in_runtime = self.runtime.enter();
            let state = self.state.clone();
            let serve = move |stream| server::serve(stream, state.clone());
            *listening = Some(Listening::on(self.port, true, serve).context("the lookup service")?);
        }
        Ok(())
    }
}

impl Drop for LookupService {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}
