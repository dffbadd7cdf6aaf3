//! The harness as a program: the regions of `envoy/envoy.yaml` for people, one region for tests.
//!
//! Must never know: how a region works.

use anyhow::Result;
use clap::{Parser, Subcommand};
use test_harness::bootstrap::Bootstrap;
use test_harness::region::server;

#[derive(Parser)]
#[command(about = "What proves greatcircle: regions to steer to.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves every region of envoy/envoy.yaml on its port, until Ctrl-C.
    Regions,
    /// Serves one region and obeys the test at the other end of the pipe. Ends with its stdin.
    #[command(hide = true)]
    Region {
        #[arg(long)]
        name: String,
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Region { name, port } => server::serve_and_obey(&name, port).await,
        Command::Regions => {
            let mut servers = Vec::new();
            for region in Bootstrap::from_file()?.regions()? {
                servers.push(server::serve(&region.name, region.port)?);
                println!("{:<14} http://127.0.0.1:{}", region.name, region.port);
            }
            Ok(tokio::signal::ctrl_c().await?)
        }
    }
}
