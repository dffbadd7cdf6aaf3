//! From an archive back to the module, if nothing about the archive is wrong.
//!
//! Stricter than Istio, which takes the first `plugin.wasm` of the last layer: here there is one layer with one file. Stricter
//! than `oci-spec`, which passes over fields: here a document has to be the one that this crate would write of the same blobs,
//! JSON value for JSON value. What says more, this crate cannot call right.

use crate::documents::{self, DockerImage, Named};
use crate::{PLUGIN, blob_path, digest};
use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::GzDecoder;
use oci_spec::image::{
    Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, OciLayout, Os, SCHEMA_VERSION,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
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
    check_layout(&take(&mut files, "oci-layout")?).context("oci-layout")?;
    let index = take(&mut files, "index.json")?;
    let described = described_image(&index).context("index.json")?;
    let manifest = blob(&mut files, &described, MediaType::ImageManifest)?;
    let (described_config, described_layer) = described_parts(&manifest).context("the manifest")?;
    let config = blob(&mut files, &described_config, MediaType::ImageConfig)?;
    let layer = blob(&mut files, &described_layer, MediaType::ImageLayerGzip)?;
    let layer_files = gunzip(&layer).context("the layer")?;
    let docker = take(&mut files, "manifest.json")?;
    ensure!(files.is_empty(), "nobody refers to {:?}", files.keys());

    let names = document::<Named>(&index).context("index.json")?.names();
    says_only(&index, &documents::index(&manifest, names.as_ref())?).context("index.json")?;
    says_only(&manifest, &documents::manifest(&config, &layer)?).context("the manifest")?;
    check_config(&config, &layer_files).context("the configuration")?;
    check_docker(&docker, &described_config, &described_layer).context("manifest.json")?;
    Ok(Image { digest: described.digest().to_string(), module: plugin(&layer_files).context("the layer")? })
}

fn check_layout(bytes: &[u8]) -> Result<()> {
    let (layout, current) = (document::<OciLayout>(bytes)?, documents::layout()?);
    ensure!(layout == current, "version {}", layout.image_layout_version());
    says_only(bytes, &current)
}

fn described_image(index: &[u8]) -> Result<Descriptor> {
    let index: ImageIndex = document(index)?;
    let is_index = index.schema_version() == SCHEMA_VERSION && *index.media_type() == Some(MediaType::ImageIndex);
    ensure!(is_index, "it is no index");
    only(index.manifests()).context("manifests").cloned()
}

/// The configuration and the layer.
fn described_parts(manifest: &[u8]) -> Result<(Descriptor, Descriptor)> {
    let it: ImageManifest = document(manifest)?;
    let is_manifest = it.schema_version() == SCHEMA_VERSION && *it.media_type() == Some(MediaType::ImageManifest);
    ensure!(is_manifest, "it is none");
    Ok((it.config().clone(), only(it.layers()).context("layers")?.clone()))
}

fn check_config(bytes: &[u8], layer_files: &[u8]) -> Result<()> {
    let config: ImageConfiguration = document(bytes)?;
    ensure!((config.os(), config.architecture()) == (&Os::Linux, &Arch::Amd64), "Istio takes linux/amd64");
    let expected = documents::config(layer_files)?;
    ensure!(config.rootfs() == expected.rootfs(), "rootfs is not the layer");
    says_only(bytes, &expected)
}

fn check_docker(bytes: &[u8], config: &Descriptor, layer: &Descriptor) -> Result<()> {
    let images: Vec<DockerImage> = document(bytes)?;
    let image = only(&images).context("images")?;
    let [config, layer] = [config, layer].map(|described| blob_path(described.digest().as_ref()));
    ensure!(image.config == config && image.layers == [layer], "docker would load another image");
    Ok(())
}

/// Whether a document is what was understood of it.
fn says_only(bytes: &[u8], understood: &impl Serialize) -> Result<()> {
    compare(&document(bytes)?, &serde_json::to_value(understood)?)
}

fn compare(read: &Value, understood: &Value) -> Result<()> {
    match (read, understood) {
        (Value::Object(read), Value::Object(understood)) => {
            for (field, value) in read {
                compare(value, understood.get(field).with_context(|| format!("unknown field `{field}`"))?)?;
            }
            let missing = understood.keys().find(|field| !read.contains_key(*field));
            missing.map_or(Ok(()), |field| bail!("missing field `{field}`"))
        }
        (Value::Array(read), Value::Array(understood)) if read.len() == understood.len() => {
            read.iter().zip(understood).try_for_each(|(read, understood)| compare(read, understood))
        }
        _ => {
            ensure!(read == understood, "{read} where {understood} belongs");
            Ok(())
        }
    }
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
fn blob(files: &mut Files, described: &Descriptor, media_type: MediaType) -> Result<Vec<u8>> {
    ensure!(*described.media_type() == media_type, "{} where {media_type} belongs", described.media_type());
    let name = described.digest().as_ref();
    let blob = take(files, &blob_path(name))?;
    ensure!(u64::try_from(blob.len())? == described.size(), "{name} has not the size that is said");
    ensure!(digest(&blob) == name, "{name} has another content");
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
