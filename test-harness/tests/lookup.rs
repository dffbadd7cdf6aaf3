//! A client whose place nobody tells is looked up by its address, once for its whole neighbourhood.

use serde_json::{Value, json};
use test_harness::plan::Plan;
use test_harness::{World, eventually, places::*};

/// What a client in Suva gets, if the lookup service says where it is.
const FOUND: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup;country=FJ";
/// … and if nobody does.
const UNKNOWN: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";

#[test]
fn a_client_is_served_by_the_region_nearest_to_where_its_address_is() {
    let world = dublin_and_sydney().start();
    world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
    world.lookup().knows("2a00:1450:4001::/48", SUVA, "FJ");
    for address in ["8.8.8.77", "2a00:1450:4001::77"] {
        let response = world.client().at(address).get("/");
        assert_eq!((response.status, response.region.as_deref()), (200, Some("oceania")), "{address}");
        assert_eq!(response.decision(), FOUND, "{address}");
    }
    assert_eq!(world.lookups(), [("found".to_owned(), 2)].into());
}

#[test]
fn an_answer_is_kept_for_every_worker() {
    for workers in [2, 4] {
        let world = dublin_and_sydney().workers(workers).start();
        world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
        let decisions = world.through_every_worker(|| world.client().at("8.8.8.77").get("/").decision());
        assert!(decisions.iter().all(|decision| decision == FOUND), "{decisions:?}");
        assert_eq!(world.lookup().lookup_count(), 1);
        let cached = ("cached".to_owned(), decisions.len() as u64 - 1);
        assert_eq!(world.lookups(), [cached, ("found".to_owned(), 1)].into());
    }
}

#[test]
fn neighbours_share_an_answer_and_the_service_learns_no_whole_address() {
    for (cache, clients, asked) in [
        (json!({}), &["8.8.8.77", "8.8.8.0", "8.8.8.255", "8.8.9.1"][..], &["8.8.8.0", "8.8.9.0"][..]),
        (
            json!({}),
            &["2a00:1450:4001::77", "2a00:1450:4001:ffff::1", "2a00:1450:4002::1"],
            &["2a00:1450:4001::", "2a00:1450:4002::"],
        ),
        (json!({}), &["::ffff:8.8.8.77", "8.8.8.78"], &["8.8.8.0"]),
        (
            json!({"prefixV4": 16, "prefixV6": 32}),
            &["8.8.8.77", "8.8.255.1", "8.9.0.1", "2a00:1450:4001::77", "2a00:1450:ffff::1"],
            &["8.8.0.0", "8.9.0.0", "2a00:1450::"],
        ),
        (json!({"prefixV4": 32}), &["8.8.8.77", "8.8.8.78", "8.8.8.77"], &["8.8.8.77", "8.8.8.78"]),
    ] {
        let world = dublin_and_sydney().lookup_service(json!({"cache": cache})).start();
        world.lookup().knows("0.0.0.0/0", SUVA, "FJ");
        world.lookup().knows("::/0", SUVA, "FJ");
        for client in clients {
            assert_eq!(world.client().at(client).get("/").decision(), FOUND, "{client}");
        }
        assert_eq!(world.lookup().addresses(), asked, "{cache}");
    }
}

#[test]
fn the_service_is_asked_as_the_configuration_says() {
    let usual = json!({"authority": "ipinfo.io", "headers": {"Authorization": "Bearer a-token"}});
    let other =
        json!({"authority": "geo.example:8080", "path": "/v2/lookup?ip={ip}&for={ip}", "headers": {"x-key": "k"}});
    for (settings, path, authority, (name, value)) in [
        (usual, "/8.8.8.0/json", "ipinfo.io", ("authorization", "Bearer a-token")),
        (other, "/v2/lookup?ip=8.8.8.0&for=8.8.8.0", "geo.example:8080", ("x-key", "k")),
    ] {
        let world = dublin_and_sydney().lookup_service(settings).start();
        world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
        let client = world.client().at("8.8.8.77").header("cookie", "id=77");
        assert_eq!(client.get("/private").decision(), FOUND);
        let [asked] = &world.lookup().lookups()[..] else { panic!("one lookup: {:?}", world.lookup().lookups()) };
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", path));
        assert_eq!((asked.header("host"), asked.header(name)), (Some(authority), Some(value)));
        // The time of the lookup is in there too, and may hold any digits.
        let said = format!("{} {:?}", asked.path, asked.headers);
        assert!(!said.contains("77"), "nothing of the client's: {said}");
    }
}

#[test]
fn a_service_may_answer_in_another_shape() {
    let pointers = json!({"latitude": "/lat", "longitude": "/lon", "country": "/countryCode", "address": "/query"});
    let world = dublin_and_sydney().region("us-east", ASHBURN).lookup_service(pointers).start();
    let body = json!({"status": "success", "query": "{ip}", "lat": 39.03, "lon": -77.5, "countryCode": "US"});
    world.lookup().answers("8.8.8.0/24", &body);
    let ashburn = "region=us-east;reason=nearest;km=1;rank=1;via=lookup;country=US";
    assert_eq!(world.client().at("8.8.8.8").get("/").decision(), ashburn);
    world.lookup().answers("8.8.4.0/24", &json!({"status": "fail", "query": "{ip}"}));
    assert_eq!(world.client().at("8.8.4.4").get("/").decision(), UNKNOWN);
    assert_eq!(world.lookups(), [("found".to_owned(), 1), ("nowhere".to_owned(), 1)].into());
}

#[test]
fn what_is_known_better_is_not_asked() {
    let tokyo =
        json!({"cidr": "8.8.8.0/24", "latitude": TOKYO.latitude, "longitude": TOKYO.longitude, "country": "JP"});
    let world = dublin_and_sydney()
        .region("ap-northeast", TOKYO)
        .filter(json!({"clientLocation": {"networks": [tokyo]}}))
        .start();
    world.lookup().knows("0.0.0.0/0", DUBLIN, "IE");
    let suva = |address| world.client().from(SUVA).at(address);
    let in_tokyo = "region=ap-northeast;reason=nearest;km=0;rank=1;via=network;country=JP";
    let in_suva = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
    assert_eq!(world.client().at("8.8.8.8").get("/").decision(), in_tokyo);
    assert_eq!(suva("8.8.8.8").get("/").decision(), in_tokyo, "a network before headers");
    assert_eq!(suva("8.8.4.4").get("/").decision(), in_suva);
    assert_eq!(suva("8.8.4.4").header("x-geo-country", "FJ").get("/").decision(), format!("{in_suva};country=FJ"));
    assert_eq!((world.lookup().addresses(), world.lookups()), (vec![], [].into()));
    // A country is worth less than a lookup.
    let dublin = world.client().at("8.8.4.4").header("x-geo-country", "FJ").get("/").decision();
    assert_eq!(dublin, "region=eu-west;reason=nearest;km=0;rank=1;via=lookup;country=IE");
}

#[test]
fn an_answer_with_a_country_alone_is_better_than_none() {
    let world = dublin_and_sydney().start();
    world.lookup().answers("8.8.8.0/24", &json!({"ip": "{ip}", "country": "FJ"}));
    let decide = || world.client().at("8.8.8.8").get("/").decision();
    let (first, second) = (decide(), decide());
    assert!(first.starts_with("region=oceania;reason=nearest;km="), "{first}");
    assert!(first.ends_with(";rank=1;via=country;country=FJ"), "{first}");
    assert_eq!((second, world.lookup().lookup_count()), (first, 1));
    // The edge's word about the country counts for more than the service's.
    let edge = world.client().at("8.8.8.8").header("x-geo-country", "IE").get("/").decision();
    assert!(edge.starts_with("region=eu-west;") && edge.ends_with(";via=country;country=IE"), "{edge}");
}

#[test]
fn that_nobody_knows_is_kept_as_well() {
    let world = dublin_and_sydney().start();
    world.lookup().answers("8.8.4.0/24", &json!({"ip": "{ip}", "loc": "0,0", "country": ""}));
    for address in ["8.8.8.8", "8.8.4.4", "8.8.8.8", "8.8.4.4"] {
        assert_eq!(world.client().at(address).get("/").decision(), UNKNOWN, "{address}");
    }
    assert_eq!(world.lookup().addresses(), ["8.8.8.0", "8.8.4.0"]);
    assert_eq!(world.lookups(), [("cached".to_owned(), 2), ("nowhere".to_owned(), 2)].into());
}

#[test]
fn an_old_answer_is_asked_for_anew() {
    for (known, first, cache) in [(true, FOUND, json!({"ttl": "1s"})), (false, UNKNOWN, json!({"negativeTtl": "1s"}))] {
        let world = dublin_and_sydney().lookup_service(json!({"cache": cache})).start();
        if known {
            world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
        }
        assert_eq!(world.client().at("8.8.8.8").get("/").decision(), first);
        world.lookup().knows("8.8.8.0/24", DUBLIN, "IE");
        let moved = "region=eu-west;reason=nearest;km=0;rank=1;via=lookup;country=IE";
        eventually("the new answer", || world.client().at("8.8.8.8").get("/").decision() == moved);
        assert_eq!(world.lookup().addresses(), ["8.8.8.0", "8.8.8.0"]);
    }
}

#[test]
fn without_a_cache_every_request_asks() {
    let world = dublin_and_sydney().lookup_service(json!({"cache": {"entries": 0}})).start();
    world.lookup().knows("8.8.8.0/24", SUVA, "FJ");
    for _ in 0..3 {
        assert_eq!(world.client().at("8.8.8.8").get("/").decision(), FOUND);
    }
    assert_eq!(world.lookup().lookup_count(), 3);
}

#[test]
fn an_answer_to_another_question_is_not_believed() {
    let world = dublin_and_sydney().ecds().start();
    world.lookup().answers("8.8.8.0/24", &json!({"loc": "-18.14,178.44", "where": "53.35,-6.26"}));
    let decide = || world.client().at("8.8.8.8").get("/").decision();
    let suva = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup";
    assert_eq!(decide(), suva);
    let location = |pointer: &str| world.update_filter(json!({"clientLocation": {"lookup": {"location": pointer}}}));
    location("/where");
    eventually("the answer read anew", || decide() == "region=eu-west;reason=nearest;km=0;rank=1;via=lookup");
    assert_eq!(world.lookup().lookup_count(), 2);
    // Back again, what was learnt then is still there.
    location("/loc");
    eventually("the first answer", || decide() == suva);
    assert_eq!(world.lookup().lookup_count(), 2);
}

/// Two regions, a gateway in Dublin behind a load balancer, and a lookup service that answers late rather than never.
fn dublin_and_sydney() -> Plan {
    let patient: Value = json!({"timeout": "10s"});
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).trusted_hops(1).lookup_service(patient)
}
