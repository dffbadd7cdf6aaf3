//! The image is the module and nothing else, its bytes never change by themselves, and whatever is wrong is refused.

mod forgery;

use forgery::{SOUND, compressed, config, docker, files, index, layer, link, manifest, tar, untar};
use oci_image::{NAME, PLUGIN, TAG, read, write};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const NOBODYS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const MODULE: &[u8] = b"\0asm\x01\0\0\0 and whatever follows";

#[test]
fn what_is_written_is_read_back() {
    let archive = write(MODULE).unwrap();
    assert_eq!(read(&archive).unwrap().module, MODULE);
    assert_eq!(untar(&archive).len(), 6, "three documents for tools, three blobs");
}

/// Who pins a digest has to get it again: from any machine, at any time. If a library underneath begins to compress
/// in another way, this says so, and the changelog has to.
#[test]
fn the_digest_of_a_module_is_the_same_for_ever() {
    let digest = read(&write(MODULE).unwrap()).unwrap().digest;
    assert_eq!(digest, "sha256:c9c26d43d38b5f9d4f189c653fff46147780b66b73fc002df33d542708ce30cf");
}

#[test]
fn the_archive_of_a_module_is_always_the_same() {
    let archive = write(MODULE).unwrap();
    assert!((0..16).all(|_| write(MODULE).unwrap() == archive));
}

#[test]
fn an_archive_from_elsewhere_is_read_too() {
    let tag_alone = index(|it| it["manifests"][0]["annotations"] = json!({"org.opencontainers.image.ref.name": "1"}));
    for fault in [SOUND, tag_alone] {
        assert_eq!(read(&forgery::archive(MODULE, fault)).unwrap().module, MODULE);
    }
}

#[test]
fn tools_find_the_image_by_its_names() {
    let files = untar(&write(MODULE).unwrap());
    let document = |path: &str| serde_json::from_slice::<Value>(&files[path]).unwrap();
    let annotations = json!({
        "org.opencontainers.image.ref.name": TAG,
        "io.containerd.image.name": format!("docker.io/library/{NAME}:{TAG}"),
    });
    assert_eq!(document("index.json")["manifests"][0]["annotations"], annotations);
    assert_eq!(document("manifest.json")[0]["RepoTags"], json!([format!("{NAME}:{TAG}")]));
}

#[test]
fn a_wrong_image_is_refused_and_the_fault_is_named() {
    let faults = [
        (r#"["notes.txt"] beside plugin.wasm"#, layer(|it| *it = tar(&[(PLUGIN, MODULE), ("notes.txt", b"")]))),
        ("plugin.wasm is there twice", layer(|it| *it = tar(&[(PLUGIN, MODULE), (PLUGIN, MODULE)]))),
        ("plugin.wasm is missing", layer(|it| *it = tar(&[("greatcircle.wasm", MODULE)]))),
        ("plugin.wasm is missing", layer(|it| *it = tar(&[]))),
        ("plugin.wasm is no file", layer(|it| *it = link(PLUGIN, "/etc/passwd"))),
        ("plugin.wasm is no WebAssembly", layer(|it| *it = tar(&[(PLUGIN, b"#!/bin/sh")]))),
        ("the layer: invalid gzip header", compressed(|it| *it = tar(&[(PLUGIN, MODULE)]))),
        ("the layer: something follows the gzip stream", compressed(|it| it.extend(b"more"))),
        ("the layer: incomplete deflate stream", compressed(|it| it.truncate(it.len() - 9))),
        ("Istio takes linux/amd64", config(|it| it["architecture"] = "arm64".into())),
        ("Istio takes linux/amd64", config(|it| it["os"] = "wasi".into())),
        ("rootfs is not the layer", config(|it| it["rootfs"]["diff_ids"] = json!(["sha256:00"]))),
        ("rootfs is not the layer", config(|it| it["rootfs"]["type"] = "none".into())),
        ("unknown field `Cmd`", config(|it| it["config"]["Cmd"] = json!(["/plugin.wasm"]))),
        ("missing field `config`", config(|it| drop(it.as_object_mut().unwrap().remove("config")))),
        ("unknown field `created`", config(|it| it["created"] = "2026-01-01T00:00:00Z".into())),
        (
            "layers: 2 where there has to be one",
            manifest(|it| it["layers"] = json!([it["layers"][0], it["layers"][0]])),
        ),
        ("layers: 0 where there has to be one", manifest(|it| it["layers"] = json!([]))),
        (
            "tar+zstd where application/vnd.oci.image.layer.v1.tar+gzip belongs",
            manifest(|it| it["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd".into()),
        ),
        ("has not the size that is said", manifest(|it| it["layers"][0]["size"] = json!(1))),
        ("Invalid digest length 2", manifest(|it| it["layers"][0]["digest"] = "sha256:00".into())),
        ("blobs/sha256/0000000000000000", manifest(|it| it["layers"][0]["digest"] = NOBODYS.into())),
        ("unknown field `urls`", manifest(|it| it["layers"][0]["urls"] = json!(["https://example.com"]))),
        (
            "json where application/vnd.oci.image.config.v1+json belongs",
            manifest(|it| {
                it["config"]["mediaType"] = "application/json".into();
            }),
        ),
        ("the manifest: it is none", manifest(|it| it["mediaType"] = "application/json".into())),
        ("the manifest: it is none", manifest(|it| it["schemaVersion"] = json!(1))),
        ("missing field `mediaType`", manifest(|it| it["subject"] = json!({}))),
        ("unknown field `subject`", manifest(|it| it["subject"] = it["config"].clone())),
        ("unknown field `annotations`", manifest(|it| it["annotations"] = json!({}))),
        ("unknown field `ours`", manifest(|it| it["ours"] = json!(null))),
        (
            "image.index.v1+json where application/vnd.oci.image.manifest.v1+json belongs",
            index(|it| it["manifests"][0]["mediaType"] = "application/vnd.oci.image.index.v1+json".into()),
        ),
        ("manifests: 2 where", index(|it| it["manifests"] = json!([it["manifests"][0], it["manifests"][0]]))),
        ("missing field `architecture`", index(|it| it["manifests"][0]["platform"] = json!({"os": "unknown"}))),
        (
            "unknown field `platform`",
            index(|it| it["manifests"][0]["platform"] = json!({"os": "linux", "architecture": "amd64"})),
        ),
        ("unknown field `note`", index(|it| it["manifests"][0]["annotations"] = json!({"note": "x"}))),
        (
            "duplicate field `org.opencontainers.image.ref.name`",
            files(|it| {
                let tag = r#""org.opencontainers.image.ref.name":"1""#;
                let index = String::from_utf8(it.remove("index.json").unwrap()).unwrap();
                let index = index.replace(r#""digest""#, &format!(r#""annotations":{{{tag},{tag}}},"digest""#));
                it.insert("index.json".into(), index.into());
            }),
        ),
        ("unknown field `annotations`", index(|it| it["annotations"] = json!({}))),
        ("index.json: it is no index", index(|it| drop(it.as_object_mut().unwrap().remove("mediaType")))),
        ("index.json: it is no index", index(|it| it["mediaType"] = "application/json".into())),
        ("docker would load another image", docker(|it| it[0]["Config"] = "blobs/sha256/00".into())),
        ("docker would load another image", docker(|it| it[0]["Layers"] = json!([]))),
        ("manifest.json: images: 0 where there has to be one", docker(|it| *it = json!([]))),
        (
            "oci-layout: version 2.0.0",
            files(|it| {
                it.insert("oci-layout".into(), br#"{"imageLayoutVersion": "2.0.0"}"#.into());
            }),
        ),
        (
            "oci-layout: unknown field `ours`",
            files(|it| {
                it.insert("oci-layout".into(), br#"{"imageLayoutVersion": "1.0.0", "ours": 1}"#.into());
            }),
        ),
        ("oci-layout is missing", files(|it| drop(it.remove("oci-layout")))),
        ("index.json is missing", files(|it| drop(it.remove("index.json")))),
        ("manifest.json is missing", files(|it| drop(it.remove("manifest.json")))),
        (r#"nobody refers to ["blobs/sha256/ff"]"#, files(|it| drop(it.insert("blobs/sha256/ff".into(), vec![])))),
        (
            "has another content",
            files(|it| {
                // The byte that names the operating system: nothing but the digest sees it.
                it.values_mut().filter(|blob| blob.starts_with(b"\x1f\x8b")).for_each(|gzip| gzip[9] ^= 1);
            }),
        ),
    ];
    for (expected, fault) in faults {
        let refused = read(&forgery::archive(MODULE, fault)).expect_err(expected);
        assert!(format!("{refused:#}").contains(expected), "expected {expected:?}, got \"{refused:#}\"");
    }
}

/// Damage on the way: every byte of every file in the archive.
#[test]
fn a_damaged_archive_never_yields_another_image() {
    let archive = write(MODULE).unwrap();
    let image = read(&archive).unwrap();
    for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
        let entry = entry.unwrap();
        let start = usize::try_from(entry.raw_file_position()).unwrap();
        for position in start..start + usize::try_from(entry.size()).unwrap() {
            let mut damaged = archive.clone();
            damaged[position] ^= 1;
            // The tags may be damaged: they are no part of the image.
            assert!(read(&damaged).is_ok_and(|read| read == image) || read(&damaged).is_err(), "byte {position}");
        }
    }
}

#[test]
fn the_program_packs_the_module_that_is_shipped_and_says_the_digest() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/greatcircle.wasm");
    let shipped = fs::read(&module).expect("./build.sh wasm makes it");
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("image.tar");
    let output = pack(&module, &archive);
    assert!(output.status.success(), "{output:?}");
    let image = read(&fs::read(&archive).unwrap()).unwrap();
    assert!(image.module == shipped);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", image.digest));
}

#[test]
fn the_program_leaves_no_archive_that_is_not_right() {
    let directory = tempfile::tempdir().unwrap();
    let [module, archive] = ["module.wasm", "image.tar"].map(|name| directory.path().join(name));
    fs::write(&module, "not a module").unwrap();
    let output = pack(&module, &archive);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(!archive.exists());
}

fn pack(module: &Path, archive: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oci-image")).args([module, archive]).output().unwrap()
}
