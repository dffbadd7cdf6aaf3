//! Telemetry, as access logs of a gateway: the resource names a provider, which the mesh's own configuration defines.
//!
//! Only the file logger with a text is imitated; metrics and traces are left out.

use super::api::Telemetry;
use super::manifests::Manifests;
use super::proxy::Proxy;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The access logs of this gateway. A provider that `mesh_config` does not know logs nothing; Istio does not complain either.
///
/// # Errors
/// If something is said that is not imitated.
pub fn access_logs(manifests: &Manifests, mesh_config: &Value, proxy: &Proxy) -> Result<Vec<Value>> {
    let mut logs = Vec::new();
    for telemetry in manifests.all::<Telemetry>("Telemetry", "telemetry.istio.io")? {
        let Telemetry { selector, target_refs, access_logging } = &telemetry.spec;
        if !proxy.is_selected(selector.as_ref(), target_refs, &telemetry.metadata.namespace) {
            continue;
        }
        for provider in access_logging.iter().flat_map(|logging| &logging.providers) {
            let known = mesh_config["extensionProviders"].as_array().into_iter().flatten();
            for defined in known.filter(|defined| defined["name"] == *provider.name) {
                logs.push(file_log(defined).with_context(|| format!("the provider {}", provider.name))?);
            }
        }
    }
    Ok(logs)
}

fn file_log(provider: &Value) -> Result<Value> {
    let file = &provider["envoyFileAccessLog"];
    let text = file["logFormat"]["text"].as_str().context("only a file with a text is imitated")?;
    ensure!(file["omitEmptyValues"].is_null(), "omitEmptyValues is not imitated");
    let text = if text.ends_with('\n') { text.into() } else { format!("{text}\n") };
    Ok(json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": file["path"].as_str().unwrap_or("/dev/stdout"),
            "log_format": {"text_format_source": {"inline_string": text}},
        },
    }))
}
