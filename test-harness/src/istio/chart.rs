//! The chart under `istio/chart`, rendered by Helm, and the examples under `istio/examples`: for each the values that an operator would
//! write, and what the chart makes of them, to be read and to be applied without Helm.

use crate::bootstrap::repository;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The namespace of the ingress gateways in the examples.
const NAMESPACE: &str = "istio-ingress";

/// What `istio/examples` has.
pub const EXAMPLES: [&str; 5] = ["t1", "t2", "gateway-api", "traffic-extension", "t2-traffic-extension"];

/// An example's directory.
pub fn example(name: &str) -> PathBuf {
    repository().join("istio/examples").join(name)
}

/// What the chart makes of these values: the text of each file, by its name.
///
/// # Errors
/// If there is no Helm, or it refuses the values: then with what it says.
pub fn render(values: &Path) -> Result<BTreeMap<String, String>> {
    let helm = std::env::var_os("HELM").unwrap_or_else(|| OsString::from("helm"));
    let output = tempfile::tempdir()?;
    let helm = Command::new(&helm)
        .args(["template", "greatcircle"])
        .arg(repository().join("istio/chart"))
        .args(["--namespace", NAMESPACE, "--values"])
        .arg(values)
        .arg("--output-dir")
        .arg(output.path())
        .output()
        .with_context(|| {
            format!("no Helm: {} ($HELM; ./build.sh test and ./build.sh manifests get one)", helm.display())
        })?;
    ensure!(helm.status.success(), "{}", String::from_utf8_lossy(&helm.stderr));
    files(&output.path().join("greatcircle/templates"))?
        .into_iter()
        .map(|(name, text)| Ok((name, readable(&text))))
        .collect()
}

/// What stands in an example's directory beside its values: the rendering as it was last written.
///
/// # Errors
/// If it cannot be read.
pub fn written(name: &str) -> Result<BTreeMap<String, String>> {
    files(&example(name).join("manifests"))
}

/// Writes what the chart makes of each example's values.
///
/// # Errors
/// If it cannot be rendered or written.
pub fn write_examples() -> Result<()> {
    for name in EXAMPLES {
        let rendered = render(&example(name).join("values.yaml")).with_context(|| name.to_owned())?;
        let directory = example(name).join("manifests");
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir(&directory)?;
        for (file, text) in rendered {
            fs::write(directory.join(file), text)?;
        }
    }
    Ok(())
}

fn files(directory: &Path) -> Result<BTreeMap<String, String>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?))
    };
    entries.map(read).collect()
}

/// Without what Helm adds: where each document is from, and a separator before the first.
fn readable(rendered: &str) -> String {
    let lines = rendered.lines().filter(|line| !line.starts_with("# Source: "));
    let text = lines.map(str::trim_end).collect::<Vec<_>>().join("\n");
    let mut documents = text.split("\n---\n").map(|it| it.trim_start_matches("---\n").trim()).collect::<Vec<_>>();
    documents.retain(|document| !document.is_empty());
    documents.join("\n---\n") + "\n"
}
