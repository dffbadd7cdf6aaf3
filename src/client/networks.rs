//! Networks whose place the operator knows.
//!
//! The longest prefix wins, whatever the order of the configuration, and a search does not take longer because there are
//! thousands of networks.

use super::country::Country;
use crate::geo::Coordinates;
use ipnet::{IpNet, Ipv6Net};
use prefix_trie::PrefixMap;
use std::net::{IpAddr, Ipv6Addr};

/// Where the clients of a network are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Site {
    /// Their place.
    pub coordinates: Coordinates,
    /// Their country, if it was given.
    pub country: Option<Country>,
}

/// Every network with its site. IPv4 networks are kept as the IPv4-mapped ones that they are in IPv6: one tree is half the
/// code of two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Networks(PrefixMap<Ipv6Net, Site>);

/// The bits that IPv4-mapped addresses begin with.
const MAPPED_BITS: u8 = 96;

impl Networks {
    /// Adds a network. Returns false if it is there already.
    pub fn add(&mut self, network: IpNet, site: Site) -> bool {
        let (address, bits) = match network {
            IpNet::V4(network) => (network.addr().to_ipv6_mapped(), MAPPED_BITS + network.prefix_len()),
            IpNet::V6(network) => (network.addr(), network.prefix_len()),
        };
        Ipv6Net::new(address, bits).is_ok_and(|network| self.0.insert(network, site).is_none())
    }

    /// The site of the smallest network that contains the address. `::ffff:192.0.2.1` counts as `192.0.2.1`.
    pub fn find(&self, address: IpAddr) -> Option<Site> {
        let (address, fewest_bits): (Ipv6Addr, u8) = match address.to_canonical() {
            IpAddr::V4(address) => (address.to_ipv6_mapped(), MAPPED_BITS), // `::/0` means IPv6 alone
            IpAddr::V6(address) => (address, 0),
        };
        let (network, site) = self.0.get_lpm(&Ipv6Net::from(address))?;
        (network.prefix_len() >= fewest_bits).then_some(*site)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let mut networks = Networks::default();
        // Each network is told by its latitude.
        for (latitude, network) in (1..).zip([
            "10.0.0.0/8",
            "10.1.2.3/32",
            "10.1.0.0/16",
            "2001:db8::/32",
            "2001:db8:1::/48",
            "::/0",
            "::ffff:172.16.0.0/108",
            "192.168.7.9/16", // with host bits
        ]) {
            let coordinates = Coordinates::new(f64::from(latitude), 1.0).unwrap();
            assert!(networks.add(network.parse().unwrap(), Site { coordinates, country: None }), "{network}");
        }
        for (address, latitude) in [
            ("10.200.0.1", Some(1.0)),
            ("10.1.2.3", Some(2.0)),
            ("::ffff:10.1.2.3", Some(2.0)),
            ("10.1.2.4", Some(3.0)),
            ("2001:db8:2::1", Some(4.0)),
            ("2001:db8:1::1", Some(5.0)),
            ("2001:db9::1", Some(6.0)),
            ("::1", Some(6.0)),
            ("172.31.0.1", Some(7.0)),
            ("192.168.255.1", Some(8.0)),
            ("172.32.0.1", None),
            ("8.8.8.8", None),
            ("0.0.0.0", None),
        ] {
            let found = networks.find(address.parse().unwrap()).map(|site| site.coordinates.latitude());
            assert_eq!(found, latitude, "{address}");
        }
    }

    #[test]
    fn a_network_is_added_once() {
        let site = Site { coordinates: Coordinates::new(1.0, 1.0).unwrap(), country: None };
        let mut networks = Networks::default();
        assert!(networks.is_empty());
        for (network, new) in
            [("10.0.0.0/8", true), ("10.0.0.0/9", true), ("10.1.0.0/8", false), ("::ffff:10.0.0.0/104", false)]
        {
            assert_eq!(networks.add(network.parse().unwrap(), site), new, "{network}");
        }
        assert!(!networks.is_empty());
    }
}
