//! The body of a lookup service's answer, read with the pointers of two services.
#![no_main]

use greatcircle::client::lookup::answer::{BODY_LIMIT, CoordinatePointers, Pointers, parse};
use greatcircle::client::lookup::{Cache, Prefix};
use greatcircle_fuzz::{assert_on_the_globe, assert_on_the_map};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

static IPINFO: LazyLock<Pointers> = LazyLock::new(|| Pointers {
    coordinates: CoordinatePointers::One("/loc".into()),
    country: "/country".into(),
    address: "/ip".into(),
});

static IP_API: LazyLock<Pointers> = LazyLock::new(|| Pointers {
    coordinates: CoordinatePointers::Pair { latitude: "/lat".into(), longitude: "/lon".into() },
    country: "/countryCode".into(),
    address: "/query".into(),
});

/// What the corpus's answers are about: 8.8.8.0, of whose network nobody's address is asked.
static ASKED: LazyLock<Option<Prefix>> = LazyLock::new(|| {
    let cache = Cache { entries: 1, ttl: Duration::MAX, negative_ttl: Duration::MAX, prefix_v4: 24, prefix_v6: 48 };
    cache.prefix_of(Ipv4Addr::new(8, 8, 8, 8).into())
});

fuzz_target!(|body: &[u8]| {
    let asked = ASKED.expect("8.8.8.8 is public");
    let document: Option<Value> = serde_json::from_slice(body).ok();
    for pointers in [&*IPINFO, &*IP_API] {
        let answer = parse(body, asked, pointers);
        if let Ok(answer) = answer {
            answer.coordinates.into_iter().for_each(assert_on_the_globe);
            answer.country.into_iter().for_each(assert_on_the_map);
            assert_is_about(asked, document.as_ref(), &pointers.address);
        }
        let printed = document.as_ref().map(|document| format!("{document:#}\n"));
        if let Some(printed) = printed.filter(|printed| printed.len() <= BODY_LIMIT && body.len() <= BODY_LIMIT) {
            assert_eq!(parse(printed.as_bytes(), asked, pointers), answer, "spacing does not matter");
        }
    }
});

/// Anything that an answer says at this pointer is the address that was asked about, or nothing.
fn assert_is_about(asked: Prefix, document: Option<&Value>, pointer: &str) {
    let said = match document.expect("what was read is JSON").pointer(pointer) {
        None | Some(Value::Null) => return,
        Some(said) => said.as_str().expect("an address is a text"),
    };
    let address = said.parse().ok().map(|address: IpAddr| address.to_canonical());
    assert!(said.is_empty() || address == Some(asked.first()), "{said:?} instead of {asked:?}");
}
