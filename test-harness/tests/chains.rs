//! `envoy/chains/`: who stands between a client and its gateway, and whose word counts there.
//!
//! The files run as they are. Everybody here connects from an address of its own, as on the internet: the listener understands
//! the PROXY protocol, in which whoever connects says where from.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_harness::bootstrap::{Bootstrap, GATEWAY, RegionSpec, repository};
use test_harness::envoy::{Envoy, Launch};
use test_harness::{Client, LookupService, Region, eventually, places::*};

/// Somebody on the internet, in Tokyo: that is what the lookup service says.
const CLIENT: &str = "8.8.8.77";
/// What is known about its network.
const IN_TOKYO: &str = "region=ap-northeast;reason=nearest;rank=1;via=lookup;country=JP";
/// Somebody whom the lookup service does not know.
const STRANGER: &str = "9.9.9.9";
const NOWHERE: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";

type Headers<'a> = &'a [(&'a str, &'a str)];

#[test]
fn behind_a_cdn_the_one_who_knows_the_secret_is_believed() {
    const CDN: &str = "173.245.48.7";
    const IN_SUVA: [(&str, &str); 3] =
        [("cf-iplatitude", "-18.14"), ("cf-iplongitude", "178.44"), ("cf-ipcountry", "FJ")];
    let gateway = Gateway::start("cdn");
    let secret = ("x-edge-auth", "what only the CDN knows");

    let from_cdn = [&IN_SUVA[..], &[secret, ("x-forwarded-for", CLIENT)]].concat();
    let seen = gateway.get(CDN, &from_cdn);
    assert_eq!(seen.decision(), "region=oceania;reason=nearest;rank=1;via=headers;country=FJ");
    assert_eq!(seen.header("x-edge-auth"), None, "regions need not know the secret");
    assert_eq!(seen.header("x-envoy-external-address"), Some(CLIENT), "the CDN's word");
    assert_eq!(seen.header("cf-iplatitude"), Some("-18.14"));

    // A client that says something of its own, through the CDN: what the CDN appends is the last word.
    let forwarded = ("x-forwarded-for", "192.0.2.1, 8.8.8.77");
    let seen = gateway.get(CDN, &[("cf-ipcountry", "XX"), secret, forwarded]);
    assert_eq!((seen.decision().as_str(), seen.header("x-envoy-external-address")), (NOWHERE, Some(CLIENT)));

    for lie in [&[][..], &[("x-edge-auth", "a guess")], &[secret, secret], &[("x-forwarded-for", CDN)]] {
        for peer in [STRANGER, CDN] {
            let seen = gateway.get(peer, &[&IN_SUVA[..], lie].concat());
            assert_eq!(seen.decision(), NOWHERE, "{peer} {lie:?}");
            seen.assert_without(&["cf-iplatitude", "cf-iplongitude", "cf-ipcountry", "x-edge-auth"]);
        }
    }
    assert!(!gateway.envoy.log().contains("what only the CDN knows"), "the log keeps the secret");
}

#[test]
fn behind_a_load_balancer_its_geo_headers_count_and_the_rest_is_looked_up() {
    const LOAD_BALANCER: &str = "35.191.7.7";
    const NAMES: [&str; 2] = ["x-client-city-lat-long", "x-client-region"];
    let gateway = Gateway::start("load-balancer");
    // It appends the client's address and its own to whatever the client has said.
    for said in ["", "192.0.2.1, ", "nonsense, 10.0.0.1, "] {
        let forwarded = format!("{said}{CLIENT},203.0.113.99");
        let forwarded = ("x-forwarded-for", &*forwarded);
        let seen = gateway.get(LOAD_BALANCER, &[(NAMES[0], "-18.14,178.44"), (NAMES[1], "FJ"), forwarded]);
        assert_eq!(seen.decision(), "region=oceania;reason=nearest;rank=1;via=headers;country=FJ", "{said}");
        let seen = gateway.get(LOAD_BALANCER, &[(NAMES[0], ""), (NAMES[1], ""), forwarded]);
        assert_eq!(seen.decision(), IN_TOKYO, "{said}");
    }
    gateway.assert_asked(&["8.8.8.0"]);

    let seen = gateway.get(STRANGER, &[(NAMES[0], "-18.14,178.44"), (NAMES[1], "FJ")]);
    assert_eq!(seen.decision(), NOWHERE);
    seen.assert_without(&NAMES);
    gateway.assert_asked(&["8.8.8.0", "9.9.9.0"]);
}

#[test]
fn clients_that_connect_directly_are_where_their_addresses_are() {
    let gateway = Gateway::start("direct");
    let in_suva = [("x-geo-latitude", "-18.14"), ("x-geo-longitude", "178.44"), ("x-geo-country", "FJ")];
    let elsewhere = [("x-forwarded-for", "8.8.4.4"), ("x-real-ip", "8.8.4.4"), ("x-envoy-external-address", "8.8.4.4")];
    for lie in [&[][..], &in_suva, &elsewhere, &[&in_suva[..], &elsewhere].concat()] {
        for (client, expected) in [
            (CLIENT, IN_TOKYO),
            ("2001:4860:4860::8888", IN_TOKYO),
            ("10.1.2.3", "region=eu-central;reason=nearest;rank=1;via=network;country=DE"),
            ("10.2.2.3", NOWHERE),
            (STRANGER, NOWHERE),
        ] {
            let seen = gateway.get(client, lie);
            assert_eq!(seen.decision(), expected, "{client} {lie:?}");
            seen.assert_without(&["x-geo-latitude", "x-geo-longitude", "x-geo-country"]);
        }
    }
    gateway.assert_asked(&["8.8.8.0", "2001:4860:4860::", "9.9.9.0"]);
}

#[test]
fn a_gateway_behind_a_gateway_believes_what_that_one_passes_on() {
    const FIRST: &str = "10.20.0.7";
    const NAMES: [&str; 3] = ["x-geo-latitude", "x-geo-longitude", "x-geo-country"];
    let in_suva = NAMES.into_iter().zip(["-18.14", "178.44", "FJ"]).collect::<Vec<_>>();
    let (first, second) = (Gateway::start("direct"), Gateway::start("gateway"));

    // What the first gateway sends to its regions is what the second one gets.
    for said in [&[][..], &in_suva, &[("x-forwarded-for", "8.8.4.4")]] {
        let passed_on = first.get(CLIENT, said);
        assert_eq!(passed_on.decision(), IN_TOKYO, "{said:?}");
        let seen = second.get(FIRST, &passed_on.headers());
        assert_eq!(seen.decision(), IN_TOKYO, "{said:?}");
        assert_eq!(seen.all("x-greatcircle-decision").len(), 1, "the second one's, in place of the first one's");
        assert_eq!(seen.all("x-greatcircle-region"), ["ap-northeast"]);
        seen.assert_without(&NAMES);
    }
    second.assert_asked(&["8.8.8.0"]);

    // Geo headers come from the first gateway if it believes them; from anybody else they are a stranger's.
    let forwarded = [&in_suva[..], &[("x-forwarded-for", CLIENT)]].concat();
    let seen = second.get(FIRST, &forwarded);
    assert_eq!(seen.decision(), "region=oceania;reason=nearest;rank=1;via=headers;country=FJ");
    let seen = second.get(STRANGER, &forwarded);
    assert_eq!(seen.decision(), IN_TOKYO, "the hop is believed: this is why nobody else may connect");
    seen.assert_without(&NAMES);
}

#[test]
fn a_gateway_removes_only_the_names_that_it_knows() {
    // The reason for the README's advice that both gateways use the same names.
    let seen = Gateway::start("cdn").get(STRANGER, &[("x-geo-country", "FJ"), ("cf-ipcountry", "FJ")]);
    assert_eq!((seen.header("x-geo-country"), seen.header("cf-ipcountry")), (Some("FJ"), None));
}

/// A gateway in Dublin at the end of a chain.
struct Gateway {
    envoy: Envoy,
    lookup: LookupService,
    _regions: Vec<Region>,
    _directory: TempDir,
}

const LISTENER: &str = "/static_resources/listeners/0";
const CONNECTION_MANAGER: &str = "/filter_chains/0/filters/0/typed_config";

impl Gateway {
    fn start(chain: &str) -> Self {
        Self::try_start(chain).unwrap_or_else(|error| panic!("{chain}: {error:#}"))
    }

    fn try_start(chain: &str) -> Result<Self> {
        let chain = std::fs::read_to_string(repository().join(format!("envoy/chains/{chain}.yaml")))?;
        let chain: Value = serde_saphyr::from_str(&chain)?;
        let places = [("eu-west", DUBLIN), ("eu-central", FRANKFURT), ("ap-northeast", TOKYO), ("oceania", SYDNEY)];
        let mut specs = places.map(|(name, place)| RegionSpec::at(name, place));
        let regions: Vec<_> = specs.iter().map(|spec| Region::start(&spec.name)).collect::<Result<_>>()?;
        for (spec, region) in specs.iter_mut().zip(&regions) {
            spec.port = region.port();
        }
        let lookup = LookupService::start()?;
        lookup.knows("8.8.8.0/24", TOKYO, "JP");
        lookup.knows("2001:4860::/32", TOKYO, "JP");
        let mut bootstrap = Bootstrap::from_file()?
            .in_region("eu-west")
            .with_regions(&specs)?
            .with_clusters(vec![ipinfo(lookup.port())])?
            .with_filter(&json!({"clientLocation": null})) // what envoy.yaml says
            .with_filter(&chain["greatcircle"])
            .with_filter(&json!({"clientLocation": {"lookup": patient(&chain)}}))
            .with_module(&repository().join("dist/greatcircle.wasm"))?
            .on_free_ports()?
            .render()?;
        let listener = bootstrap.pointer_mut(LISTENER).context("no listener")?;
        listener["listener_filters"] = json!([{"name": "envoy.filters.listener.proxy_protocol", "typed_config":
            {"@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}}]);
        let manager = listener.pointer_mut(CONNECTION_MANAGER).context("no connection manager")?;
        merge(manager, &chain["connection_manager"]);
        let directory = tempfile::tempdir()?;
        let envoy = Envoy::start(&bootstrap, &Launch::default(), directory.path())?;
        Ok(Self { envoy, lookup, _regions: regions, _directory: directory })
    }

    /// A request by somebody who connects from this address, and what the region saw of it.
    fn get(&self, peer: &str, headers: Headers<'_>) -> Seen {
        let family = if peer.contains(':') { "TCP6" } else { "TCP4" };
        let here = if peer.contains(':') { "2001:db8::1" } else { "203.0.113.1" };
        let mut request = format!("PROXY {family} {peer} {here} 40000 443\r\nGET / HTTP/1.1\r\n");
        let host_and_end = [("host", "example.com"), ("connection", "close")];
        for (name, value) in host_and_end.iter().chain(headers) {
            request += &format!("{name}: {value}\r\n");
        }
        let gateway = eventually("the gateway", || self.envoy.listener(GATEWAY));
        let answer = Client::of(gateway).raw(format!("{request}\r\n").as_bytes());
        let answer = String::from_utf8(answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        Seen(serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }

    /// What the lookup service was asked about, in this order and no more; and that it was asked with the file's token.
    fn assert_asked(&self, addresses: &[&str]) {
        assert_eq!(self.lookup.addresses(), addresses);
        for asked in self.lookup.lookups() {
            assert_eq!(asked.header("authorization"), Some("Bearer a-token-for-lookups"));
            assert_eq!(asked.header("host"), Some("ipinfo.io"));
        }
        assert!(!self.envoy.log().contains("a-token-for-lookups"), "the log keeps the token");
    }
}

/// A request as the region saw it.
struct Seen(Value);

impl Seen {
    fn headers(&self) -> Vec<(&str, &str)> {
        let pairs = self.0["headers"].as_array().into_iter().flatten();
        let pairs = pairs.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
        pairs.filter(|(name, _)| !["host", "connection"].contains(name)).collect()
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.headers().into_iter().filter(|(header, _)| *header == name).map(|(_, value)| value).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The decision record. How far it is belongs to other tests.
    fn decision(&self) -> String {
        let record = self.header("x-greatcircle-decision").unwrap_or_default();
        record.split(';').filter(|field| !field.starts_with("km=")).collect::<Vec<_>>().join(";")
    }

    #[track_caller]
    fn assert_without(&self, names: &[&str]) {
        let there: Vec<_> = names.iter().filter(|name| self.header(name).is_some()).collect();
        assert!(there.is_empty(), "{there:?} reached the region");
    }
}

/// A lookup in a test may take its time, if the chain has one.
fn patient(chain: &Value) -> Value {
    match &chain["greatcircle"]["clientLocation"]["lookup"] {
        Value::Null => Value::Null,
        _ => json!({"timeout": "10s"}),
    }
}

fn ipinfo(port: u16) -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
    let hosts = json!({"cluster_name": "ipinfo", "endpoints": endpoints});
    json!({"name": "ipinfo", "type": "STATIC", "connect_timeout": "1s", "load_assignment": hosts})
}

fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(patch) => patch.iter().for_each(|(key, value)| merge(&mut target[key], value)),
        value => *target = value.clone(),
    }
}
