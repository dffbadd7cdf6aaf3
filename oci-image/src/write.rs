//! From a module to an archive: always the same bytes for the same module.
//!
//! No time, no owner, no name of a machine gets in, and gzip's parameters are fixed.

use crate::documents::{self, DockerImage, Names};
use crate::{NAME, PLUGIN, TAG, blob_path, digest};
use anyhow::Result;
use flate2::{Compression, GzBuilder};
use std::io::Write;

/// The archive for this module. The image's digest depends on the module alone; its names stand beside the image.
///
/// # Errors
/// None in practice: the writers underneath write to memory.
pub fn write(module: &[u8]) -> Result<Vec<u8>> {
    let files = archive(&[(PLUGIN.to_owned(), module.to_owned())])?;
    let layer = gzip(&files)?;
    let config = serde_json::to_vec(&documents::config(&files)?)?;
    let manifest = serde_json::to_vec(&documents::manifest(&config, &layer)?)?;
    // A value's fields are in order. The annotations of an index are a hash map, which is in another one each time.
    let index = serde_json::to_value(documents::index(&manifest, Some(&Names::ours()))?)?;
    let docker = DockerImage {
        config: blob_path(&digest(&config)),
        repo_tags: vec![format!("{NAME}:{TAG}")],
        layers: vec![blob_path(&digest(&layer))],
    };
    archive(&[
        ("oci-layout".into(), serde_json::to_vec(&documents::layout()?)?),
        ("index.json".into(), serde_json::to_vec(&index)?),
        ("manifest.json".into(), serde_json::to_vec(&[docker])?),
        (blob_path(&digest(&manifest)), manifest),
        (blob_path(&digest(&config)), config),
        (blob_path(&digest(&layer)), layer),
    ])
}

/// A tar of files that belong to root, are readable for all, and are as old as Unix.
fn archive(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_slice())?;
    }
    Ok(archive.into_inner()?)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}
