//! What a test and a region process say to each other: one line of JSON for each command, one for its answer.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The path that counts as a probe; every other path is a request.
pub const HEALTH_PATH: &str = "/healthz";

/// The path that a region answers with a redirect to `http://gateway/arrived`.
pub const MOVED_PATH: &str = "/moved";

/// One way in which a region misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Answers everything with this status.
    Status(u16),
    /// Nobody listens: new connections are refused, live ones were dropped.
    Refuses,
    /// Accepts connections and reads requests, but never answers.
    Hangs,
    /// Promises a body, sends half of it and drops the connection.
    DropsMidBody,
    /// Good for `up` probes, then 503 for `down` probes, and again. Requests meet the state of the latest probe.
    Flaps {
        /// Probes in a row that succeed.
        up: u32,
        /// Probes in a row that fail.
        down: u32,
    },
    /// Answers correctly, but this much later.
    Slow(Duration),
    /// Answers correctly, and closes the connection after each answer.
    Closes,
    /// Sends so many bytes, and does not come to an end.
    Floods(usize),
    /// Answers probes; of any other answer, sends the head and half of the body, and the rest when the region recovers.
    Holds,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    Fail { fault: Fault, probes_only: bool },
    Recover,
    Count,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Listening { port: u16 },
    Done,
    Counted(Counts),
    Failed(String),
}

/// What a region has seen since its process started.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Everything but probes.
    pub(crate) requests: u64,
    /// When each probe came, measured from the start of the process.
    pub(crate) probes: Vec<Duration>,
}
