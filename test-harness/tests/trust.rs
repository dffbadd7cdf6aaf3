//! A geo header counts as much as whoever wrote it: nobody, anybody, a network of peers, or who knows a secret.

use serde_json::{Value, json};
use test_harness::plan::Plan;
use test_harness::{Client, World, places::*};

/// What a client in Suva gets from a gateway in Dublin that believes it …
const BELIEVED: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";
/// … and from one that does not.
const IGNORED: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";

#[test]
fn nobody_is_believed_unless_the_configuration_says_so() {
    for trust in [Value::Null, json!({}), json!({"any": false})] {
        let world = world(&trust);
        assert_eq!(suva(&world).get("/").decision(), IGNORED, "{trust}");
        assert_eq!(suva(&world).header("x-forwarded-for", "127.0.0.1").get("/").decision(), IGNORED, "{trust}");
        assert_eq!(world.client().get("/").decision(), IGNORED, "{trust}");
        assert_eq!(world.ignored_geo_headers(), [("untrusted".to_owned(), 2)].into(), "{trust}");
    }
}

#[test]
fn everybody_can_be_believed() {
    let world = world(&json!({"any": true}));
    assert_eq!(suva(&world).get("/").decision(), BELIEVED);
    assert!(world.ignored_geo_headers().is_empty());
}

#[test]
fn a_peer_is_believed_if_its_address_is_in_one_of_the_networks() {
    for (networks, expected) in [
        (json!(["127.0.0.0/8"]), BELIEVED),
        (json!(["127.0.0.1"]), BELIEVED),
        (json!(["198.51.100.0/24", "::1", "127.0.0.0/8"]), BELIEVED),
        (json!(["127.0.0.2"]), IGNORED),
        (json!(["198.51.100.0/24", "::1", "2001:db8::/32"]), IGNORED),
    ] {
        let world = world(&json!({"peers": networks}));
        assert_eq!(suva(&world).get("/").decision(), expected, "{networks}");
        assert_eq!(
            world.ignored_geo_headers().get("untrusted").copied(),
            (expected == IGNORED).then_some(1),
            "{networks}"
        );
    }
}

#[test]
fn a_relay_on_the_gateways_own_machine_is_no_peer_of_the_gateways_network() {
    // In place of a loopback address Envoy appends an address of its own, which the operator's network may well contain.
    let somewhere = world(&json!({"peers": ["198.51.100.0/24"]}));
    let own = suva(&somewhere).get("/").seen_header("x-forwarded-for").unwrap();
    for hops in [0, 1] {
        let here = plan(&json!({"peers": [own]})).trusted_hops(hops).start();
        for chain in ["", "198.51.100.7", &own, "198.51.100.7, 203.0.113.9", "x, y"] {
            let client = suva(&here).header("x-forwarded-for", chain);
            assert_eq!(client.get("/").decision(), IGNORED, "{hops} hops: forwarded by {chain:?}, then {own}");
        }
    }
}

#[test]
fn a_peer_is_known_by_the_gateway_alone_whatever_was_forwarded() {
    // The peer and the gateway have addresses of their own, as on a network: the PROXY protocol says which.
    for (hops, peer, own, expected) in [
        (0, "198.51.100.7", "203.0.113.1", BELIEVED),
        (0, "203.0.113.9", "203.0.113.1", IGNORED),
        (1, "198.51.100.7", "203.0.113.1", BELIEVED),
        (1, "203.0.113.9", "203.0.113.1", IGNORED),
    ] {
        let proxy = json!([{"name": "envoy.filters.listener.proxy_protocol", "typed_config":
            {"@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}}]);
        let world = plan(&json!({"peers": ["198.51.100.0/24"]}))
            .trusted_hops(hops)
            .bootstrap("/static_resources/listeners/0", json!({"listener_filters": proxy}))
            .start();
        for chain in ["", "x-forwarded-for: 8.8.8.8\r\n", "x-forwarded-for: 203.0.113.9, 198.51.100.7\r\n"] {
            let request = format!(
                "PROXY TCP4 {peer} {own} 40000 443\r\nGET / HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{chain}\
                x-geo-latitude: {}\r\nx-geo-longitude: {}\r\n\r\n",
                SUVA.latitude, SUVA.longitude
            );
            let answer = String::from_utf8(world.client().raw(request.as_bytes())).unwrap();
            assert!(answer.contains(expected), "{hops} {peer} {own} {chain:?}: {answer}");
        }
    }
}

#[test]
fn a_client_cannot_pass_for_a_peer() {
    let elsewhere = world(&json!({"peers": ["198.51.100.0/24"]}));
    let next_door = world(&json!({"peers": ["127.0.0.2"]}));
    for (world, address) in [(&elsewhere, "198.51.100.7"), (&next_door, "127.0.0.2")] {
        let list = format!("{address}, {address},");
        for (name, value) in [
            ("x-forwarded-for", address),
            ("x-forwarded-for", &list),
            ("x-envoy-external-address", address),
            ("x-real-ip", address),
            ("forwarded", &format!("for={address}")),
            ("x-envoy-internal", "true"),
        ] {
            let forged = suva(world).header(name, value);
            assert_eq!(forged.get("/").decision(), IGNORED, "{name}: {value}");
            assert_eq!(forged.header(name, value).get("/").decision(), IGNORED, "{name}: {value}, twice");
        }
        let nonsense = suva(world).header_bytes("x-forwarded-for", b"\xff\xff,,");
        assert_eq!(nonsense.get("/").decision(), IGNORED, "an address that is none");
        assert_eq!(world.ignored_geo_headers().get("untrusted").copied(), Some(13));
    }
}

#[test]
fn whoever_knows_the_secret_is_believed() {
    let world = world(&json!({"header": "X-Edge-Auth", "equals": "s3cret"}));
    let with = |values: &[&[u8]]| {
        values.iter().fold(suva(&world), |client, value| client.header_bytes("x-edge-auth", value)).get("/").decision()
    };
    assert_eq!(with(&[b"s3cret"]), BELIEVED);
    let wrong: [&[&[u8]]; 9] = [
        &[],
        &[b""],
        &[b"s3cre"],
        &[b"s3cret1"],
        &[b"S3CRET"],
        &[b"\xff\xfe"],
        &[b"s3cret,s3cret"],
        &[b"s3cret", b"s3cret"],
        &[b"", b"s3cret"],
    ];
    for values in wrong {
        assert_eq!(with(values), IGNORED, "{values:?}");
    }
    assert_eq!(world.ignored_geo_headers(), [("untrusted".to_owned(), wrong.len() as u64)].into());
    assert!(!world.envoy().log().contains("s3cret"), "the log keeps the secret");
}

/// A gateway in Dublin with this `trust`, and a region that only a client who is believed gets to.
fn world(trust: &Value) -> World {
    plan(trust).start()
}

fn plan(trust: &Value) -> Plan {
    World::new()
        .region("eu-west", DUBLIN)
        .region("oceania", SYDNEY)
        .filter(json!({"clientLocation": {"trust": {"any": null}}})) // envoy.yaml trusts everybody
        .filter(json!({"clientLocation": {"trust": trust}}))
}

fn suva(world: &World) -> Client {
    world.client().from(SUVA)
}
