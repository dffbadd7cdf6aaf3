//! The wall clock jumps, as it does when a machine wakes up or is told the right time: nothing that the filter measures changes.
//!
//! Envoy runs with `clock/wall_clock.c` preloaded. libfaketime would do, but Debian 12's hangs in Envoy before `main`: it looks up
//! a symbol that is not there, for which the loader allocates, for which Envoy's allocator asks for the time.

use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use test_harness::bootstrap::repository;
use test_harness::{World, eventually, eventually_equals, places::*};

const TO_SYDNEY: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
const FOUND: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup;country=FJ";
const INTERVAL: Duration = Duration::from_millis(500);
const HOUR: i64 = 3600;

#[test]
fn a_wall_clock_that_jumps_changes_nothing() {
    let clock = WallClock::new();
    let world = World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        // A tick of 125 ms.
        .filter(json!({"health": {"interval": "500ms", "edgeInterval": "500ms", "timeout": "400ms"}}))
        .trusted_hops(1)
        .lookup_service(json!({}))
        .environment("LD_PRELOAD", clock.library())
        .environment("WALL_CLOCK", clock.offset())
        .start();
    world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
    let said = || transitions(&world);
    eventually_equals("two regions that are up", 2, || said().iter().filter(|line| line.contains("to=up")).count());
    let known = said();
    assert_eq!(world.client().at("8.8.8.8").get("/").decision(), FOUND);

    for (how, offset) in [("forward by a day", 24 * HOUR), ("back by an hour", 23 * HOUR)] {
        clock.set(offset);
        // Envoy counts its uptime by the wall clock.
        eventually(&format!("Envoy's clock, {how}"), || {
            let uptime = world.envoy().stat("server.uptime").unwrap_or_default();
            if (offset as u64..(offset + HOUR) as u64).contains(&uptime) { Ok(()) } else { Err(uptime) }
        });
        for (region, probes) in world.watch_probes(10 * INTERVAL + INTERVAL / 2) {
            println!("{how}: {region} saw {} probes in 10 intervals (limit: 7 to 12)", probes.len());
            assert!((7..=12).contains(&probes.len()), "{how}: {region} saw {probes:?}");
        }
        assert_eq!(said(), known, "{how}: no region changes");
        for decision in world.through_every_worker(|| world.client().from(SUVA).get("/").decision()) {
            assert_eq!(decision, TO_SYDNEY, "{how}");
        }
        for decision in world.through_every_worker(|| world.client().at("8.8.8.9").get("/").decision()) {
            assert_eq!(decision, FOUND, "{how}");
        }
        assert_eq!(world.lookup().lookup_count(), 1, "{how}: what was looked up is still known");
    }
    assert_eq!(world.transitions().values().sum::<u64>(), 2, "{:?}", world.transitions());
    assert_eq!(["eu-west", "oceania"].map(|name| world.health(name)), [Some(1); 2]);
}

/// What was logged about regions, without the time.
fn transitions(world: &World) -> Vec<String> {
    let log = world.envoy().log();
    let lines = log.lines().filter_map(|line| line.split_once("greatcircle event=health "));
    lines.map(|(_, line)| line.to_owned()).collect()
}

/// A wall clock for Envoy that can be moved while it runs.
struct WallClock {
    directory: TempDir,
    offset: File,
}

impl WallClock {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        compile(&repository().join("test-harness/tests/clock/wall_clock.c"), &directory.path().join("wall_clock.so"));
        let offset = File::create(directory.path().join("offset")).unwrap();
        let clock = Self { directory, offset };
        clock.set(0);
        clock
    }

    fn set(&self, seconds: i64) {
        self.offset.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("wall_clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}

/// With the compiler that Rust links with.
fn compile(source: &Path, library: &Path) {
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(library).arg(source);
    let output = compiler.output().unwrap_or_else(|error| panic!("cc, which Rust links with, does not run: {error}"));
    assert!(output.status.success(), "{compiler:?}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::metadata(library).is_ok_and(|file| file.len() > 0));
}
