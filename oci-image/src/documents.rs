//! The JSON documents of an image, as this crate writes them and as it wants to read them.
//!
//! What the OCI image specification 1.1 names comes from `oci-spec`; `manifest.json` is `docker load`'s own.

use crate::{NAME, TAG, digest};
use anyhow::Result;
use oci_spec::image::{
    Arch, Config, Descriptor, DescriptorBuilder, Digest, ImageConfiguration, ImageConfigurationBuilder, ImageIndex,
    ImageIndexBuilder, ImageManifest, ImageManifestBuilder, MediaType, OciLayout, OciLayoutBuilder, Os, RootFsBuilder,
    SCHEMA_VERSION,
};
use serde::{Deserialize, Serialize};

/// `oci-layout`.
pub(crate) fn layout() -> Result<OciLayout> {
    Ok(OciLayoutBuilder::default().image_layout_version("1.0.0").build()?)
}

/// The image's configuration: the layer's digest before compression, and nothing to run.
pub(crate) fn config(layer_files: &[u8]) -> Result<ImageConfiguration> {
    let rootfs = RootFsBuilder::default().typ("layers").diff_ids([digest(layer_files)]).build()?;
    Ok(ImageConfigurationBuilder::default()
        // Istio takes the linux/amd64 image wherever it runs; the module itself does not care.
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(Config::default()) // `{}`, which docker needs to be there
        .rootfs(rootfs)
        .build()?)
}

/// The image: its digest is the image's.
pub(crate) fn manifest(config: &[u8], layer: &[u8]) -> Result<ImageManifest> {
    Ok(ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(MediaType::ImageConfig, config)?)
        .layers([descriptor(MediaType::ImageLayerGzip, layer)?])
        .build()?)
}

/// `index.json`. Tools find the image in it by its names.
pub(crate) fn index(manifest: &[u8], names: Option<&Names>) -> Result<ImageIndex> {
    let mut described = descriptor(MediaType::ImageManifest, manifest)?;
    let annotations = names.map(|names| serde_json::from_value(serde_json::to_value(names)?)).transpose()?;
    described.set_annotations(annotations);
    Ok(ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests([described])
        .build()?)
}

/// A blob, as others refer to it.
fn descriptor(media_type: MediaType, blob: &[u8]) -> Result<Descriptor> {
    let digest: Digest = digest(blob).parse()?;
    Ok(DescriptorBuilder::default().media_type(media_type).digest(digest).size(u64::try_from(blob.len())?).build()?)
}

/// What the image is called in `index.json`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Names {
    /// The tag alone: whoever copies the image says where to.
    #[serde(rename = "org.opencontainers.image.ref.name")]
    tag: String,
    /// The whole name, for containerd's image store, which is docker's by default since its version 29. Without it that store
    /// takes the tag for a name, and docker does not find the image again.
    #[serde(rename = "io.containerd.image.name", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Names {
    pub(crate) fn ours() -> Self {
        Self { tag: TAG.into(), name: Some(format!("docker.io/library/{NAME}:{TAG}")) }
    }
}

/// The names in `index.json`: `oci-spec` reads annotations as a map, where one of two with the same name would be lost.
#[derive(Deserialize)]
pub(crate) struct Named {
    manifests: Vec<NamedManifest>,
}

#[derive(Deserialize)]
struct NamedManifest {
    annotations: Option<Names>,
}

impl Named {
    /// The first's.
    pub(crate) fn names(self) -> Option<Names> {
        self.manifests.into_iter().find_map(|manifest| manifest.annotations)
    }
}

/// An element of `manifest.json`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    pub(crate) config: String,
    pub(crate) repo_tags: Vec<String>,
    pub(crate) layers: Vec<String>,
}
