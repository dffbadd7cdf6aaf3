//! What is accepted of `clientLocation`, and what comes of it.

use crate::valid::{DAY, MS, SECOND, coordinates, of, pair, parse, texts, two_regions, with};
use greatcircle::call::Request;
use greatcircle::client::headers::{GeoHeaders, Position};
use greatcircle::client::lookup::answer::{CoordinatePointers, Pointers};
use greatcircle::client::lookup::{Budget, Cache, Rate, Settings};
use greatcircle::client::networks::Site;
use greatcircle::client::presets::Preset;
use greatcircle::client::trust::Trust;
use greatcircle::config::Config;
use greatcircle::geo::Coordinates;
use serde_json::{Value, json};

/// Where the configuration says that this address is.
pub(crate) fn site(config: &Config, address: &str) -> Option<(Coordinates, Option<String>)> {
    let Site { coordinates, country } = config.client.networks.find(address.parse().unwrap())?;
    Some((coordinates, country.map(|country| country.to_string())))
}

/// The configuration with this lookup service.
fn lookup(further: Value) -> Settings {
    let mut lookup = json!({"cluster": "ipinfo"});
    lookup.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    with("clientLocation", json!({"lookup": lookup})).client.lookup.unwrap()
}

#[test]
fn the_headers_of_an_edge_and_what_differs_from_them() {
    let headers =
        |position, country: Option<&str>, unknown| GeoHeaders { position, country: country.map(Into::into), unknown };
    let one = |name: &str| Position::One(name.into());
    let edgescape = |name: &str| Position::EdgeScape(name.into());
    for (client_location, expected) in [
        (json!({}), headers(pair("x-geo-latitude", "x-geo-longitude"), Some("x-geo-country"), &[])),
        (json!({"preset": "cloudflare"}), headers(pair("cf-iplatitude", "cf-iplongitude"), Some("cf-ipcountry"), &[])),
        (json!({"preset": "cloudflare", "headers": {}}), Preset::Cloudflare.headers()),
        (json!({"preset": "gcp"}), headers(one("x-client-city-lat-long"), Some("x-client-region"), &[])),
        (json!({"preset": "akamai"}), headers(edgescape("x-akamai-edgescape"), None, &[])),
        // One name of a preset …
        (
            json!({"preset": "cloudflare", "headers": {"latitude": "X-Lat"}}),
            headers(pair("x-lat", "cf-iplongitude"), Some("cf-ipcountry"), &[]),
        ),
        (
            json!({"preset": "fastly", "headers": {"longitude": "X-Lon"}}),
            headers(pair("client-geo-latitude", "x-lon"), Some("client-geo-country"), &[999.9, 999.0]),
        ),
        (
            json!({"preset": "gcp", "headers": {"position": "X-Geo"}}),
            headers(one("x-geo"), Some("x-client-region"), &[]),
        ),
        (
            json!({"preset": "vercel", "countryHeader": "X-Country"}),
            headers(pair("x-vercel-ip-latitude", "x-vercel-ip-longitude"), Some("x-country"), &[]),
        ),
        // … another form …
        (
            json!({"preset": "gcp", "headers": {"latitude": "X-Lat", "longitude": "X-Lon"}}),
            headers(pair("x-lat", "x-lon"), Some("x-client-region"), &[]),
        ),
        (
            json!({"preset": "cloudfront", "headers": {"position": "X-Geo"}}),
            headers(one("x-geo"), Some("cloudfront-viewer-country"), &[]),
        ),
        // … and one that brings the country with it.
        (json!({"headers": {"edgescape": "X-Edge"}}), headers(edgescape("x-edge"), None, &[])),
        (
            json!({"headers": {"edgescape": "X-Edge"}, "countryHeader": "X-Country"}),
            headers(edgescape("x-edge"), Some("x-country"), &[]),
        ),
        (
            json!({"preset": "akamai", "countryHeader": "X-Country"}),
            headers(edgescape("x-akamai-edgescape"), Some("x-country"), &[]),
        ),
    ] {
        assert_eq!(with("clientLocation", client_location.clone()).client.headers, expected, "{client_location}");
    }
}

#[test]
fn every_preset_is_accepted() {
    for (name, preset) in Preset::ALL {
        let config = with("clientLocation", json!({"preset": name}));
        assert_eq!(config.client.headers, preset.headers(), "{name}");
    }
}

#[test]
fn whom_to_believe() {
    let network = |text: &str| text.parse().unwrap();
    for (trust, expected) in [
        (json!({}), Trust::Nobody),
        (json!({"any": false}), Trust::Nobody),
        (json!({"any": true}), Trust::Anyone),
        (json!({"peers": ["10.0.0.1"]}), Trust::Peers(vec![network("10.0.0.1/32")])),
        (json!({"peers": ["::1", "10.0.0.0/8"]}), Trust::Peers(vec![network("::1/128"), network("10.0.0.0/8")])),
        (json!({"peers": ["::ffff:10.0.0.0/104"]}), Trust::Peers(vec![network("10.0.0.0/8")])),
        (json!({"peers": ["::ffff:192.0.2.7"]}), Trust::Peers(vec![network("192.0.2.7/32")])),
        (
            json!({"header": "X-Edge-Auth", "equals": "a b; Ünï"}),
            Trust::Secret { header: "x-edge-auth".into(), equals: "a b; Ünï".into() },
        ),
    ] {
        assert_eq!(with("clientLocation", json!({"trust": trust})).client.trust, expected, "{trust}");
    }
}

#[test]
fn networks_as_operators_write_them() {
    let network = |cidr, latitude| json!({"cidr": cidr, "latitude": latitude, "longitude": 8, "country": "DE"});
    let config = with(
        "clientLocation",
        json!({"networks": [
            network("10.0.0.0/8", 1),
            network("10.1.2.3/16", 2), // 10.1.0.0/16: what lies behind the prefix does not count
            network("10.1.2.3", 3),
            network("::ffff:192.0.2.0/120", 4), // 192.0.2.0/24
            network("::ffff:198.51.100.7", 5),
            network("2001:DB8::1/32", 6),
        ]}),
    );
    for (address, latitude) in [
        ("10.9.9.9", Some(1.0)),
        ("::ffff:10.9.9.9", Some(1.0)),
        ("10.1.2.4", Some(2.0)),
        ("10.1.2.3", Some(3.0)),
        ("192.0.2.255", Some(4.0)),
        ("::ffff:192.0.2.255", Some(4.0)),
        ("192.0.3.0", None),
        ("198.51.100.7", Some(5.0)),
        ("198.51.100.8", None),
        ("2001:db8:ffff::1", Some(6.0)),
        ("2001:db9::1", None),
    ] {
        let expected = latitude.map(|latitude| (coordinates(latitude, 8.0), Some("DE".to_owned())));
        assert_eq!(site(&config, address), expected, "{address}");
    }
}

#[test]
fn thousands_of_networks_fit_into_one_document() {
    let network = |index: u32| {
        let [_, high, middle, low] = (index * 256).to_be_bytes();
        let cidr = format!("11.{high}.{middle}.{low}/24");
        json!({"cidr": cidr, "latitude": f64::from(index % 90) + 0.5, "longitude": 8.7, "country": "DE"})
    };
    let networks: Vec<_> = (0..5000).map(network).collect();
    let config = with("clientLocation", json!({"networks": networks}));
    for index in [0_u32, 1, 255, 256, 4999] {
        let [_, high, middle, _] = (index * 256).to_be_bytes();
        let expected = coordinates(f64::from(index % 90) + 0.5, 8.7);
        let found = site(&config, &format!("11.{high}.{middle}.77")).map(|(coordinates, _)| coordinates);
        assert_eq!(found, Some(expected), "{index}");
    }
}

#[test]
fn every_field_of_a_lookup_has_its_effect() {
    let request = Request {
        cluster: "outbound|443||ipinfo.io".into(),
        authority: "ipinfo.io".into(),
        method: "GET".into(),
        path: "/{ip}/json?token=s3cret".into(),
        headers: texts(&[("x-caller", "greatcircle"), ("authorization", "Bearer s3cret")]),
    };
    let coordinates = CoordinatePointers::One("/geo/loc".into());
    let expected = Settings {
        request,
        timeout: 150 * MS,
        pointers: Pointers { coordinates, country: "/geo/country".into(), address: "/query".into() },
        cache: Cache { entries: 50_000, ttl: DAY / 2, negative_ttl: 60 * SECOND, prefix_v4: 22, prefix_v6: 44 },
        budget: Budget {
            worker: Rate { burst: 200, every: 500 * MS },
            network: Rate { burst: 20, every: 60 * SECOND },
        },
    };
    assert_eq!(of("full").client.lookup, Some(expected));
}

#[test]
fn a_lookup_service_is_asked_like_ipinfo_unless_told_otherwise() {
    let request = Request {
        cluster: "ipinfo".into(),
        authority: "ipinfo".into(),
        method: "GET".into(),
        path: "/{ip}/json".into(),
        headers: Vec::new(),
    };
    let coordinates = CoordinatePointers::One("/loc".into());
    let ipinfo = Settings {
        request,
        timeout: 200 * MS,
        pointers: Pointers { coordinates, country: "/country".into(), address: "/ip".into() },
        cache: Cache { entries: 10_000, ttl: DAY, negative_ttl: 300 * SECOND, prefix_v4: 24, prefix_v6: 48 },
        budget: Budget {
            worker: Rate { burst: 1000, every: SECOND },
            network: Rate { burst: 100, every: 30 * SECOND },
        },
    };
    assert_eq!(lookup(json!({})), ipinfo);
    assert_eq!(lookup(json!({"headers": {}, "cache": {}, "budget": {"worker": {}, "network": {}}})), ipinfo);
}

#[test]
fn where_an_answer_holds_the_place() {
    let two = |latitude: &str, longitude: &str| CoordinatePointers::Pair {
        latitude: latitude.into(),
        longitude: longitude.into(),
    };
    for (further, expected) in [
        (json!({"location": "/a/0/b"}), CoordinatePointers::One("/a/0/b".into())),
        (json!({"location": "/~01~10"}), CoordinatePointers::One("/~01~10".into())),
        (json!({"location": "/"}), CoordinatePointers::One("/".into())),
        (json!({"latitude": "/lat", "longitude": "/lon"}), two("/lat", "/lon")),
        (json!({"latitude": "/position/0", "longitude": "/position/1"}), two("/position/0", "/position/1")),
    ] {
        assert_eq!(lookup(further.clone()).pointers.coordinates, expected, "{further}");
    }
}

#[test]
fn nothing_is_kept_where_there_are_no_entries() {
    assert_eq!(lookup(json!({"cache": {"entries": 0}})).cache.entries, 0);
}

#[test]
fn the_fallback_is_the_local_region_or_coordinates_or_nothing() {
    let (us_east, geneva) = (Some(coordinates(39.04, -77.49)), Some(coordinates(46.2, 6.14)));
    let at_geneva = json!({"latitude": 46.2, "longitude": 6.14});
    for (fallback, node, expected) in [
        (None, None, None),
        (None, Some("us-east"), us_east),
        (None, Some("mars-north"), None),
        (Some(json!("localRegion")), Some("us-east"), us_east),
        (Some(json!("localRegion")), None, None),
        (Some(at_geneva.clone()), Some("us-east"), geneva),
        (Some(at_geneva), None, geneva),
    ] {
        let location = fallback.as_ref().map_or(json!({}), |fallback| json!({"fallback": fallback}));
        let config = parse(&two_regions(&json!({"clientLocation": location})), node);
        assert_eq!(config.client.fallback, expected, "{fallback:?} {node:?}");
    }
}
