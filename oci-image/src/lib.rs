//! greatcircle as the OCI image that Istio pulls: `FROM scratch`, and one `COPY` of `plugin.wasm`.
//!
//! `write` makes the archive; `read` refuses every archive that Istio, or whoever looks for the module in it, could
//! misunderstand. They share the shape of the documents and nothing else. Bytes in, bytes out: no files, registries, clocks
//! or engines.
//!
//! The archive is an OCI image layout, and at the same time what `docker load` reads:
//!
//! ```text
//! oci-layout                 the layout's version
//! index.json                 what is in the layout: one image
//! manifest.json              the same, said to docker's older image store; the newer one reads index.json
//! blobs/sha256/<digest>      the manifest, the configuration, and the layer: a tar with plugin.wasm, gzipped
//! ```
//!
//! What Istio accepts is in its `pkg/wasm/imagefetcher.go`: the last layer has to be tar and gzip, with a file
//! `plugin.wasm`. `WasmPlugin.spec.sha256` is compared with the digest of the *manifest*, not of the module.

mod documents;
mod read;
mod write;

pub use read::{Image, read};
pub use write::write;

use sha2::{Digest, Sha256};

/// The file that Istio looks for in the layer.
pub const PLUGIN: &str = "plugin.wasm";
/// What the image is called before somebody pushes it under another name.
pub const NAME: &str = "greatcircle";
/// The tag, which is the version of this workspace.
pub const TAG: &str = env!("CARGO_PKG_VERSION");

/// `sha256:` and 64 hexadecimal digits.
fn digest(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{digits}")
}

/// Where the blob of this digest lies in the archive.
fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}
