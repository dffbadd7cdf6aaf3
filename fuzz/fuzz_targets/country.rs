//! A country's code, as an edge or a lookup service writes it.
#![no_main]

use greatcircle::client::country::Country;
use greatcircle_fuzz::assert_on_the_map;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|code: &[u8]| {
    let country = Country::parse(code);
    country.into_iter().for_each(assert_on_the_map);
    for same in [code.to_ascii_lowercase(), code.to_ascii_uppercase(), [b"\t ", code, b" "].concat()] {
        assert_eq!(Country::parse(&same), country, "case and blanks around do not matter");
    }
    if let Some(country) = country {
        assert_eq!(code.trim_ascii().to_ascii_uppercase(), country.code());
    }
});
