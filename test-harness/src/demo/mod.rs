//! The demo: a tour through a world of twelve regions, then the world itself, to play with.
//!
//! In reading order:
//! - [`atlas`]: the map that answers are judged by
//! - [`visits`]: a request from each city, and whether it went where the map says; [`record`]: how a decision reads
//! - [`internet`]: a gateway that does not believe everybody; [`callers`]: its clients; [`calls`]: whether each was found as it
//!   should be
//! - [`outage`]: a region dies under load and comes back; [`findings`]: what that showed; [`budget`]: what it may take
//! - [`gauges`]: what the gateway believes meanwhile
//! - [`screen`]: what all this looks like
//! - [`by_hand`]: the world after the tour
//! - [`watch`], [`interrupt`]: the person in front of it
//!
//! What is printed is measured here and now; the exit status says whether it was right.

mod atlas;
mod budget;
mod by_hand;
mod callers;
mod calls;
mod findings;
mod gauges;
mod internet;
mod interrupt;
mod outage;
mod record;
mod screen;
mod visits;
mod watch;

use anyhow::{Result, bail};
use atlas::{CITIES, Neighbour, SITES, neighbours};
use budget::Probing;
use callers::CALLERS;
use calls::Call;
use findings::{Claim, Findings};
use gauges::healths;
use greatcircle::health::Health;
use interrupt::{Interrupt, Interrupted};
use outage::{Outage, RATE};
use std::process::ExitCode;
use std::time::Duration;
use test_harness::bootstrap::Bootstrap;
use test_harness::places::GENEVA;
use test_harness::{Place, World};
use visits::Visit;
use watch::Watch;

/// Where the load of the last part comes from.
const NEIGHBOURHOOD: Place = GENEVA;

/// The first probe of each region goes out with the gateway's first tick.
const FIRST_PROBES: Duration = Duration::from_secs(10);

/// What a shell expects of a program that Ctrl-C ended before it was done.
const INTERRUPTED: u8 = 130;

/// Runs the tour; without `once`, the world stays up afterwards until Ctrl-C. Success if everything shown was right.
///
/// # Errors
/// If the world does not start or falls apart.
pub(crate) fn run(once: bool) -> Result<ExitCode> {
    let watch = Watch { interrupt: Interrupt::listen()? };
    // The world has ended when this returns, and with it everything that might still fail because of Ctrl-C.
    let outcome = in_a_world(once, &watch);
    match outcome {
        Ok(right) => Ok(ExitCode::from(u8::from(!right))),
        Err(error) if error.is::<Interrupted>() || watch.interrupt.asked() => Ok(ExitCode::from(INTERRUPTED)),
        Err(error) => Err(error),
    }
}

fn in_a_world(once: bool, watch: &Watch) -> Result<bool> {
    watch.say("greatcircle: a gateway, twelve regions at real places, and the filter that steers between them")?;
    let world = internet::start_world()?;
    let right = tour(&world, watch)?;
    if once {
        return Ok(right);
    }
    watch.say(&format!("\n5  Your turn\n\n{}\n", by_hand::invitation(&world, internet::address(&world)?)))?;
    match by_hand::keep_up(&world, watch) {
        Err(error) if error.is::<Interrupted>() || watch.interrupt.asked() => {
            watch.say("\n   Envoy and the regions end.")?;
            Ok(right)
        }
        other => other.map(|()| right),
    }
}

/// Everything that `--once` shows. Whether it was right.
fn tour(world: &World, watch: &Watch) -> Result<bool> {
    let [Neighbour { site: home, .. }, ..] = neighbours(NEIGHBOURHOOD);
    let probing = Probing::of(home.region, &Bootstrap::from_file()?)?;
    all_up(world, watch)?;

    watch.say("\n1  Every city is served by its nearest region\n")?;
    let visits = visit_all(world, watch)?;
    watch.say(&screen::table(&visits))?;

    watch.say(&format!("\n2  Clients without geo headers, and one that lies\n\n{}", screen::stage()))?;
    let calls = call_all(world, watch)?;
    watch.say(&screen::callers_table(&calls))?;

    watch.say("\n3  A region dies under load and comes back\n")?;
    watch.say(&screen::announcement(NEIGHBOURHOOD.name, &neighbours(NEIGHBOURHOOD), RATE, &probing))?;
    let outage = Outage::live_through(world, home.region, NEIGHBOURHOOD, &probing, watch)?;
    let findings = Findings::of(&outage, NEIGHBOURHOOD);
    watch.say(&format!("\n{}", screen::timeline(&findings, &probing)))?;
    let afterwards = visit_all(world, watch)?;

    let mut claims = vec![served_by_nearest(&visits, "")];
    claims.extend(calls::claims(&calls));
    claims.extend(findings.claims(&probing));
    claims.push(served_by_nearest(&afterwards, ", again after the outage"));
    watch.say(&format!("\n4  Was it right?\n\n{}", screen::verdict(&claims)))?;
    Ok(claims.iter().all(|claim| claim.right))
}

/// Waits until the gateway has probed every region and found it up.
fn all_up(world: &World, watch: &Watch) -> Result<()> {
    let missing = || -> Result<Vec<_>> {
        let healths = healths(world)?;
        let up = |region: &str| healths.get(region) == Some(&Health::Up);
        Ok(SITES.iter().map(|site| site.region).filter(|region| !up(region)).collect())
    };
    let look = || Ok(missing()?.is_empty().then_some(()));
    if watch.until("the gateway probes every region", FIRST_PROBES, look)?.is_none() {
        let (missing, log) = (missing()?.join(", "), world.envoy().complaints(3));
        bail!("the gateway does not find these regions up: {missing}; the end of Envoy's log:\n{log}");
    }
    Ok(())
}

fn visit_all(world: &World, watch: &Watch) -> Result<Vec<Visit>> {
    let client = world.client();
    let visit = |city| {
        watch.interrupt.pause(Duration::ZERO)?;
        Ok(Visit::pay(&client, city))
    };
    CITIES.into_iter().map(visit).collect()
}

fn call_all(world: &World, watch: &Watch) -> Result<Vec<Call>> {
    let client = world.client_of(internet::LISTENER);
    let call = |caller| {
        watch.interrupt.pause(Duration::ZERO)?;
        Ok(Call::make(&client, world.lookup(), caller))
    };
    CALLERS.iter().map(call).collect()
}

fn served_by_nearest(visits: &[Visit], when: &str) -> Claim {
    let right = visits.iter().filter(|visit| visit.judge().is_ok()).count();
    let what = format!("{right} of {} cities were served by their nearest region{when}", visits.len());
    Claim { what, right: right == visits.len() }
}
