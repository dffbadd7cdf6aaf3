//! Configuration that Envoy reads from files while it runs: the filter (ECDS) and further listeners (LDS).
//!
//! Files are replaced by renaming, because Envoy looks when a name moves into place, and must never see half a file.

use anyhow::Result;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// One kind of resource, in one file.
pub struct Discovered {
    file: PathBuf,
    version: AtomicU64,
}

impl Discovered {
    /// Resources in this file, none yet.
    pub fn in_file(file: PathBuf) -> Self {
        Self { file, version: AtomicU64::new(0) }
    }

    /// How a bootstrap refers to the file.
    pub fn source(&self) -> Value {
        json!({"resource_api_version": "V3", "path_config_source": {"path": self.file}})
    }

    /// Replaces all resources by these.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn publish(&self, resources: &[Value]) -> Result<()> {
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        let response = json!({"version_info": version.to_string(), "resources": resources});
        replace(&self.file, &serde_json::to_vec(&response)?)
    }
}

/// An HTTP filter as a discoverable resource.
pub fn filter_resource(mut filter: Value) -> Value {
    filter["@type"] = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig".into();
    filter
}

/// A listener as a discoverable resource.
pub fn listener_resource(mut listener: Value) -> Value {
    listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
    listener
}

fn replace(file: &Path, content: &[u8]) -> Result<()> {
    let next = file.with_extension("next");
    std::fs::write(&next, content)?;
    std::fs::rename(&next, file)?;
    Ok(())
}
