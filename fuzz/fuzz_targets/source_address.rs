//! Envoy's `source.address`, and what a lookup service would be asked about it.
#![no_main]

use greatcircle::client::lookup::Cache;
use greatcircle::client::source;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

fuzz_target!(|text: &[u8]| {
    let Some(address) = source::parse(text) else { return };
    assert_eq!(source::parse(address.to_string().as_bytes()), Some(address));
    assert_eq!(address.ip(), address.ip().to_canonical());
    nothing_private_is_asked(address);
    for (bits_v4, bits_v6) in [(24, 48), (32, 128), (1, 1)] {
        whole_prefixes_are_asked(address.ip(), bits_v4, bits_v6);
    }
});

fn cache(prefix_v4: u8, prefix_v6: u8) -> Cache {
    Cache { entries: 1, ttl: Duration::MAX, negative_ttl: Duration::MAX, prefix_v4, prefix_v6 }
}

fn nothing_private_is_asked(address: SocketAddr) {
    let ip = address.ip();
    let asked = cache(24, 48).prefix_of(ip);
    assert_eq!(asked.is_some(), source::is_public(ip), "{address}");
    let private = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_multicast(),
    };
    assert!(!private || asked.is_none(), "{address}");
}

fn whole_prefixes_are_asked(ip: IpAddr, bits_v4: u8, bits_v6: u8) {
    let Some(prefix) = cache(bits_v4, bits_v6).prefix_of(ip) else { return };
    let (kept, shared) = match (ip, prefix.first()) {
        (IpAddr::V4(ip), IpAddr::V4(first)) => {
            let rest = u32::MAX.checked_shr(bits_v4.into()).unwrap_or(0);
            (u128::from(ip.to_bits() & !rest), u128::from(first.to_bits()))
        }
        (IpAddr::V6(ip), IpAddr::V6(first)) => {
            let rest = u128::MAX.checked_shr(bits_v6.into()).unwrap_or(0);
            (ip.to_bits() & !rest, first.to_bits())
        }
        (ip, first) => panic!("{ip} is asked about as {first}"),
    };
    assert_eq!(kept, shared, "{ip} is asked about as {}", prefix.first());
}
