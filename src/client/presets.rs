//! Edges by name: which headers each of them sets, as its vendor documents them.

use super::headers::{GeoHeaders, Position};

/// An edge by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// No edge in particular: greatcircle's own names.
    None,
    /// Cloudflare, with its managed transform "Add visitor location headers". Unknown countries are `XX`, Tor is `T1`.
    /// <https://developers.cloudflare.com/rules/transform/managed-transforms/reference/>
    Cloudflare,
    /// Amazon CloudFront, with these headers in the origin request policy.
    /// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/adding-cloudfront-headers.html>
    CloudFront,
    /// Google Cloud's load balancers, with the custom headers `X-Client-City-Lat-Long:{client_city_lat_long}` and
    /// `X-Client-Region:{client_region}`; what is unknown is empty.
    /// <https://cloud.google.com/load-balancing/docs/https/custom-headers>
    Gcp,
    /// Fastly, with VCL that copies `client.geo.latitude`, `client.geo.longitude` and `client.geo.country_code` into headers of
    /// these names; unknown numbers are 999.9, or 999.0 for an address that is none.
    /// <https://www.fastly.com/documentation/reference/vcl/variables/geolocation/>
    Fastly,
    /// Akamai, with the behaviour "Content Targeting (EdgeScape)"; what is unknown is empty or `reserved`.
    /// <https://techdocs.akamai.com/property-mgr/docs/content-tgting>
    Akamai,
    /// Vercel.
    /// <https://vercel.com/docs/headers/request-headers>
    Vercel,
}

impl Preset {
    /// Every preset by its name in the configuration.
    pub const ALL: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("cloudflare", Self::Cloudflare),
        ("cloudfront", Self::CloudFront),
        ("gcp", Self::Gcp),
        ("fastly", Self::Fastly),
        ("akamai", Self::Akamai),
        ("vercel", Self::Vercel),
    ];

    /// The headers that this edge sets.
    pub fn headers(self) -> GeoHeaders {
        match self {
            Self::None => pair("x-geo-latitude", "x-geo-longitude", "x-geo-country"),
            Self::Cloudflare => pair("cf-iplatitude", "cf-iplongitude", "cf-ipcountry"),
            Self::CloudFront => {
                pair("cloudfront-viewer-latitude", "cloudfront-viewer-longitude", "cloudfront-viewer-country")
            }
            Self::Gcp => GeoHeaders {
                position: Position::One("x-client-city-lat-long".into()),
                country: Some("x-client-region".into()),
                unknown: &[],
            },
            Self::Fastly => GeoHeaders {
                unknown: &[999.9, 999.0],
                ..pair("client-geo-latitude", "client-geo-longitude", "client-geo-country")
            },
            Self::Akamai => GeoHeaders {
                position: Position::EdgeScape("x-akamai-edgescape".into()),
                country: None, // in the same header
                unknown: &[],
            },
            Self::Vercel => pair("x-vercel-ip-latitude", "x-vercel-ip-longitude", "x-vercel-ip-country"),
        }
    }
}

fn pair(latitude: &str, longitude: &str, country: &str) -> GeoHeaders {
    let position = Position::Pair { latitude: latitude.into(), longitude: longitude.into() };
    GeoHeaders { position, country: Some(country.into()), unknown: &[] }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;
    use crate::client::country::Country;

    #[test]
    fn what_each_edge_sends() {
        type Place = Option<(f64, f64)>;
        let somewhere: Place = Some((37.386, -122.0838));
        for (preset, headers, coordinates, country) in [
            (
                Preset::None,
                &["x-geo-latitude: 37.386", "x-geo-longitude: -122.0838", "x-geo-country: US"][..],
                somewhere,
                Some("US"),
            ),
            (
                Preset::Cloudflare,
                &["cf-iplatitude: 37.38600", "cf-iplongitude: -122.08380", "cf-ipcountry: US"],
                somewhere,
                Some("US"),
            ),
            (Preset::Cloudflare, &["cf-ipcountry: XX"], None, None),
            (Preset::Cloudflare, &["cf-ipcountry: T1"], None, None),
            (
                Preset::CloudFront,
                &[
                    "cloudfront-viewer-latitude: 37.38600",
                    "cloudfront-viewer-longitude: -122.08380",
                    "cloudfront-viewer-country: US",
                ],
                somewhere,
                Some("US"),
            ),
            (
                Preset::Gcp,
                &["x-client-city-lat-long: 37.386000,-122.083800", "x-client-region: US"],
                somewhere,
                Some("US"),
            ),
            (Preset::Gcp, &["x-client-city-lat-long: ", "x-client-region: "], None, None),
            (
                Preset::Fastly,
                &["client-geo-latitude: 37.386", "client-geo-longitude: -122.0838", "client-geo-country: US"],
                somewhere,
                Some("US"),
            ),
            (
                Preset::Fastly,
                &["client-geo-latitude: 999.900", "client-geo-longitude: 999.900", "client-geo-country: **"],
                None,
                None,
            ),
            (Preset::Fastly, &["client-geo-latitude: 999.0", "client-geo-longitude: 999.0"], None, None),
            (
                Preset::Akamai,
                &["x-akamai-edgescape: georegion=246,country_code=US,city=X,lat=37.386,long=-122.0838,zip=94035+94039"],
                somewhere,
                Some("US"),
            ),
            (
                Preset::Akamai,
                &["x-akamai-edgescape: georegion=1,country_code=reserved,lat=reserved,long=reserved"],
                None,
                None,
            ),
            (
                Preset::Vercel,
                &["x-vercel-ip-latitude: 37.386", "x-vercel-ip-longitude: -122.0838", "x-vercel-ip-country: US"],
                somewhere,
                Some("US"),
            ),
        ] {
            let (geo, headers) = (preset.headers(), lines(headers));
            let degrees = geo.coordinates(&headers).map(|found| found.map(|it| (it.latitude(), it.longitude())));
            assert_eq!(degrees, Ok(coordinates), "{preset:?} {headers:?}");
            let country = country.and_then(|code| Country::parse(code.as_bytes()));
            assert_eq!(geo.country(&headers), Ok(country), "{preset:?} {headers:?}");
        }
    }
}
