//! Asking a service where an address is: ipinfo.io, or anything that answers like it.
//!
//! What is asked about is never a whole address but the prefix that it shares with its neighbours ([`Prefix`]): answers are
//! kept by prefix, and the service does not learn who came. [`answer`] is what comes back; [`cache`] and its [`set`]s keep it for
//! all workers; [`in_flight`] is what one worker waits for; [`circuit`] keeps a service that fails from costing requests anything,
//! and [`budget`] keeps clients from costing the service too much.
//!
//! A single client can have thousands of prefixes. So whatever prefixes share is rationed by the wider [`Network`] that they
//! are part of: one network can spoil lookups for itself, and for nobody else.

pub mod answer;
pub mod budget;
pub mod cache;
pub mod circuit;
pub mod in_flight;
pub mod set;

pub use answer::{Answer, Outcome};
pub use budget::{Budget, Rate};
pub use cache::{Cache, Key};
pub use set::Set;

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
    /// How often it is asked at most.
    pub budget: Budget,
}

/// Addresses that are taken to be in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix(IpAddr);

/// What one client may have at most, as far as addresses tell: the first 16 bits of an IPv4 address, 28 of IPv6. That takes in a
/// /29, the largest IPv6 network that a registry hands out without a documented need (RIPE-738, 5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Network(IpAddr);

impl Prefix {
    /// The prefix of so many bits that the address belongs to; `None` if nobody else can know where the address is.
    fn of(address: IpAddr, bits_v4: u8, bits_v6: u8) -> Option<Self> {
        if !source::is_public(address) {
            return None;
        }
        first_of(address.to_canonical(), bits_v4, bits_v6).map(Self)
    }

    /// The wider network that it is part of. Prefixes of different networks are unrelated.
    pub fn network(self) -> Network {
        Network(first_of(self.0, 16, 28).unwrap_or(self.0))
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

/// The first address with the same leading bits.
fn first_of(address: IpAddr, bits_v4: u8, bits_v6: u8) -> Option<IpAddr> {
    let network = match address {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new(address, bits_v4).ok()?),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new(address, bits_v6).ok()?),
    };
    Some(network.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clients_prefixes_are_of_one_network() {
        let network = |address: &str| Prefix::of(address.parse().unwrap(), 24, 48).unwrap().network();
        for (one, other, same) in [
            ("8.8.8.8", "8.8.255.1", true),
            ("8.8.8.8", "8.9.8.8", false),
            ("2a00:1450:4001::1", "2a00:145f:ffff::1", true),
            ("2a00:1450:4001::1", "2a00:1460::1", false),
            ("8.8.8.8", "2a00:1450:4001::1", false),
        ] {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
        let wide = Prefix::of("8.8.8.8".parse().unwrap(), 8, 16).unwrap();
        assert_eq!(
            wide.network(),
            Network("8.0.0.0".parse().unwrap()),
            "a prefix that is wider is a network of its own"
        );
    }
}
