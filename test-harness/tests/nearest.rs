//! Every client is served by the region nearest to its city, and the decision stands wherever it was promised.

use serde_json::json;
use test_harness::{Client, Place, World, eventually_equals, places::*};

/// Who should serve whom, by the twelve regions of envoy.yaml. The kilometres were computed with another formula
/// (haversine) in another language.
#[rustfmt::skip]
const NEAREST: [(Place, &str, u32); 24] = [
    (REYKJAVIK,    "eu-west",      1495),
    (LONDON,       "eu-west",       463),
    (MADRID,       "eu-central",   1445), // six kilometres nearer than Dublin
    (GENEVA,       "eu-central",    474),
    (HELSINKI,     "eu-north",      396),
    (TROMSO,       "eu-north",     1148),
    (CAIRO,        "me-central",   2423),
    (NAIROBI,      "me-central",   3553), // in Africa, and yet nearer to Dubai than to Cape Town
    (ACCRA,        "af-south",     4811),
    (LAGOS,        "af-south",     4767),
    (TEHRAN,       "me-central",   1224),
    (DELHI,        "ap-south",     1147),
    (JAKARTA,      "ap-southeast",  905),
    (VLADIVOSTOK,  "ap-northeast", 1064),
    (NEW_YORK,     "us-east",       350),
    (BOGOTA,       "us-east",      3833), // in South America, and yet nearer to Ashburn than to São Paulo
    (LOS_ANGELES,  "us-west",      1330),
    (HONOLULU,     "us-west",      4175),
    (LIMA,         "sa-east",      3454),
    (USHUAIA,      "sa-east",      3909),
    (PERTH,        "oceania",      3291),
    (SUVA,         "oceania",      3218),
    (APIA,         "oceania",      4339), // east of the date line, its region west of it
    (TOKYO,        "ap-northeast",    0),
];

#[test]
fn clients_in_many_cities_get_their_nearest_region_from_every_worker() {
    let world = World::from_envoy_yaml().workers(4).start();
    for (city, region, km) in NEAREST {
        for response in world.through_every_worker(|| world.client().from(city).get("/")) {
            assert_eq!((response.status, response.region.as_deref()), (200, Some(region)), "{}", city.name);
            assert_eq!(
                response.decision(),
                format!("region={region};reason=nearest;km={km};rank=1;via=headers"),
                "{}",
                city.name
            );
            assert_eq!(response.seen_header("x-greatcircle-region").as_deref(), Some(region), "{}", city.name);
            assert_eq!(response.header("x-served-by-region"), Some(region), "{}", city.name);
        }
    }
}

#[test]
fn a_place_comes_in_two_headers_of_any_name_or_in_one() {
    for (headers, request) in [
        (json!({"latitude": "x-lat", "longitude": "X-Lon"}), &[("x-lat", "-18.14"), ("x-lon", "178.44")][..]),
        (json!({"latitude": null, "longitude": null, "position": "x-geo"}), &[("x-geo", "-18.14,178.44")]),
        (json!({"latitude": null, "longitude": null, "position": "x-geo"}), &[("X-Geo", "-18.14, 178.44")]),
    ] {
        let world = dublin_and_sydney().filter(json!({"clientLocation": {"headers": headers}})).start();
        let client = request.iter().fold(world.client(), |client, (name, value)| client.header(name, value));
        assert_eq!(client.get("/").decision(), SUVA_TO_SYDNEY, "{request:?}");
        // The usual names mean nothing any more.
        let usual = world.client().from(SUVA).get("/");
        assert_eq!(usual.decision(), DUBLIN_UNASKED, "{request:?}");
    }
}

#[test]
fn the_decision_stands_where_the_configuration_says_and_nowhere_else() {
    let elsewhere = json!({"regionHeader": "X-Where", "decisionHeader": "X-Why", "responseHeader": "X-Served-By"});
    let world = dublin_and_sydney().filter(json!({"output": elsewhere})).start();
    let response = world.client().from(SUVA).get("/");
    assert_eq!(response.seen_headers("x-where"), ["oceania"]);
    assert_eq!(response.seen_headers("x-why"), [SUVA_TO_SYDNEY]);
    assert_eq!(response.header("x-served-by"), Some("oceania"));
    assert_eq!(response.header("x-served-by-region"), None);
    assert_eq!(response.decision(), "");
    // The routes of envoy.yaml look for the usual header: to them nobody has decided.
    assert_eq!(response.region.as_deref(), Some("eu-west"));
}

#[test]
fn the_decision_record_and_the_response_header_can_be_off() {
    let world = dublin_and_sydney().filter(json!({"output": {"decisionHeader": "", "responseHeader": ""}})).start();
    let response = world.client().from(SUVA).get("/");
    assert_eq!(response.region.as_deref(), Some("oceania"));
    assert_eq!(response.decision(), "");
    assert!(response.headers.keys().all(|name| !name.as_str().contains("served")), "{:?}", response.headers);
}

#[test]
fn the_access_log_tells_region_reason_and_kilometres() {
    let world = dublin_and_sydney().start();
    world.client().from(SUVA).get("/from-suva");
    world.client().get("/from-nowhere");
    for (path, expected) in [
        ("/from-suva", "region=oceania reason=nearest km=3218 cluster=oceania"),
        ("/from-nowhere", "region=eu-west reason=noLocation km=- cluster=eu-west"),
    ] {
        eventually_equals(path, Some(true), || {
            world.envoy().access_log().lines().find(|line| line.contains(path)).map(|line| line.contains(expected))
        });
    }
}

#[test]
fn every_decision_is_counted_once_under_its_region_and_reason() {
    let world = dublin_and_sydney().region("us-east", ASHBURN).workers(4).start();
    let from_suva = world.through_every_worker(|| world.client().from(SUVA).get("/")).len() as u64;
    let from_nowhere = world.through_every_worker(|| world.client().post("/", b"hello")).len() as u64;
    world.client().from(GENEVA).get("/");
    let expected = [("eu-west nearest", 1), ("eu-west noLocation", from_nowhere), ("oceania nearest", from_suva)];
    assert_eq!(world.decisions(), expected.map(|(name, count)| (name.to_owned(), count)).into());
    assert!(world.ignored_geo_headers().is_empty(), "none of them was ignored");
}

#[test]
fn a_gauge_tells_each_regions_health() {
    let world = dublin_and_sydney().start();
    let gauges = || ["eu-west", "oceania"].map(|name| world.health(name));
    eventually_equals("both up", [Some(1), Some(1)], gauges);
    world.region("oceania").kill();
    eventually_equals("Sydney down", [Some(1), Some(0)], gauges);
    // What Prometheus scrapes needs no rewriting.
    assert!(world.envoy().prometheus().contains("\ngreatcircle_region_health{region=\"oceania\"} 0\n"));
}

#[test]
fn a_client_from_nowhere_is_served_as_if_it_stood_at_the_fallback() {
    let three = || dublin_and_sydney().region("ap-northeast", TOKYO);
    let tokyo = "region=ap-northeast;reason=noLocation;rank=1;via=fallback";
    let seoul = json!({"clientLocation": {"fallback": {"latitude": SEOUL.latitude, "longitude": SEOUL.longitude}}});
    for (name, plan, expected) in [
        ("the node's locality is the first region", three(), DUBLIN_UNASKED),
        ("the node's locality is another one", three().gateway_in("ap-northeast"), tokyo),
        ("localRegion overrules it", three().filter(json!({"localRegion": "ap-northeast"})), tokyo),
        (
            "the fallback is said to be there",
            three().filter(json!({"clientLocation": {"fallback": "localRegion"}})),
            DUBLIN_UNASKED,
        ),
        ("the fallback is a place", three().filter(seoul), tokyo),
        (
            "no region is the gateway's own: configured order",
            three().gateway_in("atlantis"),
            "region=eu-west;reason=noLocation;rank=1;via=none",
        ),
    ] {
        let world = plan.start();
        for response in world.through_every_worker(|| world.client().get("/")) {
            assert_eq!(response.decision(), expected, "{name}");
        }
    }
}

#[test]
fn configured_order_stands_for_distance_where_nothing_is_known() {
    let world = dublin_and_sydney().region("ap-northeast", TOKYO).gateway_in("atlantis").start();
    world.region("eu-west").kill();
    let nowhere: fn(Client) -> String = |client| client.get("/").decision();
    // Tokyo is nearer to Dublin than Sydney is, and comes later.
    eventually_equals("the next one", "region=oceania;reason=noLocation;rank=2;via=none".into(), || {
        nowhere(world.client())
    });
}

const SUVA_TO_SYDNEY: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
const DUBLIN_UNASKED: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";

/// Two regions and a gateway in Dublin.
fn dublin_and_sydney() -> test_harness::plan::Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY)
}
