//! A client's own words under our names, in any spelling, and what it nominates in `connection`.
#![no_main]

use greatcircle::own_headers::OwnHeaders;
use greatcircle_fuzz::headers;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static OWN: LazyLock<OwnHeaders> =
    LazyLock::new(|| OwnHeaders::banned(["x-greatcircle-region", "x_where"].map(Into::into).to_vec()));

fuzz_target!(|lines: &[u8]| {
    let mut headers = headers(lines);
    if let Some(options) = OWN.connection(&headers) {
        let (_, value) = headers.iter_mut().find(|(name, _)| name == "connection").expect("it was rewritten");
        *value = options.into_bytes();
        assert_eq!(OWN.connection(&headers), None, "nothing of ours is left");
    }
    let strays: Vec<String> = OWN.strays(&headers).map(str::to_owned).collect();
    headers.retain(|(name, _)| !strays.contains(name));
    assert_eq!((OWN.strays(&headers).next(), OWN.among(&headers).next()), (None, None));
    let spelt = |(name, _): &(String, Vec<u8>)| name.to_ascii_lowercase().replace('_', "-");
    assert!(!headers.iter().map(spelt).any(|name| ["x-greatcircle-region", "x-where"].contains(&name.as_str())));
});
