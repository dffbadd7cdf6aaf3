//! What is accepted, and what comes of it.

use crate::locating::site;
use crate::{files, messages, minimal, stem};
use greatcircle::call::Request;
use greatcircle::client::headers::{GeoHeaders, Position};
use greatcircle::client::lookup::{Budget, Cache, Rate};
use greatcircle::client::presets::Preset;
use greatcircle::client::trust::Trust;
use greatcircle::config::{Config, Gateway};
use greatcircle::geo::Coordinates;
use greatcircle::health::Thresholds;
use greatcircle::probe::Check;
use greatcircle::region::RegionId;
use greatcircle::steering::WhenAllDown;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// The configuration of a file in `config/valid/`.
pub(crate) fn of(file: &str) -> Config {
    let path = files("valid").into_iter().find(|path| stem(path) == file).unwrap();
    Config::from_json(&std::fs::read(path).unwrap(), Gateway::UNKNOWN).unwrap()
}

/// The minimal document with this section.
pub(crate) fn with(section: &str, value: Value) -> Config {
    let mut document = minimal();
    document[section] = value;
    parse(&document, None)
}

pub(crate) fn parse(document: &Value, own_region: Option<&str>) -> Config {
    let regions: Vec<_> = own_region.map(str::to_owned).into_iter().collect();
    parse_for(document, Gateway { regions: &regions, ..Gateway::UNKNOWN })
}

pub(crate) fn parse_for(document: &Value, gateway: Gateway<'_>) -> Config {
    Config::from_json(document.to_string().as_bytes(), gateway).unwrap()
}

/// Two regions, and whatever else is given.
pub(crate) fn two_regions(further: &Value) -> Value {
    let mut document = json!({"regions": [
        {"name": "eu-west", "latitude": 53.35, "longitude": -6.26},
        {"name": "us-east", "latitude": 39.04, "longitude": -77.49},
    ]});
    document.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    document
}

fn name(config: &Config, region: Option<RegionId>) -> Option<&str> {
    region.and_then(|region| config.regions.get(region)).map(|region| region.name())
}

pub(crate) fn coordinates(latitude: f64, longitude: f64) -> Coordinates {
    Coordinates::new(latitude, longitude).unwrap()
}

pub(crate) fn texts(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn pair(latitude: &str, longitude: &str) -> Position {
    Position::Pair { latitude: latitude.into(), longitude: longitude.into() }
}

/// How each region is checked, in configured order.
fn checks(config: &Config) -> Vec<&Check> {
    config.regions.iter().map(|(_, region)| region.check()).collect()
}

/// The durations of a check: interval, edge interval, timeout, time until it is stale.
fn times(check: &Check) -> [Duration; 4] {
    [check.interval, check.edge_interval, check.timeout, check.stale_after]
}

#[test]
fn every_valid_document_is_accepted() {
    for path in files("valid") {
        assert_eq!(messages(&std::fs::read(&path).unwrap()), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn regions_alone_are_enough() {
    let config = of("minimal");
    assert_eq!(config.local_region, None);
    assert_eq!(config.policy.when_all_down, WhenAllDown::Nearest);

    let [check] = checks(&config)[..] else { panic!("one region, one check") };
    let request = Request {
        cluster: "region-eu-west".into(),
        authority: "eu-west".into(),
        method: "GET".into(),
        path: "/healthz".into(),
        headers: Vec::new(),
    };
    assert_eq!(check.request, request);
    assert_eq!((&check.expected.statuses[..], &*check.expected.body), (&[200..=299][..], ""));
    assert_eq!(times(check), [5 * SECOND, SECOND, SECOND, 30 * SECOND]);
    assert_eq!(check.thresholds, Thresholds { down_after: 3, clear_after: 3, up_after: 3 });
    assert!(check.unknown_is_up);

    let position = pair("x-geo-latitude", "x-geo-longitude");
    let geo = GeoHeaders { position, country: Some("x-geo-country".into()), unknown: &[] };
    assert_eq!((config.client.headers, config.client.trust), (geo, Trust::Nobody));
    assert!(config.client.networks.is_empty());
    assert_eq!((config.client.lookup, config.client.fallback), (None, None));
    assert_eq!(config.output.region_header, "x-greatcircle-region");
    assert_eq!(config.output.decision_header.as_deref(), Some("x-greatcircle-decision"));
    assert_eq!(config.output.response_header, None);
}

#[test]
fn every_supported_field_has_its_effect() {
    let config = of("full");
    let names: Vec<_> = config.regions.iter().map(|(_, region)| region.name()).collect();
    assert_eq!(names, ["eu-west", "eu-central", "ap-south"]);
    let all_coordinates: Vec<_> = config.regions.iter().map(|(_, region)| region.coordinates()).collect();
    assert_eq!(all_coordinates, [coordinates(53.0, -6.26), coordinates(50.11, 8.68), coordinates(19.08, 72.88)]);
    assert_eq!(name(&config, config.local_region), Some("eu-central"));

    for (region, check) in names.iter().zip(checks(&config)) {
        let request = Request {
            cluster: format!("outbound|80||{region}.gateways.example"),
            authority: format!("{region}.example.com:8443"),
            method: "OPTIONS".into(),
            path: "/ready?for={region}".into(), // filled in for clusters and authorities alone
            headers: texts(&[("x-probe", "greatcircle"), ("authorization", "Bearer s3cret")]),
        };
        assert_eq!(check.request, request);
        assert_eq!((&check.expected.statuses[..], &*check.expected.body), (&[200..=204, 304..=304][..], "ok"));
        assert_eq!(times(check), [10 * SECOND, 2 * SECOND, 1500 * MS, 45 * SECOND]);
        assert_eq!(check.thresholds, Thresholds { down_after: 5, clear_after: 4, up_after: 2 });
        assert!(!check.unknown_is_up);
    }

    let position = pair("client-geo-latitude", "x-lon");
    let geo = GeoHeaders { position, country: Some("x-country".into()), ..Preset::Fastly.headers() };
    let peers = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"].map(|network| network.parse().unwrap());
    assert_eq!((&config.client.headers, &config.client.trust), (&geo, &Trust::Peers(peers.to_vec())));
    assert_eq!(config.client.fallback, Some(coordinates(46.0, 6.14)));
    assert_eq!(site(&config, "10.1.2.3"), Some((coordinates(50.11, 8.68), Some("DE".into()))));
    assert_eq!(site(&config, "2001:db8:1:2::3"), Some((coordinates(53.0, -6.26), None)));
    assert_eq!(site(&config, "10.2.0.1"), None);
    assert_eq!(config.policy.when_all_down, WhenAllDown::Region(config.regions.find("ap-south").unwrap()));
    assert_eq!(config.output.region_header, "x-region");
    assert_eq!(config.output.decision_header.as_deref(), Some("x-decision"));
    assert_eq!(config.output.response_header.as_deref(), Some("x-served-by"));
}

#[test]
fn numbers_may_arrive_as_doubles() {
    assert_eq!(of("as-istio-delivers-it"), of("full"));
}

#[test]
fn what_is_said_explicitly_and_what_goes_without_saying_are_the_same() {
    assert_eq!(of("every-block-empty"), of("minimal"));
    assert_eq!(of("later-fields-at-their-defaults"), of("minimal"));
    let example = of("the-contracts-example");
    assert_eq!(name(&example, example.local_region), Some("eu-west"));
    assert_eq!(checks(&example)[0].request.authority, "eu-west.example.com");
    let mut minimal = minimal();
    minimal["health"]["authority"] = "{region}.example.com".into();
    assert_eq!(example, parse(&minimal, Some("eu-west")));
}

#[test]
fn the_last_valid_value_of_a_range_is_valid() {
    let config = of("at-the-limits");
    let check = checks(&config)[0];
    assert_eq!(times(check), [100 * MS, 100 * MS, 99 * MS, 200 * MS]);
    assert_eq!(check.thresholds, Thresholds { down_after: 1000, clear_after: 1, up_after: 1000 });
    assert_eq!(times(checks(&config)[2]), [DAY, 100 * MS, 99 * MS, 7 * DAY]);
    let geo = GeoHeaders { position: Position::One("!#$%&'*+-.^_`|~".into()), country: Some("x".into()), unknown: &[] };
    assert_eq!((&config.client.headers, &config.client.trust), (&geo, &Trust::Nobody));
    for (address, expected) in [
        ("0.0.0.0", coordinates(90.0, 180.0)),
        ("255.255.255.254", coordinates(90.0, 180.0)),
        ("255.255.255.255", coordinates(-90.0, -180.0)),
        ("::", coordinates(0.0, 0.0001)),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", coordinates(0.0001, 0.0)),
    ] {
        assert_eq!(site(&config, address), Some((expected, None)), "{address}");
    }
    let lookup = config.client.lookup.unwrap();
    assert_eq!(lookup.request.path, "/{ip}{ip}");
    assert_eq!(lookup.timeout, 10 * SECOND);
    let year = Duration::from_secs(31_557_600);
    assert_eq!(
        lookup.cache,
        Cache { entries: 1_000_000, ttl: year, negative_ttl: SECOND, prefix_v4: 8, prefix_v6: 128 }
    );
    let (worker, network) = (Rate { burst: 1_000_000, every: MS }, Rate { burst: 1, every: DAY });
    assert_eq!(lookup.budget, Budget { worker, network });
    assert_eq!(config.output.decision_header, None);
    // Requests and answers do not meet, so one name may serve both.
    assert_eq!(config.output.response_header.as_deref(), Some("x-greatcircle-region"));
}

#[test]
fn a_regions_own_health_goes_before_what_all_share_field_by_field() {
    let config = of("health-per-region");
    let [plain, own, other] = checks(&config)[..] else { panic!("three regions") };

    assert_eq!(plain.request.cluster, "region-eu-west");
    assert_eq!(own.request.cluster, "legacy-us-east-gateway");
    assert_eq!(other.request.cluster, "region-ap-south");
    let authorities = [plain, own, other].map(|check| &*check.request.authority);
    assert_eq!(authorities, ["eu-west.internal", "us-east.internal", "ap-south.internal"]);
    assert_eq!([plain, own, other].map(|check| &*check.request.path), ["/healthz", "/ping", "/healthz"]);

    // A field is taken as a whole: own headers stand instead of the shared ones, not beside them.
    assert_eq!(plain.request.headers, texts(&[("x-second", "2"), ("x-shared", "1")]));
    assert_eq!(own.request.headers, texts(&[("x-own", "1")]));
    assert_eq!(own.expected.statuses, [200..=200]);
    assert_eq!(other.expected.statuses, [404..=404]);

    assert_eq!(times(plain), [5 * SECOND, 500 * MS, SECOND, 30 * SECOND]);
    assert_eq!(times(own), [SECOND, 500 * MS, 300 * MS, 30 * SECOND]);
    assert_eq!([plain, own, other].map(|check| check.thresholds.down_after), [4, 1, 4]);
    assert_eq!([plain, own, other].map(|check| check.unknown_is_up), [false, false, true]);
}

#[test]
fn times_that_are_not_given_follow_the_interval() {
    for (health, expected) in [
        (json!({}), [5 * SECOND, SECOND, SECOND, 30 * SECOND]),
        (json!({"interval": "1s"}), [SECOND, SECOND, 500 * MS, 30 * SECOND]),
        (json!({"interval": "100ms"}), [100 * MS, 100 * MS, 50 * MS, 30 * SECOND]),
        (json!({"interval": "2s"}), [2 * SECOND, SECOND, SECOND, 30 * SECOND]),
        (json!({"interval": "1m"}), [60 * SECOND, SECOND, SECOND, 183 * SECOND]),
        (json!({"interval": "24h"}), [DAY, SECOND, SECOND, 3 * DAY + 3 * SECOND]),
        (json!({"timeout": "4999ms"}), [5 * SECOND, SECOND, 4999 * MS, 30 * SECOND]),
        (json!({"interval": "20s", "timeout": "10s"}), [20 * SECOND, SECOND, 10 * SECOND, 90 * SECOND]),
    ] {
        assert_eq!(times(checks(&with("health", health.clone()))[0]), expected, "{health}");
    }
}

#[test]
fn the_local_region_is_the_configured_one_or_the_first_that_the_gateway_names() {
    for (configured, own, expected) in [
        (None, &[][..], (None, None)),
        (None, &["us-east"], (Some("us-east"), None)),
        (None, &["mars-north"], (None, Some("mars-north"))),
        (None, &["mars-north", "us-east", "eu-west"], (Some("us-east"), None)),
        (None, &["mars-north", "mars-south"], (None, Some("mars-north"))),
        (Some("eu-west"), &[], (Some("eu-west"), None)),
        (Some("eu-west"), &["us-east"], (Some("eu-west"), None)),
        (Some("eu-west"), &["mars-north"], (Some("eu-west"), None)),
    ] {
        let further = configured.map_or(json!({}), |name| json!({"localRegion": name}));
        let regions: Vec<_> = own.iter().map(|name| (*name).to_owned()).collect();
        let config = parse_for(&two_regions(&further), Gateway { regions: &regions, ..Gateway::UNKNOWN });
        let local = name(&config, config.local_region);
        assert_eq!((local, config.unmatched_locality.as_deref()), expected, "{configured:?} {own:?}");
    }
}

#[test]
fn a_secret_may_stand_in_the_environment() {
    let variable = |name: &str| match name {
        "EDGE" => Some("s3cret".to_owned()),
        "TOKEN" => Some("Bearer abc".to_owned()),
        "PATH_WITH_KEY" => Some("/{ip}?key=abc".to_owned()),
        "EMPTY" => Some(String::new()),
        "LINES" => Some("a\nb".to_owned()),
        _ => None,
    };
    let gateway = Gateway { variable: &variable, ..Gateway::UNKNOWN };
    let env = |name: &str| json!({"env": name});
    let document = two_regions(&json!({
        "health": {"headers": {"authorization": env("TOKEN")}},
        "clientLocation": {
            "trust": {"header": "x-edge", "equals": env("EDGE")},
            "lookup": {"cluster": "ipinfo", "path": env("PATH_WITH_KEY"), "headers": {"authorization": env("TOKEN")}},
        },
    }));
    let config = parse_for(&document, gateway);
    let token = [("authorization".to_owned(), "Bearer abc".to_owned())];
    assert!(config.regions.iter().all(|(_, region)| region.check().request.headers == token));
    let lookup = config.client.lookup.unwrap().request;
    assert_eq!((lookup.path.as_str(), &lookup.headers[..]), ("/{ip}?key=abc", &token[..]));
    assert_eq!(config.client.trust, Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() });

    for (equals, expected) in [
        (env("MISSING"), "found no environment variable \"MISSING\", expected one of the VM's, with a value"),
        (env("EMPTY"), "found no environment variable \"EMPTY\", expected one of the VM's, with a value"),
        (env("LINES"), "found an object, expected a header value, at least one character and no blanks around it"),
        (json!({"env": 7}), "found an object, expected {env: NAME} with the name of an environment variable"),
        (
            json!({"env": "EDGE", "or": 1}),
            "found an object, expected a header value, at least one character and no blanks around it",
        ),
    ] {
        let document = two_regions(&json!({"clientLocation": {"trust": {"header": "x-edge", "equals": equals}}}));
        let problems = Config::from_json(document.to_string().as_bytes(), gateway).unwrap_err();
        let expected = format!("clientLocation.trust.equals: {expected}");
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn what_happens_when_all_are_down() {
    for (when, expected) in [
        (json!("nearest"), WhenAllDown::Nearest),
        (json!("reject"), WhenAllDown::Reject),
        (json!({"region": "eu-west"}), WhenAllDown::Region(of("minimal").regions.find("eu-west").unwrap())),
    ] {
        assert_eq!(with("steering", json!({"whenAllDown": when})).policy.when_all_down, expected, "{when}");
    }
}

#[test]
fn an_empty_name_turns_an_optional_header_off() {
    let output = with("output", json!({"decisionHeader": "", "responseHeader": ""})).output;
    assert_eq!((output.decision_header, output.response_header), (None, None));
}

#[test]
fn of_a_key_that_stands_twice_the_last_one_counts() {
    // Not by choice: the parser does not tell. docs/configuration.md says so.
    let region = r#"{"name": "eu-west", "name": "us-east", "latitude": 53.35, "longitude": -6.26}"#;
    let config =
        Config::from_json(format!(r#"{{"regions": [], "regions": [{region}]}}"#).as_bytes(), Gateway::UNKNOWN).unwrap();
    assert_eq!(config.regions.iter().map(|(_, region)| region.name()).collect::<Vec<_>>(), ["us-east"]);
}
