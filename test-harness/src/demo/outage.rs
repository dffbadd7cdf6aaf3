//! The last part of the tour: a region dies under load and comes back. Measured here, judged in `findings`.

use super::budget::Probing;
use super::gauges::healths;
use super::watch::Watch;
use anyhow::Result;
use greatcircle::health::Health;
use std::time::Duration;
use test_harness::{Place, Report, World};

/// Requests per second.
pub(super) const RATE: u32 = 200;

/// What is watched before, between and after: long enough to show that nothing moves.
const CALM: Duration = Duration::from_secs(2);

/// A region's death and return, and what became of every request meanwhile. Times are on the clock of the load.
pub(super) struct Outage {
    pub(super) died: Duration,
    /// When it listened again.
    pub(super) revived: Duration,
    pub(super) report: Report,
}

impl Outage {
    /// Kills `region` under load from `city`, restarts it when the gateway knows, and stops when the gateway knows that too.
    ///
    /// # Errors
    /// If Envoy is gone, or the demo is to end.
    pub(super) fn live_through(
        world: &World,
        region: &str,
        city: Place,
        probing: &Probing,
        watch: &Watch,
    ) -> Result<Self> {
        let load = world.load().from(city).rate(RATE).start();
        watch.spend("steady load", CALM)?;

        let died = load.elapsed();
        world.region(region).kill();
        let down = || noticed(world, region, Health::Down);
        watch.until(&format!("{region} is dead, its traffic leaves"), probing.to_leave(), down)?;
        watch.spend(&format!("steady load without {region}"), CALM)?;

        world.region(region).restart();
        let revived = load.elapsed();
        let up = || noticed(world, region, Health::Up);
        watch.until(&format!("{region} runs, its traffic returns"), probing.to_return(), up)?;
        watch.spend("steady load", CALM)?;
        Ok(Self { died, revived, report: load.stop() })
    }
}

fn noticed(world: &World, region: &str, health: Health) -> Result<Option<()>> {
    Ok((healths(world)?.get(region) == Some(&health)).then_some(()))
}
