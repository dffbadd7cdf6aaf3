//! Whose geo headers count.
//!
//! A geo header is worth as much as whoever wrote it; nobody is trusted unless the configuration says so.

use super::Headers;
use super::headers::only;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
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
    /// The peer is the last address in `x-forwarded-for`, which Envoy itself appends with `use_remote_address: true` (so do
    /// Istio's gateways); without the header nobody is trusted. In place of a peer on its own machine Envoy appends its own
    /// address: such a peer is known by its connection, see [`Trust::asks_for_source`].
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
    /// Whether [`Trust::covers`] wants to know the source of the connection: only where peers on Envoy's own machine count.
    pub fn asks_for_source(&self) -> bool {
        matches!(self, Self::Peers(networks) if networks.iter().any(|network| network.addr().is_loopback()))
    }

    /// Whether the geo headers among these headers count; `source` is what Envoy says of the connection, if it was asked.
    pub fn covers(&self, headers: &Headers, source: Option<SocketAddr>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anyone => true,
            Self::Peers(networks) => {
                // Port 0: Envoy took that address from a header, and it is the client's, not the peer's.
                let connection = source.filter(|source| source.port() != 0).map(|source| source.ip());
                let mut peers = forwarder(headers).into_iter().chain(connection);
                peers.any(|peer| networks.iter().any(|network| network.contains(&peer)))
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
            assert_eq!(trust.covers(&lines(headers), None), trusted, "{trust:?} {headers:?}");
        }
    }

    #[test]
    fn a_peer_on_this_machine_is_known_by_its_connection() {
        let headers = lines(&["x-forwarded-for: 192.0.2.1"]);
        let source = |text: &str| Some(text.parse().unwrap());
        for (network, asks, source, trusted) in [
            ("127.0.0.0/8", true, source("127.0.0.1:40000"), true),
            ("127.0.0.0/8", true, source("127.0.0.1:0"), false), // from a header
            ("127.0.0.0/8", true, None, false),
            ("::1/128", true, source("127.0.0.1:40000"), false),
            ("198.51.100.0/24", false, None, false),
            ("192.0.2.0/24", false, None, true),
        ] {
            let trust = Trust::Peers(vec![network.parse().unwrap()]);
            assert_eq!(trust.asks_for_source(), asks, "{network}");
            assert_eq!(trust.covers(&headers, source), trusted, "{network} {source:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let trust = Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() };
        assert!(!format!("{trust:?}").contains("s3cret"));
    }
}
