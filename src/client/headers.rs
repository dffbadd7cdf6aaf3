//! Geo headers: the names under which an edge tells where its client is, and the formats that edges use.

use super::Headers;
use super::country::Country;
use super::edgescape::EdgeScape;
use crate::geo::{self, Coordinates};

/// The headers of one edge. Names are lower-case.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoHeaders {
    /// Where the coordinates stand.
    pub position: Position,
    /// Where the country stands, if not in the same header as the coordinates.
    pub country: Option<String>,
    /// What the edge writes in place of degrees when it does not know.
    pub unknown: &'static [f64],
}

/// Where the coordinates stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A number in each of two headers.
    Pair {
        /// Name of the header with the latitude.
        latitude: String,
        /// Name of the header with the longitude.
        longitude: String,
    },
    /// `lat,lon` in one header of this name.
    One(String),
    /// Akamai's list of properties in one header of this name, which holds the country as well.
    EdgeScape(String),
}

/// A header that holds something else than it should, or came more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl GeoHeaders {
    /// Every name in use.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match &self.position {
            Position::Pair { latitude, longitude } => (latitude, Some(longitude)),
            Position::One(name) | Position::EdgeScape(name) => (name, None),
        };
        std::iter::once(first).chain(second).chain(&self.country).map(String::as_str)
    }

    /// The place that these headers tell; `None` if there is none, or the edge says that it does not know.
    ///
    /// # Errors
    /// If they hold no place on the globe.
    pub fn coordinates(&self, headers: &Headers) -> Result<Option<Coordinates>, Malformed> {
        match &self.position {
            Position::Pair { latitude, longitude } => match (only(headers, latitude)?, only(headers, longitude)?) {
                (None, None) => Ok(None),
                (Some(latitude), Some(longitude)) => self.degrees(latitude, longitude),
                _ => Err(Malformed),
            },
            Position::One(name) => {
                only(headers, name)?.map_or(Ok(None), |pair| Coordinates::parse_pair(pair).map(Some).or(Err(Malformed)))
            }
            Position::EdgeScape(name) => match only(headers, name)?.map(EdgeScape::parse).transpose()? {
                None | Some(EdgeScape { latitude: None, longitude: None, .. }) => Ok(None),
                Some(EdgeScape { latitude: Some(latitude), longitude: Some(longitude), .. }) => {
                    self.degrees(latitude, longitude)
                }
                Some(_) => Err(Malformed),
            },
        }
    }

    /// The country that these headers tell; `None` if they name none of [`Country`]'s.
    ///
    /// # Errors
    /// If they do not hold what they should.
    pub fn country(&self, headers: &Headers) -> Result<Option<Country>, Malformed> {
        let code = match (&self.country, &self.position) {
            (Some(name), _) => only(headers, name)?,
            (None, Position::EdgeScape(name)) => {
                only(headers, name)?.map(EdgeScape::parse).transpose()?.and_then(|properties| properties.country)
            }
            (None, _) => None,
        };
        Ok(code.and_then(Country::parse))
    }

    fn degrees(&self, latitude: &[u8], longitude: &[u8]) -> Result<Option<Coordinates>, Malformed> {
        let degrees = |text| geo::parse_degrees(text).or(Err(Malformed));
        let (latitude, longitude) = (degrees(latitude)?, degrees(longitude)?);
        if self.unknown.contains(&latitude) && self.unknown.contains(&longitude) {
            return Ok(None);
        }
        Coordinates::new(latitude, longitude).map(Some).or(Err(Malformed))
    }
}

/// The value of a header that may come at most once; an empty one says as much as none.
///
/// # Errors
/// If it came more than once.
pub(super) fn only<'a>(headers: &'a Headers, name: &str) -> Result<Option<&'a [u8]>, Malformed> {
    let mut values = headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.trim_ascii());
    match (values.next(), values.next()) {
        (value, None) => Ok(value.filter(|value| !value.is_empty())),
        (_, Some(_)) => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;

    const GENEVA: Result<Option<(f64, f64)>, Malformed> = Ok(Some((46.2, 6.14)));
    const FASTLY: &[f64] = &[999.0, 999.9];

    fn coordinates(position: Position, headers: &[&str]) -> Result<Option<(f64, f64)>, Malformed> {
        let geo = GeoHeaders { position, country: None, unknown: FASTLY };
        geo.coordinates(&lines(headers)).map(|found| found.map(|it| (it.latitude(), it.longitude())))
    }

    #[test]
    fn two_headers() {
        for (headers, expected) in [
            (&["x-lat: 46.2", "x-lon: 6.14"][..], GENEVA),
            (&["x-lon: 6.14", "host: a", "x-lat: 46.2"], GENEVA),
            (&[], Ok(None)),
            (&["x-lat: ", "x-lon: "], Ok(None)),
            (&["x-lat: 999.9", "x-lon: 999.9"], Ok(None)),
            (&["x-lat: 999.900", "x-lon: 999.000"], Ok(None)),
            (&["x-lat: 46.2", "x-lon: 999.9"], Err(Malformed)),
            (&["x-lat: 999.8", "x-lon: 999.8"], Err(Malformed)),
            (&["x-lat: 46.2"], Err(Malformed)),
            (&["x-lat: 46.2", "x-lon: "], Err(Malformed)),
            (&["x-lat: 46.2", "x-lat: 46.2", "x-lon: 6.14"], Err(Malformed)),
            (&["x-lat: 46.2,46.2", "x-lon: 6.14"], Err(Malformed)),
            (&["x-lat: 0", "x-lon: 0"], Err(Malformed)),
        ] {
            let pair = Position::Pair { latitude: "x-lat".into(), longitude: "x-lon".into() };
            assert_eq!(coordinates(pair, headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn one_header() {
        for (headers, expected) in [
            (&["x-pos: 46.2,6.14"][..], GENEVA),
            (&["x-pos: 46.2,6.14", "x-pos: 46.2,6.14"], Err(Malformed)),
            (&["x-pos: 46.2"], Err(Malformed)),
            (&["x-pos: "], Ok(None)),
            (&["x-lat: 46.2"], Ok(None)),
        ] {
            assert_eq!(coordinates(Position::One("x-pos".into()), headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_list_of_properties() {
        for (headers, expected) in [
            (&["x-edge: lat=46.2,long=6.14"][..], GENEVA),
            (&["x-edge: country_code=CH"], Ok(None)),
            (&["x-edge: lat=46.2"], Err(Malformed)),
            (&["x-edge: lat=46.2,lat=46.2,long=6.14"], Err(Malformed)),
        ] {
            assert_eq!(coordinates(Position::EdgeScape("x-edge".into()), headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn countries() {
        let one = || Position::One("x-pos".into());
        let edgescape = || Position::EdgeScape("x-edge".into());
        let own = || Some("x-country".to_owned());
        for (position, country, headers, expected) in [
            (one(), own(), &["x-country: CH"][..], Ok(Country::parse(b"CH"))),
            (one(), own(), &["x-country: XX"], Ok(None)),
            (one(), own(), &["x-country: "], Ok(None)),
            (one(), own(), &[], Ok(None)),
            (one(), own(), &["x-country: CH", "x-country: CH"], Err(Malformed)),
            (one(), None, &["x-country: CH"], Ok(None)),
            (edgescape(), None, &["x-edge: country_code=CH"], Ok(Country::parse(b"CH"))),
            (edgescape(), own(), &["x-edge: country_code=CH", "x-country: FR"], Ok(Country::parse(b"FR"))),
        ] {
            let geo = GeoHeaders { position, country, unknown: &[] };
            assert_eq!(geo.country(&lines(headers)), expected, "{headers:?}");
        }
    }

    #[test]
    fn names_in_use() {
        let pair = Position::Pair { latitude: "a".into(), longitude: "b".into() };
        let geo = GeoHeaders { position: pair, country: Some("c".into()), unknown: &[] };
        assert_eq!(geo.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        let geo = GeoHeaders { position: Position::One("a".into()), country: None, unknown: &[] };
        assert_eq!(geo.names().collect::<Vec<_>>(), ["a"]);
    }
}
