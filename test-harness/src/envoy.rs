//! The gateway's process: a real Envoy with files of its own and ports that the system chose.
//!
//! Starts Envoy, waits until it is ready, asks its admin interface, and ends it.

use crate::bootstrap::repository;
use crate::eventually::{LIMIT, eventually, within};
use crate::memory::{self, Memory};
use crate::metrics::Metrics;
use anyhow::{Context, Result, anyhow, bail};
use reqwest::blocking::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a graceful end may take before it becomes a hard one.
const GOODBYE: Duration = Duration::from_secs(3);

/// How Envoy is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// How many workers it has.
    pub workers: u32,
    /// How long the connections of a listener that was replaced or removed may last.
    pub drain: Duration,
    /// What is added to its environment.
    pub environment: Vec<(String, OsString)>,
    /// Whether one process can take over from another.
    pub hot_restart: HotRestart,
}

/// One process's part in a hot restart.
#[derive(Clone, Copy, Debug)]
pub enum HotRestart {
    /// None: several Envoys at once, with no shared memory between them.
    Off,
    /// It may be taken over from, under this number.
    First(u32),
    /// It takes over from the first process of this number.
    Second {
        /// The number.
        base_id: u32,
        /// Whether it adds what the first one counts to its own.
        parent_stats: bool,
    },
}

impl HotRestart {
    /// The first process lives on for longer than its listeners drain, as it always does.
    const PARENT_SHUTDOWN: &str = "8";

    fn arguments(self) -> Vec<String> {
        let arguments = match self {
            Self::Off => "--disable-hot-restart".into(),
            Self::First(base_id) => format!("--base-id {base_id}"),
            Self::Second { base_id, parent_stats } => {
                let skip = if parent_stats { "" } else { "--skip-hot-restart-parent-stats" };
                format!(
                    "--base-id {base_id} --restart-epoch 1 --parent-shutdown-time-s {} {skip}",
                    Self::PARENT_SHUTDOWN
                )
            }
        };
        arguments.split_whitespace().map(str::to_owned).collect()
    }
}

impl Default for Launch {
    fn default() -> Self {
        Self { workers: 2, drain: Duration::from_secs(1), environment: Vec::new(), hot_restart: HotRestart::Off }
    }
}

/// A running Envoy. Its process ends with this value.
pub struct Envoy {
    process: Child,
    log: PathBuf,
    access_log: PathBuf,
    admin: SocketAddr,
    http: Client,
}

impl Envoy {
    /// Starts Envoy with this bootstrap, with its files in `directory`, and waits until it is ready.
    ///
    /// # Errors
    /// If there is no Envoy binary, or Envoy refuses the bootstrap: the error then holds the end of its log.
    pub fn start(bootstrap: &Value, launch: &Launch, directory: &Path) -> Result<Self> {
        let binary = binary()?;
        let file = |name: &str| directory.join(name);
        let (log, access_log, address) = (file("envoy.log"), file("access.log"), file("admin-address"));
        fs::write(file("envoy.json"), serde_json::to_vec_pretty(bootstrap)?)?;
        let process = Command::new(&binary)
            // What the files in envoy/ name by relative paths counts from here.
            .current_dir(repository())
            .arg("--config-path")
            .arg(file("envoy.json"))
            .arg("--admin-address-path")
            .arg(&address)
            .args(["--concurrency", &launch.workers.to_string()])
            .args(["--log-level", "info", "--component-log-level", "wasm:info"])
            .args(launch.hot_restart.arguments())
            // Tests read the access log, and a removed listener is to be gone soon.
            .args(["--file-flush-interval-msec", "50", "--drain-strategy", "immediate"])
            .args(["--drain-time-s", &launch.drain.as_secs().to_string()])
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(&access_log)?)
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| binary.display().to_string())?;
        let http = Client::builder().no_proxy().timeout(LIMIT).build()?;
        // In `Self` from here on, so that an early return ends the process.
        let mut envoy = Self { process, log, access_log, admin: ([0, 0, 0, 0], 0).into(), http };
        envoy.admin = envoy.while_alive("told its admin address", || {
            fs::read_to_string(&address).ok().and_then(|address| address.trim().parse().ok())
        })?;
        let ready = format!("http://{}/ready", envoy.admin);
        let http = envoy.http.clone();
        envoy.while_alive("became ready", || {
            http.get(&ready).send().is_ok_and(|answer| answer.status().is_success()).then_some(())
        })?;
        Ok(envoy)
    }

    /// Where the listener of this name listens, once it does.
    pub fn listener(&self, name: &str) -> Option<SocketAddr> {
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json")).ok()?;
        let mut listeners = listeners["listener_statuses"].as_array()?.iter();
        let address = &listeners.find(|listener| listener["name"] == name)?["local_address"]["socket_address"];
        format!("{}:{}", address["address"].as_str()?, address["port_value"]).parse().ok()
    }

    /// The counter or gauge of this name; `None` while it does not exist.
    #[track_caller]
    pub fn stat(&self, name: &str) -> Option<u64> {
        self.stats(name).remove(name)
    }

    /// Every counter and gauge whose name starts with `prefix`.
    #[track_caller]
    pub fn stats(&self, prefix: &str) -> BTreeMap<String, u64> {
        self.try_stats(prefix).unwrap_or_else(|error| panic!("{error:#}\n{}", self.log_tail(20)))
    }

    fn try_stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        let all = self.try_admin("/stats")?;
        let pairs = all.lines().filter_map(|line| line.split_once(": "));
        let wanted = pairs.filter(|(name, _)| name.starts_with(prefix));
        Ok(wanted.filter_map(|(name, value)| Some((name.into(), value.parse().ok()?))).collect())
    }

    /// How many connections each worker has taken, over all listeners.
    #[track_caller]
    pub fn connections_by_worker(&self) -> BTreeMap<String, u64> {
        let stats = self.stats("listener.").into_iter();
        stats.filter(|(name, _)| name.contains(".worker_") && name.ends_with(".downstream_cx_total")).collect()
    }

    /// Repeats a request until every worker has taken a connection to the listeners whose address ends like this, and returns all
    /// answers.
    #[track_caller]
    pub fn through_every_worker<T>(&self, listeners: &str, mut request: impl FnMut() -> T) -> Vec<T> {
        let connections = || {
            let mut connections = self.connections_by_worker();
            connections.retain(|name, _| name.contains(&format!("{listeners}.worker_")));
            connections
        };
        let before = connections();
        let mut answers = Vec::new();
        eventually("a connection to every worker", || {
            answers.push(request());
            connections().iter().all(|(worker, connections)| before.get(worker) < Some(connections))
        });
        answers
    }

    /// What a Prometheus server would scrape.
    #[track_caller]
    pub fn prometheus(&self) -> String {
        self.admin("/stats/prometheus")
    }

    /// [`Envoy::prometheus`], read.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.prometheus())
    }

    /// [`Envoy::metrics`] of an Envoy that may be gone.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn try_metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&self.try_admin("/stats/prometheus")?))
    }

    /// The configuration in force, as Envoy tells it.
    #[track_caller]
    pub fn config_dump(&self) -> Value {
        serde_json::from_str(&self.admin("/config_dump?include_eds")).unwrap_or_default()
    }

    /// The log so far, with the lines of the filter.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The access log so far, about 50 ms behind.
    pub fn access_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.access_log).unwrap_or_default()).into_owned()
    }

    /// The last lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// The last lines of the log that are warnings or worse; of an Envoy without any, the last lines.
    pub fn complaints(&self, lines: usize) -> String {
        let log = self.log();
        let is_one = |line: &&str| ["[warning]", "[error]", "[critical]"].iter().any(|level| line.contains(level));
        let all: Vec<&str> = log.lines().filter(is_one).collect();
        match all.is_empty() {
            true => self.log_tail(lines),
            false => all[all.len().saturating_sub(lines)..].join("\n"),
        }
    }

    /// How much memory it has now.
    ///
    /// # Panics
    /// If it is gone.
    #[track_caller]
    pub fn memory(&self) -> Memory {
        let read =
            |figure: fn(u32) -> Result<u64>| figure(self.process_id()).unwrap_or_else(|error| panic!("{error:#}"));
        let (resident, peak) = (read(memory::resident), read(memory::peak));
        Memory { resident, peak, allocated: self.stat("server.memory_allocated").unwrap_or_default() }
    }

    /// The process id, for what is measured from outside (CPU time).
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The answer of the admin interface to GET `path`.
    ///
    /// # Panics
    /// If Envoy does not answer.
    #[track_caller]
    pub fn admin(&self, path: &str) -> String {
        self.try_admin(path).unwrap_or_else(|error| panic!("{error:#}\n{}", self.log_tail(20)))
    }

    fn try_admin(&self, path: &str) -> Result<String> {
        let answer = self.http.get(format!("http://{}{path}", self.admin)).send().and_then(|answer| answer.text());
        answer.with_context(|| format!("Envoy's admin interface does not answer, {path}"))
    }

    /// Where the admin interface listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Whether its process is there.
    pub fn is_alive(&self) -> bool {
        memory::resident(self.process_id()).is_ok()
    }

    fn while_alive<T>(&mut self, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
        let outcome = within(LIMIT, || match (look(), self.process.try_wait()) {
            (Some(value), _) => Some(Ok(value)),
            (None, Ok(None)) => None,
            (None, Ok(Some(status))) => Some(Err(status.to_string())),
            (None, Err(error)) => Some(Err(error.to_string())),
        });
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(ended)) => Err(anyhow!("Envoy ended ({ended}) before it {what}:\n{}", self.complaints(20))),
            Err(_) => Err(anyhow!("Envoy never {what}:\n{}", self.complaints(20))),
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let quit = self.http.post(format!("http://{}/quitquitquit", self.admin)).timeout(GOODBYE).send();
        if quit.is_ok() {
            let _ = within(GOODBYE, || !matches!(self.process.try_wait(), Ok(None)));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary in `$ENVOY`, or the one that `./build.sh` keeps.
fn binary() -> Result<PathBuf> {
    let binary = match std::env::var_os("ENVOY") {
        Some(path) => PathBuf::from(path),
        None => repository().join("target/envoy/envoy"),
    };
    if !binary.is_file() {
        bail!("no Envoy at {}: run ./build.sh test, which fetches one, or set $ENVOY", binary.display());
    }
    Ok(binary)
}
