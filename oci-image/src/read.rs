//! From an archive back to the module, if nothing about the archive is wrong.
//!
//! Stricter than Istio, which takes the first `plugin.wasm` of the last layer: here there is one layer with one file.
//! Must never know how `write` does it.

use crate::documents::{
    CONFIG_TYPE, Config, Descriptor, DockerImage, INDEX_TYPE, Index, LAYER_TYPE, Layout, MANIFEST_TYPE, Manifest,
};
use crate::{PLUGIN, blob_path, digest};
use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::GzDecoder;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::Read;

type Files = BTreeMap<String, Vec<u8>>;

/// What is in an archive.
#[derive(Debug, PartialEq)]
pub struct Image {
    /// The manifest's: `sha256:…`. Without its prefix it is `WasmPlugin.spec.sha256`.
    pub digest: String,
    /// `plugin.wasm`.
    pub module: Vec<u8>,
}

/// Reads an archive, and follows every reference in it.
///
/// # Errors
/// If anything is missing, superfluous, or not what it says it is.
pub fn read(archive: &[u8]) -> Result<Image> {
    let mut files = unpack(archive).context("the archive")?;
    let layout: Layout = document(&take(&mut files, "oci-layout")?).context("oci-layout")?;
    ensure!(layout == Layout::current(), "oci-layout: version {}", layout.image_layout_version);
    let index: Index = document(&take(&mut files, "index.json")?).context("index.json")?;
    let docker: Vec<DockerImage> = document(&take(&mut files, "manifest.json")?).context("manifest.json")?;

    ensure!(index.schema_version == 2 && index.media_type == INDEX_TYPE, "index.json: it is no index");
    let described = only(&index.manifests).context("index.json: manifests")?;
    let manifest: Manifest = document(&blob(&mut files, described, MANIFEST_TYPE)?).context("the manifest")?;
    ensure!(manifest.schema_version == 2 && manifest.media_type == MANIFEST_TYPE, "the manifest: it is none");
    let config: Config = document(&blob(&mut files, &manifest.config, CONFIG_TYPE)?).context("the configuration")?;
    let layer = only(&manifest.layers).context("the manifest: layers")?;
    let layer_files = gunzip(&blob(&mut files, layer, LAYER_TYPE)?).context("the layer")?;
    ensure!(files.is_empty(), "nobody refers to {:?}", files.keys());

    ensure!((&*config.os, &*config.architecture) == ("linux", "amd64"), "the configuration: Istio takes linux/amd64");
    let is_layers = config.rootfs.kind == "layers" && config.rootfs.diff_ids == [digest(&layer_files)];
    ensure!(is_layers, "the configuration: rootfs is not the layer");
    let docker = only(&docker).context("manifest.json: images")?;
    let same = docker.config == blob_path(&manifest.config.digest) && docker.layers == [blob_path(&layer.digest)];
    ensure!(same, "manifest.json: docker would load another image");

    Ok(Image { digest: described.digest.clone(), module: plugin(&layer_files).context("the layer")? })
}

/// The one file of the layer.
fn plugin(layer: &[u8]) -> Result<Vec<u8>> {
    let mut files = unpack(layer)?;
    let module = take(&mut files, PLUGIN)?;
    ensure!(files.is_empty(), "{:?} beside {PLUGIN}", files.keys());
    ensure!(module.starts_with(b"\0asm"), "{PLUGIN} is no WebAssembly");
    Ok(module)
}

/// The blob that a descriptor speaks of. It is taken out: what is left in the end was never spoken of.
fn blob(files: &mut Files, described: &Descriptor, media_type: &str) -> Result<Vec<u8>> {
    ensure!(described.media_type == media_type, "{} where {media_type} belongs", described.media_type);
    let blob = take(files, &blob_path(&described.digest))?;
    ensure!(blob.len() == described.size, "{} has not the size that is said", described.digest);
    ensure!(digest(&blob) == described.digest, "{} has another content", described.digest);
    Ok(blob)
}

fn take(files: &mut Files, path: &str) -> Result<Vec<u8>> {
    files.remove(path).with_context(|| format!("{path} is missing"))
}

fn document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(bytes)?)
}

fn only<T>(list: &[T]) -> Result<&T> {
    match list {
        [one] => Ok(one),
        _ => bail!("{} where there has to be one", list.len()),
    }
}

fn unpack(archive: &[u8]) -> Result<Files> {
    let mut files = Files::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        ensure!(entry.header().entry_type().is_file(), "{path} is no file");
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        ensure!(files.insert(path.clone(), content).is_none(), "{path} is there twice");
    }
    Ok(files)
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut gzip = GzDecoder::new(bytes);
    gzip.read_to_end(&mut content)?;
    ensure!(gzip.into_inner().is_empty(), "something follows the gzip stream");
    Ok(content)
}
