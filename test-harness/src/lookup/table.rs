//! What a lookup service knows: answers by network.

use ipnet::IpNet;
use std::net::IpAddr;

/// The answers, by network.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<(IpNet, Template)>);

impl Table {
    /// Adds a network, or gives it another answer.
    pub(super) fn add(&mut self, network: IpNet, answer: Template) {
        self.0.retain(|(known, _)| *known != network);
        self.0.push((network, answer));
    }

    /// The answer of the smallest network that contains the address.
    pub(super) fn find(&self, address: IpAddr) -> Option<&Template> {
        let containing = self.0.iter().filter(|(network, _)| network.contains(&address));
        containing.max_by_key(|(network, _)| network.prefix_len()).map(|(_, answer)| answer)
    }
}

/// A body with gaps for the address that it is about: what stands between the gaps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template(Vec<Vec<u8>>);

impl Template {
    /// A body with `{ip}` for each gap.
    pub(super) fn new(body: &[u8]) -> Self {
        const GAP: &[u8] = b"{ip}";
        let (mut parts, mut rest) = (Vec::new(), body);
        while let Some(gap) = rest.windows(GAP.len()).position(|bytes| bytes == GAP) {
            parts.push(rest[..gap].to_vec());
            rest = &rest[gap + GAP.len()..];
        }
        parts.push(rest.to_vec());
        Self(parts)
    }

    /// The body about this address.
    pub(super) fn about(&self, address: &str) -> Vec<u8> {
        self.0.join(address.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_answers_whatever_the_order() {
        let mut table = Table::default();
        for network in ["8.8.8.0/24", "0.0.0.0/0", "8.8.8.8/32", "2a00::/16"] {
            table.add(network.parse().unwrap(), Template::new(network.as_bytes()));
        }
        for (address, expected) in [
            ("8.8.8.8", Some("8.8.8.8/32")),
            ("8.8.8.7", Some("8.8.8.0/24")),
            ("9.9.9.9", Some("0.0.0.0/0")),
            ("2a00:1450::1", Some("2a00::/16")),
            ("2b00::1", None),
        ] {
            let found = table.find(address.parse().unwrap()).map(|answer| answer.about(address));
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{address}");
        }
    }

    #[test]
    fn the_last_word_about_a_network_counts() {
        let mut table = Table::default();
        for answer in ["first", "second"] {
            table.add("8.8.8.0/24".parse().unwrap(), Template::new(answer.as_bytes()));
        }
        assert_eq!(table.find("8.8.8.8".parse().unwrap()), Some(&Template::new(b"second")));
    }

    #[test]
    fn gaps_are_filled_and_other_bytes_stay() {
        for (body, expected) in [
            (&b"{ip}"[..], &b"8.8.8.8"[..]),
            (b"{\"ip\": \"{ip}\", \"again\": \"{ip}\"}", b"{\"ip\": \"8.8.8.8\", \"again\": \"8.8.8.8\"}"),
            (b"Z\xfcrich {ip", b"Z\xfcrich {ip"),
            (b"", b""),
        ] {
            assert_eq!(Template::new(body).about("8.8.8.8"), expected);
        }
    }
}
