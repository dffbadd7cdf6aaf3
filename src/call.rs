//! An HTTP call of the gateway's own: what is asked, and what comes back.
//!
//! Envoy answers in the place of somebody who does not: what it makes up is told apart here from what a host said.

use serde::Serialize;
use std::fmt;

/// A request without a body.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The Envoy cluster that leads to the host.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:method`.
    pub method: String,
    /// `:path`.
    pub path: String,
    /// Further headers, lower-case names. They may hold secrets.
    pub headers: Vec<(String, String)>,
}

/// An answer, or what stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A host answered.
    Answered {
        /// `:status`, if it was a number.
        status: Option<u16>,
        /// The beginning of the body.
        body: &'a [u8],
    },
    /// Nobody did.
    Failed(Failure),
}

/// Why nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No answer in time.
    Timeout,
    /// No connection.
    Refused,
    /// A connection that broke during the answer.
    Reset,
    /// An answer that is not HTTP.
    Malformed,
    /// The cluster has no host to ask.
    NoHost,
    /// Envoy knows no cluster of this name (yet).
    NoCluster,
}

impl fmt::Debug for Request {
    /// With whatever may be a secret redacted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("cluster", &self.cluster).field("method", &self.method).finish_non_exhaustive()
    }
}

impl<'a> Reply<'a> {
    /// What arrived with a status line. `from_host`: a host sent it, as far as can be told; Envoy makes up a 504 for a timeout,
    /// a 503 for a connection that failed, and a 502 for what it cannot read.
    pub fn arrived(status: Option<u16>, from_host: bool, body: &'a [u8]) -> Self {
        match (status, from_host) {
            (Some(504), false) => Self::Failed(Failure::Timeout),
            (Some(503), false) => Self::Failed(Failure::Refused),
            (Some(502), false) => Self::Failed(Failure::Malformed),
            _ => Self::Answered { status, body },
        }
    }
}

impl Failure {
    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Malformed => "malformed",
            Self::NoHost => "noHost",
            Self::NoCluster => "noCluster",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_envoy_makes_up_is_no_answer() {
        for (status, from_host, failure) in [
            (Some(200), true, None),
            (Some(502), true, None),
            (Some(503), true, None),
            (Some(504), true, None),
            (Some(502), false, Some(Failure::Malformed)),
            (Some(503), false, Some(Failure::Refused)),
            (Some(504), false, Some(Failure::Timeout)),
            (Some(500), false, None), // where Envoy's own headers are suppressed, all others may be a host's
            (Some(200), false, None),
            (None, true, None),
        ] {
            let expected = failure.map_or(Reply::Answered { status, body: b"" }, Reply::Failed);
            assert_eq!(Reply::arrived(status, from_host, b""), expected, "{status:?} {from_host}");
        }
    }
}
