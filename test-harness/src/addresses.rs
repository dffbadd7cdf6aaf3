//! Addresses for many clients: public ones that are nobody's here, since nothing is ever sent to them.
//!
//! They are drawn at random, and the same ones each time.

use std::net::Ipv4Addr;

/// An endless supply of clients' addresses.
#[derive(Clone, Debug)]
pub struct Addresses {
    networks: u32,
    seed: u64,
}

impl Addresses {
    /// Addresses drawn from this many networks (/24) inside 45.0.0.0/8.
    ///
    /// # Panics
    /// If there are not so many, or none.
    pub fn in_networks(networks: u32) -> Self {
        assert!((1..=1 << 16).contains(&networks), "{networks} networks in 45.0.0.0/8");
        Self { networks, seed: 0 }
    }

    /// Another draw from the same networks.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

impl Iterator for Addresses {
    type Item = Ipv4Addr;

    fn next(&mut self) -> Option<Ipv4Addr> {
        let drawn = splitmix(&mut self.seed);
        let network = (drawn >> 32) as u32 % self.networks;
        let [_, _, high, low] = network.to_be_bytes();
        let host = 1 + (drawn % 254) as u8;
        Some(Ipv4Addr::new(45, high, low, host))
    }
}

/// The next number of the generator SplitMix64 (Steele, Lea and Flood, 2014).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn they_are_the_same_each_time_and_others_with_another_seed() {
        let draw = |seed| Addresses::in_networks(50_000).seed(seed).take(100).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn they_come_from_as_many_networks_as_were_asked_for() {
        let networks: BTreeSet<_> =
            Addresses::in_networks(300).take(10_000).map(|address| address.octets()[..3].to_vec()).collect();
        assert_eq!(networks.len(), 300);
        assert_eq!(networks.last(), Some(&vec![45, 1, 43]), "number 299, and none beyond");
    }
}
