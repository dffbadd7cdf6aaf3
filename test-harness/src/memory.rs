//! How much memory a process has, as its system and as itself see it.

use anyhow::{Context, Result};
use std::fmt;

/// Memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is resident, in bytes: everything, what the Wasm VMs have among it.
    pub resident: u64,
    /// The most that was ever resident, in bytes.
    pub peak: u64,
    /// What the process has allocated for itself, in bytes.
    pub allocated: u64,
}

const MEBIBYTE: f64 = (1 << 20) as f64;

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: u64| bytes as f64 / MEBIBYTE;
        let [resident, peak, allocated] = [self.resident, self.peak, self.allocated].map(mebibytes);
        write!(f, "{resident:.1} MiB resident, {peak:.1} MiB at most, {allocated:.1} MiB allocated")
    }
}

/// The resident set of a process, in bytes.
pub(crate) fn resident(process: u32) -> Result<u64> {
    read(process, "VmRSS:")
}

/// The largest resident set that a process has had, in bytes.
pub(crate) fn peak(process: u32) -> Result<u64> {
    read(process, "VmHWM:")
}

fn read(process: u32, figure: &str) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    bytes_in(&status, figure).with_context(|| format!("no {figure} in {path}"))
}

fn bytes_in(status: &str, figure: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(figure))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_read_from_among_the_rest() {
        let status = "Name:\tenvoy\nVmHWM:\t  99 kB\nVmRSS:\t   2048 kB\nThreads:\t9\n";
        assert_eq!(bytes_in(status, "VmRSS:"), Some(2 << 20));
        assert_eq!(bytes_in(status, "VmHWM:"), Some(99 << 10));
        assert_eq!(bytes_in("Name:\tenvoy\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_some() {
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
    }

    #[test]
    fn it_is_shown_in_mebibytes() {
        let memory = Memory { resident: 3 << 20, peak: 4 << 20, allocated: 3 << 19 };
        assert_eq!(memory.to_string(), "3.0 MiB resident, 4.0 MiB at most, 1.5 MiB allocated");
    }
}
