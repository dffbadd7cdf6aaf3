//! The harness as a program: the demo, the regions of `envoy/envoy.yaml` for people, one region for tests.

mod demo;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use test_harness::bootstrap::Bootstrap;
use test_harness::istio::{Recording, chart};
use test_harness::region::server;

#[derive(Parser)]
#[command(about = "What proves greatcircle: regions to steer to, and a demo.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A tour: who is served where, who is believed, and a region that dies under load. Then everything stays up until Ctrl-C.
    Demo {
        /// Ends after the tour. The exit status is 0 only if everything it showed was right.
        #[arg(long)]
        once: bool,
    },
    /// Serves every region of envoy/envoy.yaml on its port, until Ctrl-C.
    Regions,
    /// Writes what the chart makes of the values in istio/examples, with the helm that $HELM names.
    #[command(hide = true)]
    Manifests,
    /// Records what the gateways of a real mesh have, to which an example was applied: see test-harness/recordings/README.md.
    Record {
        /// The name of the example.
        example: String,
        /// A region, and where its gateway's admin interface is: eu-west=http://127.0.0.1:15000
        #[arg(required = true, value_name = "REGION=URL", value_parser = gateway)]
        gateways: Vec<(String, String)>,
    },
    /// Serves one region and obeys the test at the other end of the pipe. Ends with its stdin.
    #[command(hide = true)]
    Region {
        #[arg(long)]
        name: String,
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo { once } => demo::run(once),
        Command::Region { name, port } => serve(server::serve_and_obey(&name, port)),
        Command::Regions => serve(regions()),
        Command::Record { example, gateways } => {
            Recording::of_gateways(&example, &gateways).and_then(|it| it.write()).map(|()| ExitCode::SUCCESS)
        }
        Command::Manifests => chart::write_examples().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("test-harness: {error:#}");
        ExitCode::FAILURE
    })
}

fn gateway(argument: &str) -> Result<(String, String)> {
    let (region, url) = argument.split_once('=').context("REGION=URL")?;
    Ok((region.into(), url.trim_end_matches('/').into()))
}

fn serve(server: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(server).map(|()| ExitCode::SUCCESS)
}

async fn regions() -> Result<()> {
    let mut servers = Vec::new();
    for region in Bootstrap::from_file()?.regions()? {
        let server = server::serve(&region.name, region.port);
        servers.push(server.context("end whatever listens there, perhaps another `test-harness regions`")?);
        println!("{:<14} http://127.0.0.1:{}", region.name, region.port);
    }
    Ok(tokio::signal::ctrl_c().await?)
}
