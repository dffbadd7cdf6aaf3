//! The JSON documents of an image, as this crate writes them and as it wants to read them.
//!
//! What the OCI image specification 1.1 names comes from `oci-spec`; `manifest.json` is `docker load`'s own.

use crate::digest;
use anyhow::Result;
use oci_spec::image::{
    ANNOTATION_REF_NAME, Arch, Config, Descriptor, DescriptorBuilder, Digest, ImageConfiguration,
    ImageConfigurationBuilder, ImageIndex, ImageIndexBuilder, ImageManifest, ImageManifestBuilder, MediaType,
    OciLayout, OciLayoutBuilder, Os, RootFsBuilder, SCHEMA_VERSION,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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

/// `index.json`. Tools find the image in it by its tag.
pub(crate) fn index(manifest: &[u8], tag: Option<String>) -> Result<ImageIndex> {
    let mut described = descriptor(MediaType::ImageManifest, manifest)?;
    described.set_annotations(tag.map(|tag| HashMap::from([(ANNOTATION_REF_NAME.into(), tag)])));
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

/// The tags in `index.json`: `oci-spec` reads annotations as a map, where one of two with the same name would be lost.
#[derive(Deserialize)]
pub(crate) struct Tags {
    manifests: Vec<Tagged>,
}

#[derive(Deserialize)]
struct Tagged {
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    tag: String,
}

impl Tags {
    /// The first.
    pub(crate) fn tag(self) -> Option<String> {
        self.manifests.into_iter().find_map(|manifest| manifest.annotations).map(|annotations| annotations.tag)
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
