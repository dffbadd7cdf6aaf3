//! Every edge that has a preset: its headers as its vendor documents them, and what it writes when it does not know.
//!
//! Formats and examples are the vendors' own, from the pages that `src/client/presets.rs` names.

use serde_json::{Value, json};
use test_harness::{Response, World, places::*};

/// San Francisco and Mountain View are nearest to Portland, Cambridge in Massachusetts to Ashburn. The kilometres were computed
/// with another formula (haversine) in another language.
const SAN_FRANCISCO: &str = "region=us-west;reason=nearest;km=861;rank=1;via=headers;country=US";
const MOUNTAIN_VIEW: &str = "region=us-west;reason=nearest;km=906;rank=1;via=headers;country=US";
const CAMBRIDGE: &str = "region=us-east;reason=nearest;km=652;rank=1;via=headers;country=US";
const UNKNOWN: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";
/// Somewhere in the country: how many kilometres that is does not matter here.
const IN_FIJI: &str = "region=oceania;reason=nearest;km=…;rank=1;via=country;country=FJ";

type Headers<'a> = &'a [(&'a str, &'a str)];
type Case = (Headers<'static>, &'static str);

/// Each preset with requests as its edge sends them, and the decisions. Names are spelt as the vendor does.
#[rustfmt::skip]
const EDGES: [(&str, &[Case]); 6] = [
    ("cloudflare", &[
        (&[("CF-IPLatitude", "37.7749"), ("CF-IPLongitude", "-122.4194"), ("CF-IPCountry", "US")], SAN_FRANCISCO),
        (&[("cf-iplatitude", "37.77490"), ("cf-iplongitude", "-122.41940"), ("cf-ipcountry", "US"),
           ("cf-ipcity", "San Francisco"), ("cf-region-code", "CA"), ("cf-ipcontinent", "NA")], SAN_FRANCISCO),
        (&[("CF-IPCountry", "FJ")], IN_FIJI),
        (&[("CF-IPCountry", "XX")], UNKNOWN),
        (&[("CF-IPCountry", "T1")], UNKNOWN),
    ]),
    ("cloudfront", &[
        (&[("CloudFront-Viewer-Latitude", "37.77490"), ("CloudFront-Viewer-Longitude", "-122.41940"),
           ("CloudFront-Viewer-Country", "US"), ("CloudFront-Viewer-City", "San Francisco")], SAN_FRANCISCO),
        (&[("CloudFront-Viewer-Country", "FJ")], IN_FIJI),
        (&[], UNKNOWN),
    ]),
    ("gcp", &[
        (&[("X-Client-City-Lat-Long", "37.386051,-122.083851"), ("X-Client-Region", "US")], MOUNTAIN_VIEW),
        (&[("X-Client-City-Lat-Long", ""), ("X-Client-Region", "FJ")], IN_FIJI),
        (&[("X-Client-City-Lat-Long", ""), ("X-Client-Region", "")], UNKNOWN),
    ]),
    ("fastly", &[
        (&[("Client-Geo-Latitude", "37.775"), ("Client-Geo-Longitude", "-122.419"), ("Client-Geo-Country", "US")], SAN_FRANCISCO),
        (&[("Client-Geo-Latitude", "999.900"), ("Client-Geo-Longitude", "999.900"), ("Client-Geo-Country", "FJ")], IN_FIJI),
        (&[("Client-Geo-Latitude", "999.9"), ("Client-Geo-Longitude", "999.9"), ("Client-Geo-Country", "")], UNKNOWN),
        (&[("Client-Geo-Latitude", "999.000"), ("Client-Geo-Longitude", "999.000"), ("Client-Geo-Country", "**")], UNKNOWN),
    ]),
    ("akamai", &[
        (&[("X-Akamai-Edgescape", "georegion=246,country_code=US,region_code=MA,city=CAMBRIDGE,dma=506,pmsa=1120,\
            areacode=617,county=MIDDLESEX,fips=25017,lat=42.3933,long=-71.1333,timezone=EST,zip=02138-02142+02238-02239,\
            continent=NA,throughput=vhigh,asnum=21399")], CAMBRIDGE),
        (&[("X-Akamai-Edgescape", "georegion=76,country_code=FJ,continent=OC,timezone=GMT+12")], IN_FIJI),
        (&[("X-Akamai-Edgescape", "country_code=reserved")], UNKNOWN),
        (&[("X-Akamai-Edgescape", "")], UNKNOWN),
    ]),
    ("vercel", &[
        (&[("x-vercel-ip-latitude", "37.7749"), ("x-vercel-ip-longitude", "-122.4194"), ("x-vercel-ip-country", "US"),
           ("x-vercel-ip-city", "San%20Francisco")], SAN_FRANCISCO),
        (&[("x-vercel-ip-country", "FJ")], IN_FIJI),
        (&[], UNKNOWN),
    ]),
];

#[test]
fn each_edge_is_understood_and_no_other() {
    let world = four_regions();
    for (preset, _) in EDGES {
        world.add_listener(preset, json!({"clientLocation": {"preset": preset}}));
    }
    for (edge, cases) in EDGES {
        for (headers, expected) in cases {
            let response = |listener| send(&world, listener, headers);
            assert_eq!(shown(&response(edge)), *expected, "{edge}: {headers:?}");
            assert_eq!(response(edge).status, 200);
            for (other, _) in EDGES.iter().filter(|(other, _)| *other != edge) {
                assert_eq!(shown(&response(other)), UNKNOWN, "{edge}'s headers to {other}: {headers:?}");
            }
        }
    }
    assert!(world.ignored_geo_headers().is_empty(), "none of all that is malformed: {:?}", world.ignored_geo_headers());
}

#[test]
fn single_names_of_a_preset_can_be_others() {
    let world = four_regions();
    let suva = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
    #[rustfmt::skip]
    let cases: [(&str, Value, Headers<'_>, String); 5] = [
        ("latitude", json!({"preset": "cloudflare", "headers": {"latitude": "X-Lat"}}),
            &[("x-lat", "-18.14"), ("cf-iplongitude", "178.44"), ("cf-iplatitude", "53.35")], suva.into()),
        ("longitude", json!({"preset": "vercel", "headers": {"longitude": "x-lon"}}),
            &[("x-vercel-ip-latitude", "-18.14"), ("x-lon", "178.44")], suva.into()),
        ("position", json!({"preset": "gcp", "headers": {"position": "x-where"}}),
            &[("x-where", "-18.14,178.44"), ("x-client-region", "FJ")], format!("{suva};country=FJ")),
        ("country", json!({"preset": "cloudfront", "countryHeader": "x-country"}),
            &[("x-country", "FJ"), ("cloudfront-viewer-country", "US")], IN_FIJI.into()),
        ("edgescape", json!({"preset": "akamai", "headers": {"edgescape": "x-edge"}, "countryHeader": "x-country"}),
            &[("x-edge", "lat=-18.14,long=178.44,country_code=US"), ("x-country", "FJ")], format!("{suva};country=FJ")),
    ];
    for (name, location, headers, expected) in cases {
        world.add_listener(name, json!({"clientLocation": location}));
        assert_eq!(shown(&send(&world, name, headers)), expected, "{name}");
    }
}

#[test]
fn a_country_header_stands_in_for_a_place_without_any_preset() {
    let world = four_regions();
    for (headers, expected) in [
        (&[("x-geo-country", "FJ")][..], IN_FIJI),
        (&[("X-Geo-Country", "fj")], IN_FIJI),
        (&[("x-geo-country", "XX")], UNKNOWN),
        (&[("x-geo-country", "ZZ")], UNKNOWN),
        (&[("x-geo-country", "FJI")], UNKNOWN),
        (&[("x-geo-country", "\u{fc}\u{fc}")], UNKNOWN),
        (&[("x-geo-country", "FJ"), ("x-geo-country", "FJ")], UNKNOWN),
        (&[("x-geo-country", "FJ"), ("x-geo-latitude", "nan"), ("x-geo-longitude", "178.44")], IN_FIJI),
        (&[("x-geo-country", "US"), ("x-geo-latitude", "37.7749"), ("x-geo-longitude", "-122.4194")], SAN_FRANCISCO),
    ] {
        assert_eq!(shown(&send(&world, "gateway", headers)), expected, "{headers:?}");
    }
    assert_eq!(world.ignored_geo_headers(), [("invalid".to_owned(), 2)].into());
}

fn send(world: &World, listener: &str, headers: Headers<'_>) -> Response {
    let client = world.client_of(listener);
    headers.iter().fold(client, |client, (name, value)| client.header(name, value)).get("/")
}

/// The decision, without the kilometres to the middle of a country.
fn shown(response: &Response) -> String {
    let decision = response.decision();
    let coarse = decision.contains(";via=country;");
    let fields = decision.split(';').map(|field| if coarse && field.starts_with("km=") { "km=…" } else { field });
    fields.collect::<Vec<_>>().join(";")
}

/// Four regions and a gateway in Dublin that believes everybody.
fn four_regions() -> World {
    World::new()
        .region("eu-west", DUBLIN)
        .region("us-east", ASHBURN)
        .region("us-west", PORTLAND)
        .region("oceania", SYDNEY)
        .filter(json!({"clientLocation": {"headers": null}})) // envoy.yaml names them
        .start()
}
