//! What a lookup must not tell: addresses that are nobody's business, the token, and who came from where.

use serde_json::{Value, json};
use test_harness::lookup::Fault;
use test_harness::plan::Plan;
use test_harness::{World, eventually, places::*};

const UNKNOWN: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";
const FOUND: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=lookup;country=FJ";
const TOKEN: &str = "t0ken-that-nobody-else-may-see";

#[test]
fn addresses_that_mean_nothing_outside_are_never_asked_about() {
    #[rustfmt::skip]
    let special = [
        ("this network",             &["0.0.0.0", "0.1.2.3"][..]),
        ("private",                  &["10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.1.1"]),
        ("shared, for carriers",     &["100.64.0.1", "100.127.255.254"]),
        ("loopback",                 &["127.0.0.1", "127.255.255.254", "::1"]),
        ("link-local",               &["169.254.169.254", "fe80::1", "febf::1"]),
        ("protocol assignments",     &["192.0.0.1", "2001::1", "2001:1ff::1"]),
        ("documentation",            &["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"]),
        ("benchmarking",             &["198.18.0.1", "198.19.255.254", "2001:2::1"]),
        ("multicast",                &["224.0.0.1", "239.255.255.255", "ff02::1"]),
        ("reserved",                 &["240.0.0.1", "255.255.255.255", "4000::1", "fec0::1"]),
        ("unspecified",              &["::"]),
        ("unique local",             &["fc00::1", "fd12:3456:789a::1"]),
        ("discard, translation",     &["100::1", "64:ff9b::8.8.8.8", "64:ff9b:1::1"]),
        ("6to4",                     &["2002:808:808::1"]),
        ("IPv4 in disguise",         &["::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:192.0.2.1"]),
    ];
    let world = started(somewhere());
    for (name, addresses) in special {
        for address in addresses {
            assert_eq!(world.client().at(address).get("/").decision(), UNKNOWN, "{name}: {address}");
        }
    }
    let from_here = world.client().get("/").decision();
    assert_eq!(from_here, UNKNOWN, "the connection's own address is a loopback's");
    assert_eq!((world.lookup().addresses(), world.lookups()), (vec![], [].into()));

    // Their neighbours are as public as any.
    #[rustfmt::skip]
    let public = [
        "1.0.0.1", "9.255.255.254", "11.0.0.1", "100.63.255.254", "100.128.0.1", "126.255.255.254", "128.0.0.1",
        "169.253.255.254", "169.255.0.1", "172.15.255.254", "172.32.0.1", "192.0.1.1", "192.0.3.1", "192.167.255.254",
        "192.169.0.1", "198.17.255.254", "198.20.0.1", "198.51.99.1", "203.0.114.1", "223.255.255.254",
        "::ffff:8.8.8.8", "2001:200::1", "2600::1", "2a00:1450::1",
    ];
    for address in public {
        assert_eq!(world.client().at(address).get("/").decision(), FOUND, "{address}");
    }
    assert_eq!(world.lookup().lookup_count(), public.len());
}

#[test]
fn what_a_client_says_of_itself_is_not_asked_about() {
    let behind_nobody = World::new().region("eu-west", DUBLIN).lookup_service(json!({})).start();
    let behind_one = started(somewhere());
    let claims = ["x-real-ip", "true-client-ip", "cf-connecting-ip", "forwarded", "x-envoy-external-address"];
    for world in [&behind_nobody, &behind_one] {
        let client = claims.iter().fold(world.client(), |client, name| client.header(name, "8.8.4.4"));
        assert_eq!(client.get("/").decision(), UNKNOWN);
        assert_eq!(world.lookup().addresses(), [""; 0]);
    }
    assert_eq!(behind_nobody.client().at("8.8.4.4").get("/").decision(), UNKNOWN);
    assert_eq!(behind_nobody.lookup().addresses(), [""; 0]);
    // Of what was forwarded only the last address is the load balancer's own word.
    let forged = behind_one.client().header("x-forwarded-for", "8.8.4.4, 8.8.8.8");
    assert_eq!(forged.get("/").decision(), FOUND);
    assert_eq!(behind_one.lookup().addresses(), ["8.8.8.0"]);
}

#[test]
fn the_token_is_in_no_log() {
    let with_token = json!({"headers": {"authorization": TOKEN}, "path": format!("/{{ip}}/json?token={TOKEN}")});
    let world = started(somewhere().lookup_service(with_token).ecds());
    assert_eq!(world.client().at("8.8.8.8").get("/").decision(), FOUND);
    let [asked] = &world.lookup().lookups()[..] else { panic!("one lookup") };
    assert!(asked.path.ends_with(TOKEN) && asked.header("authorization") == Some(TOKEN), "{asked:?}");
    for (index, fault) in
        [Fault::status(401), Fault::html(), Fault::ResetsMidBody, Fault::status(500)].iter().enumerate()
    {
        world.lookup().fails_with(fault.clone());
        assert_eq!(world.client().at(&format!("8.8.{index}.1")).get("/").decision(), UNKNOWN);
    }
    let wrong: [Value; 7] = [
        json!({"headers": {"authorization": format!("{TOKEN}\n")}}),
        json!({"headers": {"authorization": [TOKEN]}}),
        json!({"headers": {format!("authorization: {TOKEN}"): "", "": TOKEN}}),
        json!({"headers": TOKEN}),
        json!({"path": format!("/json?token={TOKEN}")}),
        json!({"path": format!("/{{ip}} {TOKEN}")}),
        json!({"timeout": "1h"}),
    ];
    for lookup in wrong {
        let (_, before) = world.filter_updates();
        world.update_filter(json!({"clientLocation": {"lookup": lookup}}));
        eventually("the refusal", || world.filter_updates().1 > before);
    }
    let log = world.envoy().log();
    assert!(log.contains("event=configRejected clientLocation.lookup.headers"), "the refusals are in the log");
    assert!(!log.contains(TOKEN), "{:?}", log.lines().find(|line| line.contains(TOKEN)));
    assert!(!world.envoy().access_log().contains(TOKEN));
}

#[test]
fn the_filters_log_tells_nobodys_address_or_place() {
    let somewhere_else = json!({"cidr": "45.1.2.0/24", "latitude": 35.68, "longitude": 139.69});
    let world = started(somewhere().filter(json!({"clientLocation": {"networks": [somewhere_else]}})));
    world.lookup().answers("8.8.4.0/24", &json!({"ip": "{ip}", "loc": "-18.14"}));
    let clients = ["8.8.8.8", "8.8.4.4", "45.1.2.3", "2a00:1450::1", "10.1.2.3"].map(|at| world.client().at(at));
    clients.iter().for_each(|client| assert_eq!(client.get("/").status, 200));
    for fault in [Fault::other_address(), Fault::html(), Fault::large(20_000), Fault::status(500), Fault::Refuses] {
        world.lookup().fails_with(fault);
        assert_eq!(world.client().at("45.9.9.9").get("/").status, 200);
    }
    assert_eq!(world.client().from(SUVA).at("8.8.8.8").get("/").status, 200);
    let log = world.envoy().log();
    let own: Vec<_> = log.lines().filter_map(|line| line.split_once("wasm log")).map(|(_, line)| line).collect();
    assert!(own.len() >= 2, "{own:?}");
    for secret in ["8.8.", "45.1", "45.9", "2a00", "10.1.2", "-18.14", "178.44", "35.68", "139.69", "47.37", "9.9.9.9"]
    {
        assert!(own.iter().all(|line| !line.contains(secret)), "{secret}: {own:?}");
    }
}

fn started(plan: Plan) -> World {
    let world = plan.start();
    world.lookup().knows("0.0.0.0/0", SUVA, "FJ");
    world.lookup().knows("::/0", SUVA, "FJ");
    world
}

/// Two regions, a gateway in Dublin behind a load balancer, and a lookup service.
fn somewhere() -> Plan {
    let patient = json!({"timeout": "10s"});
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY).trusted_hops(1).lookup_service(patient)
}
