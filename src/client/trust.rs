//! Whose geo headers count.
//!
//! A geo header is worth as much as whoever wrote it; nobody is trusted unless the configuration says so.

use super::Headers;
use super::headers::only;
use super::source::Source;
use ipnet::IpNet;
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Whose geo headers count.
#[derive(Clone, PartialEq)]
pub enum Trust {
    /// Nobody's.
    Nobody,
    /// Everybody's: only where nobody but the edge can reach the gateway.
    Anyone,
    /// Those of requests whose direct peer has an address in one of these networks.
    ///
    /// Where the host does not know the peer, it is the last address in `x-forwarded-for`, which Envoy itself appends with
    /// `use_remote_address: true` (so do Istio's gateways); without the header nobody is trusted.
    Peers(Vec<IpNet>),
    /// Those of requests that carry this header with this value.
    Secret {
        /// The header's name.
        header: String,
        /// What only the edge knows.
        equals: String,
    },
}

const FORWARDED_FOR: &str = "x-forwarded-for";

impl Trust {
    /// Whether [`Trust::covers`] wants to know the direct peer.
    pub fn asks_for_peer(&self) -> bool {
        matches!(self, Self::Peers(_))
    }

    /// Whether the geo headers among these headers count.
    pub fn covers(&self, headers: &Headers, source: Source) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anyone => true,
            Self::Peers(networks) => {
                let peer = source.peer.or_else(|| forwarder(headers).filter(|peer| is_peers_own(*peer, source.own)));
                peer.is_some_and(|peer| networks.iter().any(|network| network.contains(&peer)))
            }
            Self::Secret { header, equals } => {
                matches!(only(headers, header), Ok(Some(value)) if value.ct_eq(equals.as_bytes()).into())
            }
        }
    }
}

impl std::fmt::Debug for Trust {
    /// With the secret redacted.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Anyone => f.write_str("Anyone"),
            Self::Peers(networks) => f.debug_tuple("Peers").field(networks).finish(),
            Self::Secret { header, .. } => f.debug_struct("Secret").field("header", header).finish_non_exhaustive(),
        }
    }
}

/// Whether an address that Envoy has appended is that of the peer. For a peer on its own machine, which may relay anybody's
/// requests, Envoy appends an address of its own: such a connection leads to a loopback address, or from an address to itself. And for a
/// Unix socket, which has no address, it appends nothing.
fn is_peers_own(appended: IpAddr, own: Option<IpAddr>) -> bool {
    own.is_some_and(|own| !own.is_loopback() && own != appended)
}

/// The address that Envoy itself wrote down last.
fn forwarder(headers: &Headers) -> Option<IpAddr> {
    let (_, last_header) = headers.iter().rfind(|(header, _)| header == FORWARDED_FOR)?;
    let last_address = last_header.rsplit(|&byte| byte == b',').next()?;
    let address: IpAddr = std::str::from_utf8(last_address.trim_ascii()).ok()?.parse().ok()?;
    Some(address.to_canonical()) // ::ffff:192.0.2.1 is 192.0.2.1
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;

    #[test]
    fn whom_to_believe() {
        let peers = || Trust::Peers(vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        let secret = || Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() };
        for (trust, headers, trusted) in [
            (Trust::Anyone, &[][..], true),
            (Trust::Nobody, &[], false),
            (peers(), &[], false),
            (peers(), &["x-forwarded-for: 192.0.2.7"], true),
            (peers(), &["x-forwarded-for: ::ffff:192.0.2.7"], true),
            (peers(), &["x-forwarded-for: 198.51.100.1, 2001:db8::1"], true),
            (peers(), &["x-forwarded-for: 192.0.2.7, 198.51.100.1"], false), // a client that lies about its past
            (peers(), &["x-forwarded-for: 192.0.2.7", "x-forwarded-for: 198.51.100.1"], false),
            (peers(), &["x-forwarded-for: 192.0.2.7,"], false),
            (secret(), &["x-edge: s3cret"], true),
            (secret(), &[], false),
            (secret(), &["x-edge: s3cres"], false),
            (secret(), &["x-edge: s3cret1"], false),
            (secret(), &["x-edge: s3cret", "x-edge: s3cret"], false),
            (secret(), &["x-edge: ", "x-edge: s3cret"], false),
        ] {
            assert_eq!(
                trust.covers(&lines(headers), behind_a_hop(Some("203.0.113.1"))),
                trusted,
                "{trust:?} {headers:?}"
            );
        }
    }

    /// The host has taken the client's address from a header; the connection leads to this address.
    fn behind_a_hop(own: Option<&str>) -> Source {
        let client = "8.8.8.8:0".parse().ok();
        Source::of(client, || own.map(|own| own.parse().unwrap()))
    }

    fn connected_from(peer: &str) -> Source {
        Source::of(peer.parse().ok(), || panic!("nobody asks"))
    }

    #[test]
    fn the_connection_says_who_the_peer_is_and_else_what_envoy_appended_unless_it_is_its_own() {
        let appended = lines(&["x-forwarded-for: 192.0.2.1"]);
        for (networks, source, trusted) in [
            ("127.0.0.0/8", connected_from("127.0.0.1:40000"), true),
            ("::1/128", connected_from("127.0.0.1:40000"), false),
            ("198.51.100.0/24", connected_from("198.51.100.7:40000"), true),
            ("192.0.2.0/24", connected_from("198.51.100.7:40000"), false), // a client that writes the header itself
            ("192.0.2.0/24", connected_from("127.0.0.1:40000"), false),    // a relay on the gateway's own machine
            ("192.0.2.0/24", behind_a_hop(Some("203.0.113.1")), true),
            ("192.0.2.0/24", behind_a_hop(Some("192.0.2.2")), true), // a neighbour of the gateway
            ("192.0.2.0/24", behind_a_hop(Some("192.0.2.1")), false), // the gateway itself
            ("192.0.2.0/24", behind_a_hop(Some("127.0.0.1")), false),
            ("192.0.2.0/24", behind_a_hop(Some("::1")), false),
            ("192.0.2.0/24", behind_a_hop(None), false), // a Unix socket
            ("127.0.0.0/8", behind_a_hop(Some("127.0.0.1")), false), // which of them, nobody knows
        ] {
            let trust = Trust::Peers(vec![networks.parse().unwrap()]);
            assert_eq!(trust.covers(&appended, source), trusted, "{networks} {source:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let trust = Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() };
        assert!(!format!("{trust:?}").contains("s3cret"));
    }
}
