//! This worker's copy of the shared health table, and how it is changed.
//!
//! Whoever changes the table reads the newest one, changes it and swaps it in; if another worker was faster, again. What
//! workers read per tick is decoded only if it changed.

use super::host::{self, Cas};
use super::telemetry;
use crate::health_table::HealthTable;
use crate::time::Timestamp;

/// A prefix of our own, because under Istio all plugins of a proxy share one key space, and the version of what
/// [`HealthTable::to_bytes`] writes.
const KEY: &str = "greatcircle/health/1";

/// How often a swap is tried before it is left to the next tick.
const SWAP_ATTEMPTS: usize = 16;

/// The table as it was last read or swapped in.
#[derive(Default)]
pub(super) struct SharedTable {
    table: HealthTable,
    read: Cas,
}

impl SharedTable {
    /// The table of this process, made if there is none yet.
    ///
    /// Envoy has no "set if absent": whoever sets a key that is missing wins unconditionally. But the main thread takes a
    /// configuration before any worker does, so that the table is there by the time several of them could want to make it.
    pub(super) fn open(now: Timestamp) -> Self {
        let mut table = Self::default();
        table.read();
        if table.read.is_none() {
            host::swap_shared(KEY, &HealthTable::default().to_bytes(now), None);
        }
        table
    }

    /// The table as this worker last saw it.
    pub(super) fn get(&self) -> &HealthTable {
        &self.table
    }

    /// Takes over what other workers have changed.
    pub(super) fn read(&mut self) {
        let (bytes, cas) = host::read_shared(KEY, self.read);
        if let Some(bytes) = bytes {
            self.table = HealthTable::from_bytes(&bytes).unwrap_or_else(|| {
                if !bytes.is_empty() {
                    telemetry::table_unreadable(bytes.len());
                }
                HealthTable::default()
            });
        }
        self.read = cas;
    }

    /// Changes the table for all workers. `change` returns `None` if there is nothing to change; it is called again with the
    /// newest table whenever another worker was faster.
    pub(super) fn update<T>(&mut self, now: Timestamp, change: impl Fn(&mut HealthTable) -> Option<T>) -> Option<T> {
        for _ in 0..SWAP_ATTEMPTS {
            self.read();
            let result = change(&mut self.table)?;
            // Whether it is swapped in or not, the changed table is not the one that was read.
            let read = self.read.take();
            if host::swap_shared(KEY, &self.table.to_bytes(now), read) {
                return Some(result);
            }
        }
        None
    }
}
