//! Who sends a request, as Envoy tells it.
//!
//! The client's address comes from the connection, or from as many hops of `x-forwarded-for` as the gateway is configured to
//! trust; never from a header of the client's own choice.

use std::net::{IpAddr, SocketAddr};

/// Who sends a request, as far as a host can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The client's address, as the gateway is configured to find it.
    pub client: Option<IpAddr>,
    /// The direct peer's address. Without it, it has to be what the gateway has appended to `x-forwarded-for`.
    pub peer: Option<IpAddr>,
    /// The gateway's own address on this connection.
    pub own: Option<IpAddr>,
}

impl Source {
    /// What Envoy's attributes tell: the client's address, and the gateway's own, which is asked for only where it matters.
    ///
    /// An address that comes with a port is that of the connection. One with port 0 was taken from a header, and does not say who
    /// the peer is.
    pub fn of(client: Option<SocketAddr>, own: impl FnOnce() -> Option<IpAddr>) -> Self {
        let (client, connection) = (client.map(|it| it.ip()), client.filter(|it| it.port() != 0));
        match connection {
            Some(peer) => Self { client, peer: Some(peer.ip()), own: None },
            None => Self { client, peer: None, own: own() },
        }
    }
}

/// Reads an address as in Envoy's `source.address`, such as `192.0.2.7:40000` or `[2001:db8::7]:40000`. Port 0 means that it was taken from a
/// header. `None` for what is no address of the internet: a Unix socket, an internal listener.
///
/// `::ffff:192.0.2.7` is `192.0.2.7`.
pub fn parse(text: &[u8]) -> Option<SocketAddr> {
    let source: SocketAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(SocketAddr::new(source.ip().to_canonical(), source.port()))
}

/// Whether an address is one that the whole internet agrees on, so that somebody else can know where it is.
///
/// After IANA's registries of special-purpose addresses for IPv4 and IPv6; whatever of IPv6 is not global unicast is special.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            let special = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
                || matches!((a, b, c), (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _) | (224.., ..));
            !special
        }
        IpAddr::V6(address) => match address.segments() {
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => false, // documentation
            [0x2001, 0..=0x01ff, ..] => false,                       // protocol assignments, benchmarking, Teredo
            [0x2002, ..] => false,                                   // 6to4: somebody's IPv4 address in an IPv6 one
            [first, ..] => (0x2000..=0x3fff).contains(&first),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_envoy_says() {
        for (text, expected) in [
            ("192.0.2.7:40000", Some("192.0.2.7:40000")),
            ("192.0.2.7:0", Some("192.0.2.7:0")),
            ("[2001:db8::7]:40000", Some("[2001:db8::7]:40000")),
            ("[::ffff:192.0.2.7]:40000", Some("192.0.2.7:40000")),
            ("", None),
            ("192.0.2.7", None),
            ("2001:db8::7", None),
            ("/run/envoy.sock", None),
            ("@abstract", None),
            ("envoy://internal/1", None),
            ("localhost:80", None),
            ("192.0.2.7:99999", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected.map(|source| source.parse().unwrap()), "{text}");
        }
        assert_eq!(parse(b"\xff:80"), None);
    }

    #[test]
    fn addresses_that_nobody_else_can_know() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.3.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2600::1",
            "2a00:1450::1",
            "3fff:1000::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
