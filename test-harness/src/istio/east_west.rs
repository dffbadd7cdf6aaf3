//! The way into another network: in place of an east-west gateway, one address from which connections go on to a service's pods there.
//!
//! The real one passes mutual TLS through and learns the service from the server's name. Without TLS there is no such name, so each
//! service has an address of its own here.

use crate::listening::Listening;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// One such address. It is gone with this value, and so is every connection through it.
pub(crate) struct EastWestGateway {
    listening: Option<Listening>,
    runtime: Runtime,
}

impl EastWestGateway {
    /// In front of pods at these ports of the loopback.
    ///
    /// # Errors
    /// If there is no port to be had.
    pub(crate) fn to(pods: Vec<u16>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (pods, next) = (Arc::new(pods), Arc::new(AtomicUsize::new(0)));
        let guard = runtime.enter();
        let listening = Listening::on(0, false, move |stream| pass_on(stream, pods.clone(), next.clone()))?;
        drop(guard);
        Ok(Self { listening: Some(listening), runtime })
    }

    pub(crate) fn port(&self) -> u16 {
        self.listening.as_ref().map_or(0, Listening::port)
    }
}

impl Drop for EastWestGateway {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            self.runtime.block_on(listening.close());
        }
    }
}

/// To the next pod that takes it. If none does, the connection ends.
async fn pass_on(mut from: TcpStream, pods: Arc<Vec<u16>>, next: Arc<AtomicUsize>) {
    for _ in 0..pods.len() {
        let Some(port) = pods.get(next.fetch_add(1, Ordering::Relaxed) % pods.len()) else { return };
        if let Ok(mut to) = TcpStream::connect(("127.0.0.1", *port)).await {
            let _ = copy_bidirectional(&mut from, &mut to).await;
            return;
        }
    }
}
