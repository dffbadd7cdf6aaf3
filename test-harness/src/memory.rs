//! How much memory a process has, as its system and as itself see it.

use anyhow::{Context, Result};
use std::fmt;

/// Memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is resident, in bytes: everything, what the Wasm VMs have among it.
    pub resident: u64,
    /// What the process has allocated for itself, in bytes.
    pub allocated: u64,
}

const MEBIBYTE: f64 = (1 << 20) as f64;

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: u64| bytes as f64 / MEBIBYTE;
        write!(f, "{:.1} MiB resident, {:.1} MiB allocated", mebibytes(self.resident), mebibytes(self.allocated))
    }
}

/// The resident set of a process, in bytes.
pub(crate) fn resident(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    resident_in(&status).with_context(|| format!("no VmRSS in {path}"))
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_read_from_among_the_rest() {
        assert_eq!(resident_in("Name:\tenvoy\nVmHWM:\t  99 kB\nVmRSS:\t   2048 kB\nThreads:\t9\n"), Some(2 << 20));
        assert_eq!(resident_in("Name:\tenvoy\n"), None);
    }

    #[test]
    fn this_process_has_some() {
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
    }

    #[test]
    fn it_is_shown_in_mebibytes() {
        let memory = Memory { resident: 3 << 20, allocated: 3 << 19 };
        assert_eq!(memory.to_string(), "3.0 MiB resident, 1.5 MiB allocated");
    }
}
