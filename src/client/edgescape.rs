//! Akamai's EdgeScape header: a list of properties such as `country_code=US,city=CAMBRIDGE,lat=42.3933,long=-71.1333`.
//!
//! Only the three properties that tell a place are looked at; what the others hold does not matter.

use super::headers::Malformed;

/// The properties of one header, as they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeScape<'a> {
    /// `lat`, in degrees.
    pub latitude: Option<&'a [u8]>,
    /// `long`, in degrees.
    pub longitude: Option<&'a [u8]>,
    /// `country_code`.
    pub country: Option<&'a [u8]>,
}

/// What Akamai writes of addresses that are nowhere in particular.
const UNKNOWN: &[u8] = b"reserved";

impl<'a> EdgeScape<'a> {
    /// Reads a header. A property that is empty or `reserved` says as much as none.
    ///
    /// # Errors
    /// If one of the three comes more than once.
    pub fn parse(header: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        for property in header.split(|&byte| byte == b',') {
            let mut parts = property.splitn(2, |&byte| byte == b'=').map(<[u8]>::trim_ascii);
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
            let coordinates = match name {
                b"lat" => &mut read.latitude,
                b"long" => &mut read.longitude,
                b"country_code" => &mut read.country,
                _ => continue,
            };
            if !value.is_empty() && value != UNKNOWN && coordinates.replace(value).is_some() {
                return Err(Malformed);
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_edges_and_strangers_write() {
        let read = |latitude: &'static str, longitude: &'static str, country: &'static str| {
            let given = |text: &'static str| (!text.is_empty()).then_some(text.as_bytes());
            Ok(EdgeScape { latitude: given(latitude), longitude: given(longitude), country: given(country) })
        };
        for (header, expected) in [
            (
                "georegion=246,country_code=US,region_code=MA,city=CAMBRIDGE,dma=506,lat=42.3933,long=-71.1333,zip=02138-02142",
                read("42.3933", "-71.1333", "US"),
            ),
            ("lat=42.3933, long=-71.1333", read("42.3933", "-71.1333", "")),
            ("country_code=reserved,city=reserved,lat=reserved,long=reserved", read("", "", "")),
            ("lat=,long=,country_code=", read("", "", "")),
            ("lat,long", read("", "", "")),
            ("latitude=1,xlat=2,LAT=3", read("", "", "")),
            ("lat=1=2", read("1=2", "", "")),
            ("lat=1,lat=2", Err(Malformed)),
            ("country_code=US,country_code=US", Err(Malformed)),
            ("", read("", "", "")),
            (",,,=,=,", read("", "", "")),
        ] {
            assert_eq!(EdgeScape::parse(header.as_bytes()), expected, "{header}");
        }
    }
}
