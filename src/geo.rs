//! Places on the globe: checked coordinates and the distance between two of them.
//!
//! Coordinates are checked once, where they enter; behind [`Coordinates`] every number is finite and in range, so that no
//! distance is ever NaN. Ranking uses the squared chord between unit vectors: it grows with the great-circle distance,
//! costs three subtractions and three multiplications, and has no arc function that could leave its domain. Kilometres are
//! for people and are computed for the one value that is shown.

use std::cmp::Ordering;
use std::fmt;

/// Mean radius of the Earth, R₁ of IUGG/GRS 80. On a sphere of this radius a distance is wrong by at most 0.56 % against
/// the WGS-84 ellipsoid.
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// The longest text that is looked at as one number: `-179.` and twelve more digits are finer than a millimetre.
const MAX_NUMBER_LENGTH: usize = 24;

/// A point on the globe in degrees; latitude within ±90, longitude within ±180, both finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinates {
    latitude: f64,
    longitude: f64,
}

/// Why two numbers, or the text that should have held them, are not a point on the globe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Not a plain decimal number such as `-33.87`.
    NotANumber,
    /// Latitude outside ±90 degrees, or not finite.
    Latitude,
    /// Longitude outside ±180 degrees, or not finite.
    Longitude,
    /// Exactly 0,0: in the Gulf of Guinea, and what software writes when it does not know.
    NullIsland,
}

/// A distance along the surface in kilometres.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Kilometres(pub f64);

/// A point as a vector of length one from the centre of the Earth: what ranking works on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitVector([f64; 3]);

/// The squared length of the straight line between two points of the unit sphere, 0 to 4.
///
/// It orders pairs of points exactly as their great-circle distance does: chord² = 4·haversine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SquaredChord(f64);

impl Coordinates {
    /// Checks a latitude and a longitude in degrees.
    ///
    /// # Errors
    /// The first of the two that is not finite or out of range, or [`Invalid::NullIsland`].
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, Invalid> {
        // Written as "contains" so that NaN, which compares false with everything, is refused.
        if !(-90.0..=90.0).contains(&latitude) {
            return Err(Invalid::Latitude);
        }
        if !(-180.0..=180.0).contains(&longitude) {
            return Err(Invalid::Longitude);
        }
        if latitude == 0.0 && longitude == 0.0 {
            return Err(Invalid::NullIsland);
        }
        Ok(Self { latitude, longitude })
    }

    /// Reads a latitude and a longitude as two header values.
    ///
    /// # Errors
    /// As [`Coordinates::new`], and [`Invalid::NotANumber`].
    pub fn parse(latitude: &[u8], longitude: &[u8]) -> Result<Self, Invalid> {
        Self::new(parse_degrees(latitude)?, parse_degrees(longitude)?)
    }

    /// Reads `lat,lon` as one header value; blanks around either number are allowed.
    ///
    /// # Errors
    /// As [`Coordinates::parse`]; anything but exactly one comma is [`Invalid::NotANumber`].
    pub fn parse_pair(position: &[u8]) -> Result<Self, Invalid> {
        let comma = position.iter().position(|&byte| byte == b',').ok_or(Invalid::NotANumber)?;
        let (latitude, rest) = position.split_at(comma);
        // A second comma stays in the longitude and is refused there.
        Self::parse(latitude, rest.get(1..).unwrap_or_default())
    }

    /// Degrees north of the equator.
    pub fn latitude(&self) -> f64 {
        self.latitude
    }

    /// Degrees east of Greenwich.
    pub fn longitude(&self) -> f64 {
        self.longitude
    }

    /// This point as a vector of length one.
    pub fn unit_vector(&self) -> UnitVector {
        let (sin_latitude, cos_latitude) = sin_cos_degrees(self.latitude);
        let (sin_longitude, cos_longitude) = sin_cos_degrees(self.longitude);
        UnitVector([cos_latitude * cos_longitude, cos_latitude * sin_longitude, sin_latitude])
    }

    /// Great-circle distance to another point.
    pub fn kilometres_to(&self, other: &Self) -> Kilometres {
        self.unit_vector().squared_chord(&other.unit_vector()).kilometres()
    }
}

impl UnitVector {
    /// How far another point is; for ordering, see [`SquaredChord`].
    #[inline]
    pub fn squared_chord(&self, other: &Self) -> SquaredChord {
        let [x, y, z] = self.0;
        let [u, v, w] = other.0;
        SquaredChord((x - u) * (x - u) + (y - v) * (y - v) + (z - w) * (z - w))
    }
}

impl SquaredChord {
    /// The distance from a point to itself.
    pub const ZERO: Self = Self(0.0);

    /// The same distance along the surface: 2·R·asin(chord/2).
    ///
    /// The clamp takes away the rounding that puts the half-chord of antipodes just above 1, where `asin` has no value.
    pub fn kilometres(self) -> Kilometres {
        Kilometres(2.0 * EARTH_RADIUS_KM * (self.0.sqrt() / 2.0).clamp(0.0, 1.0).asin())
    }
}

impl Eq for SquaredChord {}

impl Ord for SquaredChord {
    /// Squares of finite numbers are neither NaN nor -0, where `total_cmp` and `==` would differ.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for SquaredChord {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.0 < other.0
    }
}

impl fmt::Display for Kilometres {
    /// Whole kilometres: a place derived from an address is not known any better.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.round() as u32)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "not a decimal number",
            Self::Latitude => "latitude outside -90..90",
            Self::Longitude => "longitude outside -180..180",
            Self::NullIsland => "0,0, which stands for an unknown place",
        })
    }
}

/// Sine and cosine of an angle in degrees, exact at quarter turns: a pole is one point and the dateline one meridian, so that
/// regions which are equally far tie. In radians a quarter turn has no exact value, and rounding would decide.
fn sin_cos_degrees(degrees: f64) -> (f64, f64) {
    let quarter_turns = (degrees / 90.0).round_ties_even();
    let (sin, cos) = (degrees - 90.0 * quarter_turns).to_radians().sin_cos();
    match quarter_turns as i8 {
        -1 => (-cos, sin),
        1 => (cos, -sin),
        -2 | 2 => (-sin, -cos),
        _ => (sin, cos),
    }
}

/// A decimal number as geo services write it: an optional minus, digits, optionally a point and digits.
///
/// Rust's own parser also takes `nan`, `inf`, `1e400`, `+5` and `.5`, which no geo service sends and strangers do.
///
/// # Errors
/// [`Invalid::NotANumber`]; the range is not looked at.
pub fn parse_degrees(text: &[u8]) -> Result<f64, Invalid> {
    let text = text.trim_ascii();
    if text.len() > MAX_NUMBER_LENGTH || !is_plain_decimal(text) {
        return Err(Invalid::NotANumber);
    }
    std::str::from_utf8(text).ok().and_then(|digits| digits.parse().ok()).ok_or(Invalid::NotANumber)
}

fn is_plain_decimal(text: &[u8]) -> bool {
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut parts = unsigned.splitn(2, |&byte| byte == b'.');
    parts.next().is_some_and(digits) && parts.next().is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Coordinates {
        Coordinates::new(latitude, longitude).unwrap()
    }

    #[test]
    fn distances_between_known_places() {
        let half_circumference = std::f64::consts::PI * EARTH_RADIUS_KM;
        for (name, from, to, expected) in [
            ("identical points", at(53.35, -6.26), at(53.35, -6.26), 0.0),
            ("Dublin to Geneva", at(53.35, -6.26), at(46.2, 6.14), 1190.0),
            ("Sydney to Cape Town", at(-33.87, 151.21), at(-33.92, 18.42), 11_010.0),
            ("pole to pole", at(90.0, 0.0), at(-90.0, 77.0), half_circumference),
            ("a pole is one place at every longitude", at(90.0, -120.0), at(90.0, 60.0), 0.0),
            ("antipodes on the equator", at(0.0, 10.0), at(0.0, -170.0), half_circumference),
            ("antipodes anywhere", at(12.34, 56.78), at(-12.34, -123.22), half_circumference),
            ("across the dateline", at(-17.0, 179.5), at(-17.0, -179.5), 106.3),
            ("the dateline is one meridian", at(5.0, 180.0), at(5.0, -180.0), 0.0),
        ] {
            let Kilometres(km) = from.kilometres_to(&to);
            assert!((km - expected).abs() <= expected * 0.002 + 1e-6, "{name}: {km} km, expected {expected}");
        }
    }

    #[test]
    fn numbers_as_geo_services_write_them() {
        for (text, degrees) in
            [("5", 5.0), ("-6.26", -6.26), ("0.0", 0.0), ("007.5", 7.5), (" 53.35 ", 53.35), ("-0", 0.0)]
        {
            assert_eq!(parse_degrees(text.as_bytes()), Ok(degrees), "{text}");
        }
    }

    #[test]
    fn numbers_as_strangers_write_them() {
        let long = "9".repeat(60_000);
        for text in [
            "",
            " ",
            "-",
            ".",
            "nan",
            "NaN",
            "inf",
            "-infinity",
            "1e400",
            "1e1",
            "+5",
            ".5",
            "5.",
            "--5",
            "5 5",
            "5,",
            "0x10",
            "٥",
            "5.5.5",
            "1_000",
            &long,
        ] {
            assert_eq!(parse_degrees(text.as_bytes()), Err(Invalid::NotANumber), "{text:.20}");
        }
        assert_eq!(parse_degrees(b"Z\xfcrich"), Err(Invalid::NotANumber));
    }

    #[test]
    fn points_that_are_not_on_the_globe() {
        for (latitude, longitude, why) in [
            (90.0001, 0.0, Invalid::Latitude),
            (-122.08, 37.38, Invalid::Latitude), // swapped
            (999.9, 999.9, Invalid::Latitude),
            (f64::NAN, 0.0, Invalid::Latitude),
            (0.0, 180.0001, Invalid::Longitude),
            (0.0, f64::INFINITY, Invalid::Longitude),
            (0.0, -0.0, Invalid::NullIsland),
        ] {
            assert_eq!(Coordinates::new(latitude, longitude), Err(why), "{latitude},{longitude}");
        }
    }

    #[test]
    fn a_pair_in_one_header() {
        assert_eq!(Coordinates::parse_pair(b"37.386,-122.084"), Ok(at(37.386, -122.084)));
        assert_eq!(Coordinates::parse_pair(b" 37.386 , -122.084 "), Ok(at(37.386, -122.084)));
        for text in ["", ",", "37.386", "37.386,", ",5", "1,2,3", "37.386;-122.084"] {
            assert_eq!(Coordinates::parse_pair(text.as_bytes()), Err(Invalid::NotANumber), "{text}");
        }
    }
}
