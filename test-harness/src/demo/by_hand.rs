//! After the tour: the world stays up for the person to play with, and what happens to it is told as it happens.

use super::atlas::place_of;
use super::gauges::healths;
use super::internet::SECRET;
use super::interrupt::Interrupted;
use super::watch::Watch;
use anyhow::Result;
use greatcircle::health::Health;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use test_harness::places::SUVA;
use test_harness::{Region, World};

/// A region that was killed by hand is started again after this long: time enough to see its traffic leave.
const ABSENCE: Duration = Duration::from_secs(20);

const LOOK: Duration = Duration::from_millis(250);

/// Addresses, processes, and lines to paste.
pub(super) fn invitation(world: &World, internet: SocketAddr) -> String {
    let (gateway, admin) = (world.address(), world.envoy().admin_address());
    let id = |region| world.region(region).process_id().map_or("PID".into(), |id| id.to_string());
    let (oceania, ap_northeast) = (id("oceania"), id("ap-northeast"));
    let suva = suva();
    let regions: Vec<_> = world.regions().iter().map(address).collect();
    format!(
        "   gateway       Envoy      http://{gateway}  admin http://{admin}
   internet      Envoy      http://{internet}
{}

   A client in Suva: the region answers with the request that it saw. Then the decision alone:
     curl -i {suva} http://{gateway}/
     curl -s {suva} http://{gateway}/ \\
       | grep -o 'region=[^\"]*'
   A client whose place is not known is served as if it stood where the gateway does:
     curl -s http://{gateway}/ | grep -o 'region=[^\"]*'
{}
   Sydney dies, and is started again {ABSENCE:?} later; Tokyo hangs for {ABSENCE:?}:
     kill -9 {oceania}
     kill -STOP {ap_northeast}; sleep {}; kill -CONT {ap_northeast}
   What the gateway counts, as Prometheus reads it:
     curl -s http://{admin}/stats/prometheus | grep ^greatcircle

   Ctrl-C ends Envoy and the regions. What happens to them until then:",
        regions.join("\n"),
        on_the_internet(internet),
        ABSENCE.as_secs(),
    )
}

/// Lines to paste for clients of the gateway on the internet.
fn on_the_internet(gateway: SocketAddr) -> String {
    let (suva, (header, secret)) = (suva(), SECRET);
    let decision = format!("http://{gateway}/ | grep -o 'region=[^\"]*'");
    format!(
        "   On the internet, by address: looked up or cached, in a network that is known, known to nobody:
     curl -s -H 'x-forwarded-for: 45.10.20.30' {decision}
     curl -s -H 'x-forwarded-for: 10.20.30.40' {decision}
     curl -s -H 'x-forwarded-for: 45.1.2.3' {decision}
   On the internet, from Suva: once through the edge, once a liar without its secret:
     curl -s {suva} \\
       -H '{header}: {secret}' {decision}
     curl -s {suva} \\
       -H 'x-forwarded-for: 45.50.60.7' {decision}"
    )
}

fn suva() -> String {
    format!("-H 'x-geo-latitude: {}' -H 'x-geo-longitude: {}'", SUVA.latitude, SUVA.longitude)
}

fn address(region: &Region) -> String {
    let place = place_of(region.name());
    format!("   {:<13} {place:<10} http://127.0.0.1:{:<6} {}", region.name(), region.port(), process(region))
}

fn process(region: &Region) -> String {
    region.process_id().map_or("dead".into(), |id| format!("pid {id}"))
}

/// Tells what happens to the regions, and starts those again that were killed. Ends with an error only.
///
/// # Errors
/// When the demo is to end, or Envoy is gone.
pub(super) fn keep_up(world: &World, watch: &Watch) -> Result<()> {
    let start = Instant::now();
    let mut watched: Vec<_> = world.regions().iter().map(Watched::new).collect();
    loop {
        watch.interrupt.pause(LOOK)?;
        let healths = healths(world)?;
        let news: Vec<_> = watched.iter_mut().flat_map(|region| region.look(&healths)).collect();
        // A terminal's Ctrl-C reaches the regions too, and that they end is no news then.
        if !news.is_empty() && watch.interrupt.asked() {
            return Err(Interrupted.into());
        }
        for news in news {
            watch.say(&format!("   {:>7.1} s  {news}", start.elapsed().as_secs_f64()))?;
        }
    }
}

/// A region as it was when last looked at.
struct Watched<'w> {
    region: &'w Region,
    died: Option<Instant>,
    health: Health,
}

impl<'w> Watched<'w> {
    fn new(region: &'w Region) -> Self {
        Self { region, died: None, health: Health::Up }
    }

    /// What has changed since.
    fn look(&mut self, healths: &BTreeMap<String, Health>) -> Vec<String> {
        let name = self.region.name();
        let (process, health) = (self.process_news(), self.health_news(healths.get(name).copied()));
        process.into_iter().chain(health).map(|news| format!("{name:<13} {news}")).collect()
    }

    fn process_news(&mut self) -> Option<String> {
        match (self.region.process_id(), self.died) {
            (None, None) => {
                self.died = Some(Instant::now());
                Some(format!("its process ended; it is started again in {ABSENCE:?}"))
            }
            (None, Some(died)) if died.elapsed() >= ABSENCE => {
                self.region.restart();
                self.died = None;
                Some(format!("runs again, {}", process(self.region)))
            }
            _ => None,
        }
    }

    fn health_news(&mut self, health: Option<Health>) -> Option<String> {
        let health = health.unwrap_or(Health::Unknown);
        let before = std::mem::replace(&mut self.health, health);
        (health != before).then(|| match health {
            Health::Up => "is up: its requests come back".into(),
            Health::Down => "is down: its requests go to the next nearest region".into(),
            Health::Unknown => "is unknown".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_to_paste_fit_the_screen() {
        let lines = on_the_internet(([127, 0, 0, 1], 65_535).into());
        assert!(lines.lines().all(|line| line.chars().count() <= 100), "{lines}");
        assert_eq!(lines.matches("http://127.0.0.1:65535/ | grep -o 'region=[^\"]*'").count(), 5);
    }
}
