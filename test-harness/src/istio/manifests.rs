//! Resources as they are applied: the YAML of an example.

use super::chart;
use anyhow::Result;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The resources of an example, whatever the order of files.
///
/// # Errors
/// If its files cannot be read.
pub fn of_example(name: &str) -> Result<Vec<Value>> {
    let files = chart::written(name)?;
    let all = files.values().map(|text| documents(text)).collect::<Result<Vec<_>>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// A SHA-256 digest of what is applied: these resources, whatever their comments, files and order.
pub fn digest(documents: &[Value]) -> String {
    let mut documents: Vec<_> = documents.iter().map(Value::to_string).collect();
    documents.sort();
    Sha256::digest(documents.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The documents of a YAML stream, without the empty ones.
///
/// # Errors
/// If it is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}
