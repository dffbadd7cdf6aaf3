//! Ctrl-C: waited for instead of suffered, so that Envoy and the regions end with the demo.
//!
//! A terminal sends Ctrl-C to them as well. Whatever fails from then on is no failure; hence [`Interrupt::asked`].

use anyhow::{Context, Result};
use std::cell::Cell;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Hears Ctrl-C (SIGINT) and SIGTERM.
pub(super) struct Interrupt {
    heard: Receiver<()>,
    asked: Cell<bool>,
}

/// The person in front of the demo wants it to end.
#[derive(Debug)]
pub(super) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// From now on neither signal ends the process.
    pub(super) fn listen() -> Result<Self> {
        let (tell, heard) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut int, mut term) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let listen = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                }
            });
            let _ = tell.send(());
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).context("a thread for signals")?;
        Ok(Self { heard, asked: Cell::new(false) })
    }

    /// Waits this long.
    ///
    /// # Errors
    /// At once, if the demo is to end.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Interrupted> {
        let heard = self.asked.get() || !matches!(self.heard.recv_timeout(time), Err(RecvTimeoutError::Timeout));
        self.asked.set(heard);
        if heard { Err(Interrupted) } else { Ok(()) }
    }

    /// Whether the demo is to end, within the moment that the news may take to arrive here.
    pub(super) fn asked(&self) -> bool {
        self.pause(Duration::from_millis(100)).is_err()
    }
}
