//! Akamai's list of properties.
#![no_main]

use greatcircle::client::edgescape::EdgeScape;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    let read = EdgeScape::parse(header);
    assert_eq!(EdgeScape::parse(&backwards(header)), read, "the order of properties does not matter");
    assert_eq!(EdgeScape::parse(&[header, b",city=CAMBRIDGE"].concat()), read, "other properties do not matter");
    if let Ok(properties) = read {
        assert_eq!(EdgeScape::parse(&written(&properties)), read);
    }
});

fn backwards(header: &[u8]) -> Vec<u8> {
    header.rsplit(|&byte| byte == b',').collect::<Vec<_>>().join(&b',')
}

fn written(properties: &EdgeScape<'_>) -> Vec<u8> {
    let EdgeScape { latitude, longitude, country } = properties;
    let named = [(&b"lat="[..], latitude), (b"long=", longitude), (b"country_code=", country)];
    named.map(|(name, value)| [name, value.unwrap_or_default()].concat()).join(&b',')
}
