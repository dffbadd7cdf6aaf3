//! Packs a module, reads the archive back from the disk, and prints the image's digest.
//!
//! Must never know: what makes an image right (`read`), or how one is made (`write`).

use anyhow::{Context, Result, ensure};
use clap::Parser;
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
    println!("{}", image.digest);
    Ok(())
}
