//! What the fuzz targets share: how an input becomes headers, and what must hold of every place.
//!
//! Inputs are text where the format is text, so that the corpus can be read and written by hand. This crate

use greatcircle::client::country::Country;
use greatcircle::geo::Coordinates;

/// Headers written as `name: value` lines, whatever the bytes are. A line without `: ` is no header.
pub fn headers(lines: &[u8]) -> Vec<(String, Vec<u8>)> {
    lines.split(|&byte| byte == b'\n').filter_map(header).collect()
}

fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.windows(2).position(|bytes| bytes == b": ")?;
    let name = String::from_utf8(line[..colon].to_vec()).ok()?;
    Some((name, line[colon + 2..].to_vec()))
}

/// What must hold of every place, wherever it came from.
pub fn assert_on_the_globe(coordinates: Coordinates) {
    let (latitude, longitude) = (coordinates.latitude(), coordinates.longitude());
    assert!((-90.0..=90.0).contains(&latitude), "{coordinates:?}");
    assert!((-180.0..=180.0).contains(&longitude), "{coordinates:?}");
    assert!((latitude, longitude) != (0.0, 0.0), "{coordinates:?} stands for an unknown place");
    assert_eq!(coordinates.kilometres_to(&coordinates).0, 0.0, "{coordinates:?}");
}

/// What must hold of every country, wherever it came from.
pub fn assert_on_the_map(country: Country) {
    let middle = country.centroid();
    assert!(middle.is_some(), "{country:?} has no place");
    middle.into_iter().for_each(assert_on_the_globe);
}
