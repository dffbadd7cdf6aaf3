//! Asking a service where an address is: ipinfo.io, or anything that answers like it.
//!
//! What is asked about is never a whole address but the prefix that it shares with its neighbours ([`Prefix`]): answers are
//! kept by prefix, and the service does not learn who came. [`answer`] is what comes back; [`cache`] keeps it for all
//! workers; [`in_flight`] is what one worker waits for; [`circuit`] keeps a service that fails from costing requests anything.

pub mod answer;
pub mod cache;
pub mod circuit;
pub mod in_flight;

pub use answer::{Answer, Outcome};
pub use cache::{Cache, Key, Set};

use super::source;
use crate::call::Request;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// A lookup service and how it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is sent; `{ip}` in the path stands for the address.
    pub request: Request,
    /// How long an answer may take, and therefore how long a request waits at most.
    pub timeout: Duration,
    /// Where in the answer things stand.
    pub pointers: answer::Pointers,
    /// How answers are kept.
    pub cache: Cache,
}

/// Addresses that are taken to be in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix(IpAddr);

impl Prefix {
    /// The prefix of so many bits that the address belongs to; `None` if nobody else can know where the address is.
    fn of(address: IpAddr, bits_v4: u8, bits_v6: u8) -> Option<Self> {
        if !source::is_public(address) {
            return None;
        }
        let network = match address.to_canonical() {
            IpAddr::V4(address) => IpNet::V4(Ipv4Net::new(address, bits_v4).ok()?),
            IpAddr::V6(address) => IpNet::V6(Ipv6Net::new(address, bits_v6).ok()?),
        };
        Some(Self(network.network()))
    }

    /// Its first address, which stands for all of them.
    pub fn first(self) -> IpAddr {
        self.0
    }
}

impl Settings {
    /// The request that asks about this prefix.
    pub fn request_for(&self, prefix: Prefix) -> Request {
        let path = self.request.path.replace("{ip}", &prefix.first().to_string());
        Request { path, ..self.request.clone() }
    }
}
