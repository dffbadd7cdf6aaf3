//! Where the client is, from bytes that strangers sent.
//!
//! A geo header is worth as much as whoever wrote it, so [`Trust`] is asked first; nobody is trusted unless the
//! configuration says so. Whatever is missing, repeated, malformed or not to be believed ends as an [`Unlocated`], never as
//! an error: the request is served all the same.
//!
//! This module must never know how headers are read, or what follows from a place.

use crate::geo::Coordinates;
use ipnet::IpNet;
use std::net::IpAddr;

/// Which header tells where the client is, and whom to believe. Header names are lower-case.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where the coordinates stand.
    pub headers: GeoHeaders,
    /// Whose geo headers count.
    pub trust: Trust,
}

/// Where the coordinates stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeoHeaders {
    /// A number in each of two headers.
    Pair {
        /// Name of the header with the latitude.
        latitude: String,
        /// Name of the header with the longitude.
        longitude: String,
    },
    /// `lat,lon` in one header of this name.
    Position(String),
}

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
    /// address: such a peer is known by its connection, see [`Settings::asks_for_connection`].
    Peers(Vec<IpNet>),
    /// Those of requests that carry this header with this value.
    Secret {
        /// The header's name.
        header: String,
        /// What only the edge knows.
        equals: String,
    },
}

/// Why a client's place is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unlocated {
    /// No geo header came with the request.
    Missing,
    /// It does not hold a place on the globe, or came more than once.
    Invalid,
    /// It came from somebody who is not to be believed.
    Untrusted,
}

/// One request's headers as far as they were read: lower-case names, values as bytes, repeated ones as repeated entries.
pub type Headers = [(String, Vec<u8>)];

const FORWARDED_FOR: &str = "x-forwarded-for";

impl Settings {
    /// Whether [`Settings::locate`] wants to know the address at the other end of the connection: only where peers on
    /// Envoy's own machine count, because it costs a host call.
    pub fn asks_for_connection(&self) -> bool {
        matches!(&self.trust, Trust::Peers(networks) if networks.iter().any(|network| network.addr().is_loopback()))
    }

    /// Where the client is, as far as these headers tell; `connection` is who is at the other end, if that was asked for.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn locate(&self, headers: &Headers, connection: Option<IpAddr>) -> Result<Coordinates, Unlocated> {
        let place = self.headers.read(headers);
        let known = place == Err(Unlocated::Missing) || self.trust.covers(headers, connection);
        if known { place } else { Err(Unlocated::Untrusted) }
    }
}

impl GeoHeaders {
    fn read(&self, headers: &Headers) -> Result<Coordinates, Unlocated> {
        let place = match self {
            Self::Position(name) => Coordinates::parse_pair(one(headers, name)?.ok_or(Unlocated::Missing)?),
            Self::Pair { latitude, longitude } => match (one(headers, latitude)?, one(headers, longitude)?) {
                (None, None) => return Err(Unlocated::Missing),
                (Some(latitude), Some(longitude)) => Coordinates::parse(latitude, longitude),
                _ => return Err(Unlocated::Invalid),
            },
        };
        place.map_err(|_| Unlocated::Invalid)
    }
}

impl Trust {
    fn covers(&self, headers: &Headers, connection: Option<IpAddr>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anyone => true,
            Self::Peers(networks) => {
                let mut peers = forwarder(headers).into_iter().chain(connection);
                peers.any(|peer| networks.iter().any(|network| network.contains(&peer)))
            }
            Self::Secret { header, equals } => {
                matches!(one(headers, header), Ok(Some(value)) if same_in_constant_time(value, equals.as_bytes()))
            }
        }
    }
}

impl std::fmt::Debug for Trust {
    /// Keeps the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Anyone => f.write_str("Anyone"),
            Self::Peers(networks) => f.debug_tuple("Peers").field(networks).finish(),
            Self::Secret { header, .. } => f.debug_struct("Secret").field("header", header).finish_non_exhaustive(),
        }
    }
}

impl Unlocated {
    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Untrusted => "untrusted",
        }
    }
}

/// The value of a header that may come at most once.
fn one<'a>(headers: &'a Headers, name: &str) -> Result<Option<&'a [u8]>, Unlocated> {
    let mut values = headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_slice());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Unlocated::Invalid),
    }
}

/// The address that Envoy itself wrote down last.
fn forwarder(headers: &Headers) -> Option<IpAddr> {
    let (_, last_header) = headers.iter().rfind(|(header, _)| header == FORWARDED_FOR)?;
    let last_address = last_header.rsplit(|&byte| byte == b',').next()?;
    let address: IpAddr = std::str::from_utf8(last_address.trim_ascii()).ok()?.parse().ok()?;
    Some(address.to_canonical()) // ::ffff:192.0.2.1 is 192.0.2.1
}

/// Compares without telling by its duration how much of a guess was right. The length is no secret.
fn same_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENEVA: Result<(f64, f64), Unlocated> = Ok((46.2, 6.14));

    fn settings(trust: Trust) -> Settings {
        let headers = GeoHeaders::Pair { latitude: "x-lat".into(), longitude: "x-lon".into() };
        Settings { headers, trust }
    }

    /// Headers written as `name: value` lines.
    fn headers(lines: &[&str]) -> Vec<(String, Vec<u8>)> {
        lines.iter().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn locate(settings: &Settings, lines: &[&str]) -> Result<(f64, f64), Unlocated> {
        settings.locate(&headers(lines), None).map(|place| (place.latitude(), place.longitude()))
    }

    #[test]
    fn two_headers() {
        let anyone = settings(Trust::Anyone);
        for (lines, expected) in [
            (&["x-lat: 46.2", "x-lon: 6.14"][..], GENEVA),
            (&["x-lon: 6.14", "host: a", "x-lat: 46.2"], GENEVA),
            (&[], Err(Unlocated::Missing)),
            (&["x-lat: 46.2"], Err(Unlocated::Invalid)),
            (&["x-lat: 46.2", "x-lon: "], Err(Unlocated::Invalid)),
            (&["x-lat: 46.2", "x-lat: 46.2", "x-lon: 6.14"], Err(Unlocated::Invalid)),
            (&["x-lat: 46.2,46.2", "x-lon: 6.14"], Err(Unlocated::Invalid)),
            (&["x-lat: 0", "x-lon: 0"], Err(Unlocated::Invalid)),
            (&["x-lat: 999.9", "x-lon: 999.9"], Err(Unlocated::Invalid)),
        ] {
            assert_eq!(locate(&anyone, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn one_header() {
        let one = Settings { headers: GeoHeaders::Position("x-pos".into()), trust: Trust::Anyone };
        for (lines, expected) in [
            (&["x-pos: 46.2,6.14"][..], GENEVA),
            (&["x-pos: 46.2,6.14", "x-pos: 46.2,6.14"], Err(Unlocated::Invalid)),
            (&["x-pos: 46.2"], Err(Unlocated::Invalid)),
            (&["x-lat: 46.2"], Err(Unlocated::Missing)),
        ] {
            assert_eq!(locate(&one, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn whom_to_believe() {
        let geo = ["x-lat: 46.2", "x-lon: 6.14"];
        let untrusted = Err(Unlocated::Untrusted);
        let peers = || Trust::Peers(vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        let secret = || Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() };
        for (trust, further, expected) in [
            (Trust::Anyone, &[][..], GENEVA),
            (Trust::Nobody, &[], untrusted),
            (peers(), &[], untrusted),
            (peers(), &["x-forwarded-for: 192.0.2.7"], GENEVA),
            (peers(), &["x-forwarded-for: ::ffff:192.0.2.7"], GENEVA),
            (peers(), &["x-forwarded-for: 198.51.100.1, 2001:db8::1"], GENEVA),
            (peers(), &["x-forwarded-for: 192.0.2.7, 198.51.100.1"], untrusted), // a client that lies about its past
            (peers(), &["x-forwarded-for: 192.0.2.7", "x-forwarded-for: 198.51.100.1"], untrusted),
            (peers(), &["x-forwarded-for: 192.0.2.7,"], untrusted),
            (secret(), &["x-edge: s3cret"], GENEVA),
            (secret(), &[], untrusted),
            (secret(), &["x-edge: s3cres"], untrusted),
            (secret(), &["x-edge: s3cret1"], untrusted),
            (secret(), &["x-edge: s3cret", "x-edge: s3cret"], untrusted),
        ] {
            let lines = [&geo[..], further].concat();
            assert_eq!(locate(&settings(trust.clone()), &lines), expected, "{trust:?} {further:?}");
        }
    }

    #[test]
    fn a_peer_on_this_machine_is_known_by_its_connection() {
        let with = |network: &str| settings(Trust::Peers(vec![network.parse().unwrap()]));
        let lines = headers(&["x-lat: 46.2", "x-lon: 6.14", "x-forwarded-for: 192.0.2.1"]);
        let here: Option<IpAddr> = Some("127.0.0.1".parse().unwrap());
        for (network, asks, connection, trusted) in [
            ("127.0.0.0/8", true, here, true),
            ("127.0.0.0/8", true, None, false),
            ("::1/128", true, here, false),
            ("198.51.100.0/24", false, None, false),
            ("192.0.2.0/24", false, None, true),
        ] {
            let settings = with(network);
            assert_eq!(settings.asks_for_connection(), asks, "{network}");
            assert_eq!(settings.locate(&lines, connection).is_ok(), trusted, "{network} {connection:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let trust = Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() };
        assert!(!format!("{trust:?}").contains("s3cret"));
    }
}
