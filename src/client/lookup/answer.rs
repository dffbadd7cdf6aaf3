//! What a lookup service answers, and what that means.
//!
//! The bytes come from somebody else's server: whatever they hold, the result is an [`Answer`] or the name of what is wrong.

use super::Prefix;
use crate::call::{Failure, Reply};
use crate::client::country::Country;
use crate::geo::{self, Coordinates, Invalid};
use serde::Serialize;
use serde_json::Value;
use std::net::IpAddr;

/// The longest body that is looked at, in bytes; ipinfo.io's are about 300.
pub const BODY_LIMIT: usize = 16 * 1024;

/// Where in a JSON answer things stand (JSON pointers, RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pointers {
    /// The coordinates.
    pub coordinates: CoordinatePointers,
    /// The country's code.
    pub country: String,
    /// The address that the answer is about.
    pub address: String,
}

/// Where the coordinates stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum CoordinatePointers {
    /// `"lat,lon"` in one text.
    One(String),
    /// Two numbers, or texts that hold one.
    Pair {
        /// Degrees north.
        latitude: String,
        /// Degrees east.
        longitude: String,
    },
}

/// What is known about the addresses of a prefix: possibly nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer {
    /// Where they are.
    pub coordinates: Option<Coordinates>,
    /// In which country.
    pub country: Option<Country>,
}

/// How a lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A place or a country is known.
    Found,
    /// The service answered that it knows neither.
    Nowhere,
    /// Not the HTTP or the JSON that it should be, or no place on the globe in it.
    Malformed,
    /// An answer about another address.
    OtherAddress,
    /// A body of more than [`BODY_LIMIT`].
    TooLarge,
    /// 429: asked too often.
    Limited,
    /// 5xx.
    ServerError,
    /// Any other status that is not 2xx, such as a token that is not accepted.
    Status,
    /// Nobody answered.
    Failed(Failure),
}

/// Reads the service's reply to the question about this prefix.
pub fn read(reply: &Reply<'_>, asked: Prefix, pointers: &Pointers) -> (Outcome, Answer) {
    let outcome = match *reply {
        Reply::Failed(Failure::Malformed) => Outcome::Malformed,
        Reply::Failed(failure) => Outcome::Failed(failure),
        Reply::Answered { status: Some(200..=299), body } => match parse(body, asked, pointers) {
            Ok(answer) if answer != Answer::default() => return (Outcome::Found, answer),
            Ok(_) => Outcome::Nowhere,
            Err(outcome) => outcome,
        },
        Reply::Answered { status: Some(404), .. } => Outcome::Nowhere,
        Reply::Answered { status: Some(429), .. } => Outcome::Limited,
        Reply::Answered { status: Some(500..=599), .. } => Outcome::ServerError,
        Reply::Answered { .. } => Outcome::Status,
    };
    (outcome, Answer::default())
}

/// Reads the body of an answer.
///
/// # Errors
/// What is wrong with it.
pub fn parse(body: &[u8], asked: Prefix, pointers: &Pointers) -> Result<Answer, Outcome> {
    if body.len() > BODY_LIMIT {
        return Err(Outcome::TooLarge);
    }
    let document: Value = serde_json::from_slice(body).or(Err(Outcome::Malformed))?;
    if !document.is_object() {
        return Err(Outcome::Malformed);
    }
    let at = |pointer: &str| document.pointer(pointer).filter(|value| !value.is_null() && value.as_str() != Some(""));
    if let Some(address) = at(&pointers.address) {
        let address: Option<IpAddr> = address.as_str().and_then(|text| text.parse().ok());
        if address.map(|address| address.to_canonical()) != Some(asked.first()) {
            return Err(Outcome::OtherAddress);
        }
    }
    let coordinates = match &pointers.coordinates {
        CoordinatePointers::One(pointer) => match at(pointer) {
            Some(pair) => known(Coordinates::parse_pair(pair.as_str().unwrap_or_default().as_bytes()))?,
            None => None,
        },
        CoordinatePointers::Pair { latitude, longitude } => match (at(latitude), at(longitude)) {
            (Some(latitude), Some(longitude)) => known(Coordinates::new(degrees(latitude)?, degrees(longitude)?))?,
            (None, None) => None,
            _ => return Err(Outcome::Malformed),
        },
    };
    let country = at(&pointers.country).and_then(Value::as_str).and_then(|code| Country::parse(code.as_bytes()));
    Ok(Answer { coordinates, country })
}

/// 0,0 is how services write that they do not know; everything else that is no place is a mistake.
fn known(coordinates: Result<Coordinates, Invalid>) -> Result<Option<Coordinates>, Outcome> {
    match coordinates {
        Ok(coordinates) => Ok(Some(coordinates)),
        Err(Invalid::NullIsland) => Ok(None),
        Err(_) => Err(Outcome::Malformed),
    }
}

fn degrees(value: &Value) -> Result<f64, Outcome> {
    let number = match value {
        Value::String(text) => geo::parse_degrees(text.as_bytes()).ok(),
        value => value.as_f64(),
    };
    number.ok_or(Outcome::Malformed)
}

impl Outcome {
    /// Every outcome there is.
    pub const ALL: [Self; 13] = [
        Self::Found,
        Self::Nowhere,
        Self::Malformed,
        Self::OtherAddress,
        Self::TooLarge,
        Self::Limited,
        Self::ServerError,
        Self::Status,
        Self::Failed(Failure::Timeout),
        Self::Failed(Failure::Refused),
        Self::Failed(Failure::Reset),
        Self::Failed(Failure::NoHost),
        Self::Failed(Failure::NoCluster),
    ];

    /// The position in [`Outcome::ALL`].
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or_default()
    }

    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Nowhere => "nowhere",
            Self::Malformed => "malformed",
            Self::OtherAddress => "otherAddress",
            Self::TooLarge => "tooLarge",
            Self::Limited => "limited",
            Self::ServerError => "serverError",
            Self::Status => "status",
            Self::Failed(failure) => failure.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Prefix {
        Prefix::of("8.8.8.8".parse().unwrap(), 24, 48).unwrap()
    }

    fn ipinfo() -> Pointers {
        Pointers {
            coordinates: CoordinatePointers::One("/loc".into()),
            country: "/country".into(),
            address: "/ip".into(),
        }
    }

    fn ip_api() -> Pointers {
        let coordinates = CoordinatePointers::Pair { latitude: "/lat".into(), longitude: "/lon".into() };
        Pointers { coordinates, country: "/countryCode".into(), address: "/query".into() }
    }

    type Read = (Option<(f64, f64)>, Option<Country>);

    fn parsed(body: &str, pointers: &Pointers) -> Result<Read, Outcome> {
        let degrees = |coordinates: Coordinates| (coordinates.latitude(), coordinates.longitude());
        parse(body.as_bytes(), asked(), pointers).map(|answer| (answer.coordinates.map(degrees), answer.country))
    }

    #[test]
    fn a_service_that_answers_like_ipinfo() {
        let us = Country::parse(b"US");
        let mountain_view = Some((37.386, -122.084));
        for (body, expected) in [
            (r#"{"ip": "8.8.8.0", "loc": "37.386,-122.084", "country": "US"}"#, Ok((mountain_view, us))),
            (r#"{"loc": "37.386,-122.084"}"#, Ok((mountain_view, None))),
            (r#"{"ip": "::ffff:8.8.8.0", "country": "US"}"#, Ok((None, us))),
            (r#"{"ip": "8.8.8.0", "bogon": true}"#, Ok((None, None))),
            (r#"{"ip": null, "loc": "", "country": null}"#, Ok((None, None))),
            (r#"{"loc": "0,0", "country": "XX"}"#, Ok((None, None))),
            (r#"{"ip": "8.8.8.8", "loc": "37.386,-122.084"}"#, Err(Outcome::OtherAddress)),
            (r#"{"ip": 134744064, "loc": "37.386,-122.084"}"#, Err(Outcome::OtherAddress)),
            (r#"{"loc": "nan,0"}"#, Err(Outcome::Malformed)),
            (r#"{"loc": "91,0"}"#, Err(Outcome::Malformed)),
            (r#"{"loc": [37.386, -122.084]}"#, Err(Outcome::Malformed)),
            (r#"["37.386,-122.084"]"#, Err(Outcome::Malformed)),
            ("<html>rate limited</html>", Err(Outcome::Malformed)),
            ("", Err(Outcome::Malformed)),
        ] {
            assert_eq!(parsed(body, &ipinfo()), expected, "{body}");
        }
        assert_eq!(parse(b"{\"loc\": \"\xff\"}", asked(), &ipinfo()), Err(Outcome::Malformed));
        let nested = [r#"{"loc": "#, &"[".repeat(8_000), &"]".repeat(8_000), "}"].concat();
        assert_eq!(parsed(&nested, &ipinfo()), Err(Outcome::Malformed));
        assert_eq!(parsed(&" ".repeat(BODY_LIMIT + 1), &ipinfo()), Err(Outcome::TooLarge));
    }

    #[test]
    fn a_service_of_another_shape() {
        let dulles = Ok((Some((39.03, -77.5)), Country::parse(b"US")));
        for (body, expected) in [
            (r#"{"status": "success", "query": "8.8.8.0", "lat": 39.03, "lon": -77.5, "countryCode": "US"}"#, dulles),
            (r#"{"lat": "39.03", "lon": "-77.5", "countryCode": "us"}"#, dulles),
            (r#"{"lat": 0, "lon": 0}"#, Ok((None, None))),
            (r#"{"status": "fail", "query": "8.8.8.0"}"#, Ok((None, None))),
            (r#"{"query": "8.8.4.0", "lat": 39.03, "lon": -77.5}"#, Err(Outcome::OtherAddress)),
            (r#"{"lat": 39.03}"#, Err(Outcome::Malformed)),
            (r#"{"lat": true, "lon": 1}"#, Err(Outcome::Malformed)),
            (r#"{"lat": 1e300, "lon": 1}"#, Err(Outcome::Malformed)),
            (r#"{"lat": "1e1", "lon": 1}"#, Err(Outcome::Malformed)),
        ] {
            assert_eq!(parsed(body, &ip_api()), expected, "{body}");
        }
    }

    #[test]
    fn what_a_status_means() {
        let body = br#"{"loc": "37.386,-122.084"}"#;
        for (status, outcome) in [
            (Some(200), Outcome::Found),
            (Some(203), Outcome::Found),
            (Some(301), Outcome::Status),
            (Some(401), Outcome::Status),
            (Some(404), Outcome::Nowhere),
            (Some(429), Outcome::Limited),
            (Some(503), Outcome::ServerError),
            (None, Outcome::Status),
        ] {
            let (read, answer) = read(&Reply::Answered { status, body }, asked(), &ipinfo());
            assert_eq!(read, outcome, "{status:?}");
            assert_eq!(answer.coordinates.is_some(), outcome == Outcome::Found, "{status:?}");
        }
    }
}
