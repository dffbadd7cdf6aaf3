//! What a process costs while nothing is asked of it.

use crate::envoy::Envoy;
use crate::memory::resident;
use anyhow::{Context, Result};
use std::fmt;
use std::fs::read_to_string;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a process cost during a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Idle {
    /// How often one of its threads gave up the processor by itself, to be woken again later, per second.
    pub wakeups: f64,
    /// The share of one processor that it had, in per cent.
    pub cpu: f64,
    /// What was resident at the end, in bytes.
    pub resident: u64,
}

impl Idle {
    /// The lesser of each figure.
    pub fn least(&self, other: &Self) -> Self {
        Self {
            wakeups: self.wakeups.min(other.wakeups),
            cpu: self.cpu.min(other.cpu),
            resident: self.resident.min(other.resident),
        }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.resident as f64 / f64::from(1 << 20);
        write!(f, "{:.0} wake-ups/s, {:.2} % CPU, {mebibytes:.1} MiB resident", self.wakeups, self.cpu)
    }
}

impl Envoy {
    /// Measures for as long as `window` what Envoy costs. The time is a part of the measurement: nothing is waited for.
    ///
    /// # Panics
    /// If it is gone.
    #[track_caller]
    pub fn idle(&self, window: Duration) -> Idle {
        measure(self.process_id(), window).unwrap_or_else(|error| panic!("{error:#}"))
    }
}

fn measure(process: u32, window: Duration) -> Result<Idle> {
    let (begin, before) = (Instant::now(), Threads::of(process)?);
    sleep(window);
    let (seconds, after) = (begin.elapsed().as_secs_f64(), Threads::of(process)?);
    let per_second = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
    Ok(Idle {
        wakeups: per_second(before.switches, after.switches),
        cpu: per_second(before.nanoseconds, after.nanoseconds) / 1e9 * 100.0,
        resident: resident(process)?,
    })
}

/// Sums over all threads.
#[derive(Default)]
struct Threads {
    switches: u64,
    nanoseconds: u64,
}

impl Threads {
    fn of(process: u32) -> Result<Self> {
        let mut sums = Self::default();
        let directory = format!("/proc/{process}/task");
        for thread in std::fs::read_dir(&directory).context(directory)? {
            let file = |name: &str| read_to_string(thread.as_ref().map(|it| it.path().join(name)).unwrap_or_default());
            // A thread may end while it is looked at.
            let (Ok(status), Ok(time)) = (file("status"), file("schedstat")) else { continue };
            let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sums.switches += switches.and_then(|count| count.trim().parse::<u64>().ok()).context("no switches")?;
            // Finer than the ticks in `stat`: a hundredth of a second is much for who does nothing.
            let time = time.split_whitespace().next().and_then(|time| time.parse::<u64>().ok());
            sums.nanoseconds += time.context("no schedstat")?;
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_has_its_share() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let busy = std::thread::spawn(move || while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {});
        let measured = measure(std::process::id(), Duration::from_millis(200)).unwrap();
        drop(stop);
        busy.join().unwrap();
        assert!(measured.cpu > 1.0 && measured.resident > 1 << 20, "{measured}");
    }

    #[test]
    fn it_is_shown_with_its_units() {
        let idle = Idle { wakeups: 150.4, cpu: 0.66, resident: 3 << 19 };
        assert_eq!(idle.to_string(), "150 wake-ups/s, 0.66 % CPU, 1.5 MiB resident");
    }
}
