//! Packs a module, reads the archive back from the disk, and prints the image's digest. How to push it goes to stderr.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use oci_image::{NAME, TAG};
use std::fs;
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Makes the OCI image that Istio pulls, and prints its digest.")]
struct Arguments {
    /// The module, as ./build.sh wasm leaves it.
    module: PathBuf,
    /// The archive to write: an OCI layout in a tar.
    archive: PathBuf,
}

fn main() -> Result<()> {
    let Arguments { module, archive } = Arguments::parse();
    let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    // Nothing with the final name is there until it has been read back.
    let partial = archive.with_extension("partial");
    fs::write(&partial, oci_image::write(&module)?).with_context(|| format!("cannot write {}", partial.display()))?;
    let image = oci_image::read(&fs::read(&partial)?).context("the image that was just written is not right")?;
    ensure!(image.module == module, "the image that was just written has another module in it");
    fs::rename(&partial, &archive).with_context(|| format!("cannot write {}", archive.display()))?;
    eprintln!("{}", how_to_push(&archive.display().to_string(), &image.digest));
    println!("{}", image.digest);
    Ok(())
}

fn how_to_push(archive: &str, digest: &str) -> String {
    let sha256 = digest.trim_start_matches("sha256:");
    format!(
        "An OCI layout with one image in it. Push it with one of these, which keep its digest:

  skopeo copy --preserve-digests oci-archive:{archive} docker://REGISTRY/{NAME}:VERSION
  oras cp --from-oci-layout {archive}@{digest} REGISTRY/{NAME}:VERSION
  mkdir image && tar -xf {archive} -C image && crane push image REGISTRY/{NAME}:VERSION

(docker load -i {archive} works too, and calls it {NAME}:{TAG}. Then pin the digest that docker push prints: docker's
older image store, the default before 29, compresses anew.)
In the WasmPlugin: url: oci://REGISTRY/{NAME}:VERSION, and sha256: {sha256}"
    )
}
