//! `lat,lon` in one text: the numbers that every other way to a place reads as well.
#![no_main]

use greatcircle::geo::Coordinates;
use greatcircle_fuzz::assert_on_the_globe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|position: &[u8]| {
    let Ok(coordinates) = Coordinates::parse_pair(position) else { return };
    assert_on_the_globe(coordinates);
    let (latitude, longitude) = (coordinates.latitude(), coordinates.longitude());
    assert_eq!(Coordinates::parse_pair(format!("{latitude} ,\t{longitude}").as_bytes()), Ok(coordinates));
    assert!(position.is_ascii(), "other digits than 0 to 9 are not read");
    let standard = std::str::from_utf8(position).ok().and_then(|text| {
        let (latitude, longitude) = text.split_once(',')?;
        Some((latitude.trim_ascii().parse().ok()?, longitude.trim_ascii().parse().ok()?))
    });
    assert_eq!(standard, Some((latitude, longitude)), "the standard library reads other numbers");
});
