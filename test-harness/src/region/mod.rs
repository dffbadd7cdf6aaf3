//! A region as a test sees it: a process that can be made to fail, killed, frozen and brought back.
//!
//! A real process, so that SIGKILL and SIGSTOP are real.

mod protocol;
pub mod server;

use protocol::{Answer, Command, Counts};
pub use protocol::{Fault, HEALTH_PATH, MOVED_PATH};

use crate::listening::Reserved;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A running region. Its process ends with this value.
///
/// The methods that act on it panic when the region cannot do it: a test without its region has nothing to prove.
pub struct Region {
    name: String,
    port: u16,
    /// Nobody else gets the port while the region is dead, and connections are refused.
    _reserved: Reserved,
    process: Mutex<Option<Process>>,
}

impl Region {
    /// Starts a region on a free port of the loopback and waits until it listens.
    ///
    /// # Errors
    /// If this package's binary is missing or does not start.
    pub fn start(name: &str) -> Result<Self> {
        let reserved = Reserved::any()?;
        let port = reserved.port()?;
        let process = Mutex::new(Some(Process::start(name, port)?));
        Ok(Self { name: name.into(), port, _reserved: reserved, process })
    }

    /// The region's name, which it also answers with (`x-region`).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The region's port on the loopback: the same for life, across [`Region::restart`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process; `None` while it is dead, whoever killed it.
    pub fn process_id(&self) -> Option<u32> {
        let mut process = self.lock();
        let child = &mut process.as_mut()?.child;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    /// From now on probes and requests meet this fault.
    #[track_caller]
    pub fn fails_with(&self, fault: Fault) {
        self.obey(&Command::Fail { fault, probes_only: false });
    }

    /// From now on probes meet this fault while requests are served. [`Fault::Refuses`] cannot tell them apart.
    #[track_caller]
    pub fn fails_probes_with(&self, fault: Fault) {
        self.obey(&Command::Fail { fault, probes_only: true });
    }

    /// Ends the fault. What was held back is sent; requests that hang already hang on.
    #[track_caller]
    pub fn recovers(&self) {
        self.obey(&Command::Recover);
    }

    /// SIGKILL: connections break, new ones are refused.
    #[track_caller]
    pub fn kill(&self) {
        self.lock().take();
    }

    /// SIGSTOP: connections stay open, new ones are still accepted by the kernel, and nothing answers.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: ends [`Region::freeze`]; what piled up is answered now.
    #[track_caller]
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends the process if it still runs and starts a healthy one on the same port. Counts begin anew.
    #[track_caller]
    pub fn restart(&self) {
        let mut process = self.lock();
        process.take();
        *process = Some(Process::start(&self.name, self.port).unwrap_or_else(|error| self.give_up(&error)));
    }

    /// When each probe came, measured from the start of the region's process.
    #[track_caller]
    pub fn probes(&self) -> Vec<Duration> {
        self.counts().probes
    }

    /// Probes since the region's process started.
    #[track_caller]
    pub fn probe_count(&self) -> usize {
        self.counts().probes.len()
    }

    /// Requests, probes not among them, since the region's process started.
    #[track_caller]
    pub fn request_count(&self) -> u64 {
        self.counts().requests
    }

    #[track_caller]
    fn counts(&self) -> Counts {
        match self.obey(&Command::Count) {
            Answer::Counted(counts) => counts,
            other => panic!("region {}: expected counts, got {other:?}", self.name),
        }
    }

    #[track_caller]
    fn obey(&self, command: &Command) -> Answer {
        let mut process = self.lock();
        let answer = match process.as_mut() {
            Some(process) => process.ask(command),
            None => Err(anyhow::anyhow!("it was killed")),
        };
        answer.unwrap_or_else(|error| self.give_up(&error.context(format!("{command:?}"))))
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let mut process = self.lock();
        let done = match process.as_mut() {
            Some(process) => process.signal(signal),
            None => Err(anyhow::anyhow!("it was killed")),
        };
        done.unwrap_or_else(|error| self.give_up(&error))
    }

    #[track_caller]
    fn give_up(&self, error: &anyhow::Error) -> ! {
        panic!("region {}: {error:#}", self.name)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The child process and the pipe to it. Dropping it kills and reaps the child.
struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    frozen: bool,
}

impl Process {
    fn start(name: &str, port: u16) -> Result<Self> {
        let binary = binary()?;
        let mut child = std::process::Command::new(&binary)
            .args(["region", "--name", name, "--port", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}", binary.display()))?;
        let commands = child.stdin.take().context("no stdin")?;
        let answers = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut process = Self { child, commands, answers, frozen: false };
        match process.hear().with_context(|| format!("region {name} did not start"))? {
            Answer::Listening { .. } => Ok(process),
            other => bail!("region {name} said {other:?} instead of listening"),
        }
    }

    fn ask(&mut self, command: &Command) -> Result<Answer> {
        if self.frozen {
            bail!("it is frozen and cannot answer");
        }
        writeln!(self.commands, "{}", serde_json::to_string(command)?)?;
        match self.hear()? {
            Answer::Failed(why) => bail!(why),
            answer => Ok(answer),
        }
    }

    fn hear(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            bail!("its process ended");
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        // A child that was not waited for keeps its id, so that the signal cannot meet a stranger.
        kill_process(Pid::from_child(&self.child), signal)?;
        self.frozen = signal == Signal::STOP;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This package's binary, next to the test that is running.
fn binary() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let directory = exe
        .ancestors()
        .skip(1)
        .find(|directory| !directory.ends_with("deps") && !directory.ends_with("examples"))
        .context("the running test is in no directory")?;
    let binary = directory.join(format!("test-harness{}", std::env::consts::EXE_SUFFIX));
    if !binary.is_file() {
        bail!("{} is missing: run `cargo build -p test-harness` with the profile of this test", binary.display());
    }
    Ok(binary)
}
