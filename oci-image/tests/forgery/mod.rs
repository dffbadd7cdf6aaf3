//! A second way to make an archive, by hand, in which one thing is wrong and every digest around it is right.

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Changes one part before the digests of it are taken.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    layer: fn(&mut Vec<u8>),
    compressed: fn(&mut Vec<u8>),
    config: fn(&mut Value),
    manifest: fn(&mut Value),
    index: fn(&mut Value),
    docker: fn(&mut Value),
    files: fn(&mut Files),
}

pub(crate) const SOUND: Fault = Fault {
    layer: |_| (), // before compression
    compressed: |_| (),
    config: |_| (),
    manifest: |_| (),
    index: |_| (),
    docker: |_| (),
    files: |_| (),
};

pub(crate) fn layer(layer: fn(&mut Vec<u8>)) -> Fault {
    Fault { layer, ..SOUND }
}

pub(crate) fn compressed(compressed: fn(&mut Vec<u8>)) -> Fault {
    Fault { compressed, ..SOUND }
}

pub(crate) fn config(config: fn(&mut Value)) -> Fault {
    Fault { config, ..SOUND }
}

pub(crate) fn manifest(manifest: fn(&mut Value)) -> Fault {
    Fault { manifest, ..SOUND }
}

pub(crate) fn index(index: fn(&mut Value)) -> Fault {
    Fault { index, ..SOUND }
}

pub(crate) fn docker(docker: fn(&mut Value)) -> Fault {
    Fault { docker, ..SOUND }
}

pub(crate) fn files(files: fn(&mut Files)) -> Fault {
    Fault { files, ..SOUND }
}

/// An archive with this module, and with this fault.
pub(crate) fn archive(module: &[u8], fault: Fault) -> Vec<u8> {
    let mut layer = tar(&[("plugin.wasm", module)]);
    (fault.layer)(&mut layer);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&layer).unwrap();
    let mut compressed = gzip.finish().unwrap();
    (fault.compressed)(&mut compressed);

    let rootfs = json!({"type": "layers", "diff_ids": [format!("sha256:{}", digits(&layer))]});
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs});
    let config = broken(config, fault.config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &compressed)],
    });
    let manifest = broken(manifest, fault.manifest);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor("application/vnd.oci.image.manifest.v1+json", &manifest)],
    });
    let docker = json!([{"Config": path(&config), "RepoTags": ["a:b"], "Layers": [path(&compressed)]}]);

    let mut files = Files::from([
        ("oci-layout".into(), br#"{"imageLayoutVersion": "1.0.0"}"#.into()),
        ("index.json".into(), broken(index, fault.index)),
        ("manifest.json".into(), broken(docker, fault.docker)),
        (path(&config), config),
        (path(&manifest), manifest),
        (path(&compressed), compressed),
    ]);
    (fault.files)(&mut files);
    tar(&files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect::<Vec<_>>())
}

pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A tar with a symbolic link in it.
pub(crate) fn link(path: &str, target: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, path, target).unwrap();
    archive.into_inner().unwrap()
}

/// What is in an archive.
pub(crate) fn untar(archive: &[u8]) -> Files {
    let content = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().display().to_string(), content)
    };
    tar::Archive::new(archive).entries().unwrap().map(content).collect()
}

fn broken(mut document: Value, fault: fn(&mut Value)) -> Vec<u8> {
    fault(&mut document);
    document.to_string().into_bytes()
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", digits(blob)), "size": blob.len()})
}

fn path(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", digits(blob))
}

fn digits(blob: &[u8]) -> String {
    Sha256::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect()
}
