//! Whatever strangers send, the filter neither traps nor believes it, and the next client is served as ever.
//!
//! Everything is written to sockets byte by byte: an HTTP client would refuse to send most of it.

use serde_json::{Value, json};
use test_harness::plan::Plan;
use test_harness::{World, http2, places::*};

const NOWHERE: &str = "region=eu-west;reason=noLocation;rank=1;via=fallback";
const SUVA_TO_SYDNEY: &str = "region=oceania;reason=nearest;km=3218;rank=1;via=headers";

#[test]
fn a_place_that_is_none_is_as_good_as_no_place() {
    let long = "9".repeat(60_000);
    let long = long.as_bytes();
    #[rustfmt::skip]
    let pairs: [(&str, &[u8], &[u8]); 22] = [
        ("not UTF-8",             b"Z\xfcrich",  b"8.54"),
        ("half a character",      b"46.2\xe2\x82", b"6.14"),
        ("an overlong slash",     b"\xc0\xaf",   b"\xff\xfe"),
        ("nothing",               b"",           b""),
        ("one of two",            b"46.2",       b""),
        ("blanks",                b" \t ",       b"6.14"),
        ("not a number",          b"nan",        b"NaN"),
        ("infinity",              b"inf",        b"-infinity"),
        ("too large for a double", b"1e400",     b"-1e400"),
        ("an exponent",           b"4e1",        b"6"),
        ("a plus",                b"+5",         b"+5"),
        ("hexadecimal",           b"0x2e",       b"0x6"),
        ("a comma for a point",   b"46,2",       b"6,14"),
        ("Arabic digits",         "٤٦".as_bytes(), "٦".as_bytes()),
        ("north of the pole",     b"90.0001",    b"0"),
        ("east of the date line", b"0",          b"180.0001"),
        ("a sentinel",            b"999.9",      b"999.9"),
        ("null island",           b"0",          b"0"),
        ("null island, minus",    b"-0.0",       b"0.000"),
        ("swapped",               b"-122.08",    b"37.38"),
        ("60 kB of digits",       long,          b"6.14"),
        ("60 kB of digits",       b"46.2",       long),
    ];
    let world = dublin_and_sydney().start();
    for (name, latitude, longitude) in pairs {
        let answer = ask(&world, &[(b"x-geo-latitude", latitude), (b"x-geo-longitude", longitude)]);
        assert_eq!((answer.status, answer.decision()), (200, [NOWHERE.into()].into()), "{name}");
    }
    let lone: [&[Header]; 5] = [
        &[(b"x-geo-latitude", b"46.2")],
        &[(b"x-geo-longitude", b"6.14")],
        &[(b"x-geo-latitude", b"46.2"), (b"x-geo-latitude", b"46.2"), (b"x-geo-longitude", b"6.14")],
        &[(b"x-geo-latitude", b"46.2"), (b"x-geo-longitude", b"6.14"), (b"X-GEO-LONGITUDE", b"6.14")],
        &[(b"x-geo-latitude", b""), (b"x-geo-latitude", b"46.2"), (b"x-geo-longitude", b"6.14")],
    ];
    for headers in lone {
        let answer = ask(&world, headers);
        assert_eq!((answer.status, answer.decision()), (200, [NOWHERE.into()].into()), "{headers:?}");
    }
    // Two empty headers say as much as none.
    unharmed(&world, [("invalid", (pairs.len() + lone.len() - 1) as u64)]);
}

#[test]
fn a_position_that_is_none_is_as_good_as_no_position() {
    let long = [b"46.2,", "9".repeat(60_000).as_bytes()].concat();
    let commas = ",".repeat(60_000);
    let positions: [&[u8]; 15] = [
        b"",
        b",",
        b"46.2",
        b"46.2,",
        b",6.14",
        b"46.2,6.14,0",
        b"46.2;6.14",
        b"0,0",
        b"-122.08,37.38",
        b"+46.2,6.14",
        b"nan,nan",
        b"\xff\xff,\xff",
        b"46.2,6.14\xff",
        &long,
        commas.as_bytes(),
    ];
    let headers = json!({"latitude": null, "longitude": null, "position": "x-geo-position"});
    let world = dublin_and_sydney().filter(json!({"clientLocation": {"headers": headers}})).start();
    for position in positions {
        let answer = ask(&world, &[(b"x-geo-position", position)]);
        let shown = String::from_utf8_lossy(&position[..position.len().min(40)]);
        assert_eq!((answer.status, answer.decision()), (200, [NOWHERE.into()].into()), "{shown}");
    }
    let twice = ask(&world, &[(b"x-geo-position", b"46.2,6.14"), (b"x-geo-position", b"46.2,6.14")]);
    assert_eq!((twice.status, twice.decision()), (200, [NOWHERE.into()].into()), "{twice:?}");
    let good = ask(&world, &[(b"x-geo-position", b"-18.14,178.44")]);
    assert_eq!(good.decision(), [SUVA_TO_SYDNEY], "{good:?}");
    // Coming from somewhere by the usual headers is coming from nowhere here.
    // An empty position says as much as none.
    unharmed_as(&world, NOWHERE, [("invalid", positions.len() as u64)]);
}

#[test]
fn other_headers_may_hold_any_bytes() {
    let world = dublin_and_sydney().start();
    let every_byte: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).collect();
    let suva: [Header; 2] = [(b"x-geo-latitude", b"-18.14"), (b"x-geo-longitude", b"178.44")];
    let strange: [Header; 5] = [
        (b"cookie", &every_byte),
        (b"user-agent", b"\xff\xfe\xfd"),
        (b"x-forwarded-for", b"\x80, \xff"),
        (b"!#$%&'*+-.^_`|~09", b"every byte that a name may have"),
        (b"x-empty", b""),
    ];
    for header in strange {
        let answer = ask(&world, &[suva[0], header, suva[1]]);
        assert_eq!((answer.status, answer.decision()), (200, [SUVA_TO_SYDNEY.into()].into()), "{header:?}");
    }
    // Ninety of one, with Envoy's own limit at a hundred.
    let many = [&suva[..], &[(b"x-greatcircle-decision".as_slice(), b"region=mars".as_slice()); 90]].concat();
    assert_eq!(ask(&world, &many).decision(), [SUVA_TO_SYDNEY]);
    unharmed(&world, []);
}

#[test]
fn what_envoy_itself_refuses_never_reaches_the_filter() {
    let world = dublin_and_sydney().start();
    let with = |bytes: &[u8]| [b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n", bytes, b"\r\n\r\n"].concat();
    let large = "9".repeat(100_000);
    let many = "x-geo-latitude: 46.2\r\n".repeat(101);
    let cases: [(&str, u16, Vec<u8>); 13] = [
        ("a name that is not ASCII", 400, with(b"x-Z\xfcrich: 1")),
        ("a name of one high byte", 400, with(b"\x80: 1")),
        ("a blank in a name", 400, with(b"x geo: 1")),
        ("no name", 400, with(b": 1")),
        ("no colon", 400, with(b"x-geo-latitude")),
        ("NUL in a value", 400, with(b"x-geo-latitude: 46\0.2")),
        ("100 kB in a value", 431, with(format!("x-geo-latitude: {large}").as_bytes())),
        ("100 kB in a name", 431, with(format!("x{large}: 1").as_bytes())),
        ("a hundred headers too many", 431, with(many.trim_end().as_bytes())),
        ("two lengths", 400, with(b"content-length: 1\r\ncontent-length: 2")),
        ("no host", 400, b"GET / HTTP/1.1\r\n\r\n".into()),
        ("no HTTP", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".into()),
        ("no request", 400, b"\r\n\r\nhello\r\n\r\n".into()),
    ];
    // All at once, because Envoy keeps a connection for a second after an error.
    std::thread::scope(|scope| {
        for (name, status, bytes) in &cases {
            let world = &world;
            scope.spawn(move || assert_eq!(Answer::to(world, bytes).status, *status, "{name}"));
        }
    });
    let broken_http2 = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0xff; 100]].concat();
    assert!(!world.client().raw(&broken_http2).is_empty(), "settings and a goodbye");
    unharmed(&world, []);
}

#[test]
fn a_clients_own_routing_and_decision_headers_reach_nobody() {
    let world = dublin_and_sydney().start();
    // Envoy strips the usual names by its own configuration; of these only the filter knows.
    let own = json!({"output": {"regionHeader": "x-where", "decisionHeader": "x-why"}});
    let own = dublin_and_sydney().filter(own).start();
    let forged: [&[&[u8]]; 6] =
        [&[b"eu-west"], &[b"eu-west", b"mars"], &[b""], &[b"", b"eu-west", b""], &[b"\xff"], &[b"region-eu-west"]];
    for values in forged {
        for (world, name, expected) in [
            (&world, "x-greatcircle-region", "oceania"),
            (&world, "x-greatcircle-decision", SUVA_TO_SYDNEY),
            (&own, "x-where", "oceania"),
            (&own, "x-why", SUVA_TO_SYDNEY),
        ] {
            let names = [name.to_owned(), name.to_uppercase(), name.replace('w', "W").replace('g', "G")];
            let names = names.iter().map(|name| name.as_bytes());
            let lies: Vec<Header> = names.cycle().zip(values.iter().copied()).collect();
            let suva: [Header; 2] = [(b"x-geo-latitude", b"-18.14"), (b"x-geo-longitude", b"178.44")];
            let answer = ask(world, &[&lies, &suva[..], &lies].concat());
            assert_eq!((answer.status, answer.seen(name)), (200, vec![expected.into()]), "{lies:?}");
        }
    }
    unharmed(&world, []);
}

#[test]
fn a_clients_decision_header_reaches_nobody_even_where_the_filter_writes_none() {
    let quiet = || dublin_and_sydney().filter(json!({"output": {"decisionHeader": ""}}));
    let unguarded = || json!({"internal_only_headers": null});
    for (name, world) in
        [("envoy.yaml", quiet().start()), ("by itself", quiet().bootstrap(ROUTES, unguarded()).start())]
    {
        let answer = ask(&world, &[(b"x-greatcircle-decision", b"region=mars"), (b"X-GREATCIRCLE-DECISION", b"")]);
        assert_eq!((answer.status, answer.decision()), (200, vec![]), "{name}");
    }
}

#[test]
fn our_names_spelt_with_underscores_reach_nobody() {
    // Gateways of the CGI family, and they are many, make X_GEO_COUNTRY of both.
    let own = json!({"output": {"regionHeader": "x_where", "decisionHeader": ""}});
    let (world, own) = (dublin_and_sydney().start(), dublin_and_sydney().filter(own).start());
    let names =
        ["x_greatcircle_region", "X-Greatcircle_Region", "x_greatcircle-decision", "x_geo_country", "x-geo_latitude"];
    for (world, names) in [(&world, &names[..]), (&own, &["x-where", "x_greatcircle_decision", "X_GEO_LONGITUDE"])] {
        let lies: Vec<Header> = names.iter().map(|name| (name.as_bytes(), b"1".as_slice())).collect();
        let suva: [Header; 3] =
            [(b"x-geo-latitude", b"-18.14"), (b"x-geo-longitude", b"178.44"), (b"x_other", b"stays")];
        let answer = ask(world, &[&lies, &suva[..], &lies].concat());
        assert_eq!(answer.status, 200, "{answer:?}");
        for name in names {
            assert_eq!(answer.seen(&name.to_lowercase()), [""; 0], "{name}");
        }
        assert_eq!(["x_other", "x-geo-latitude"].map(|name| answer.seen(name)), [["stays"], ["-18.14"]]);
    }
    unharmed(&world, []);
}

#[test]
fn our_names_in_trailers_reach_nobody() {
    let world = dublin_and_sydney().trailers().start();
    let suva = [("x-geo-latitude", "-18.14"), ("x-geo-longitude", "178.44")];
    let trailers = [
        ("x-greatcircle-region", "eu-west"),
        ("x-checksum", "42"),
        ("x-greatcircle-decision", "region=mars"),
        ("x-greatcircle-decision", "region=moon"),
        ("x_greatcircle_region", "eu-west"),
        ("x-geo-latitude", "46.2"),
        ("x-geo-country", "CH"),
    ];
    let answer = http2::post(world.address(), &suva, b"a body", &trailers).unwrap();
    let seen: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((&seen["body"], &seen["region"]), (&json!("a body"), &json!("oceania")), "{seen}");
    assert_eq!(seen["trailers"], json!([["x-checksum", "42"]]));
    unharmed(&world, []);
}

#[test]
fn our_names_cannot_be_nominated_for_removal() {
    // Envoy leaves `connection` in requests for an upgrade alone; there, the next hop would drop what it names.
    let websocket = json!({"upgrade_configs": [{"upgrade_type": "websocket"}]});
    let world = dublin_and_sydney().connection_manager(websocket).start();
    let suva: [Header; 2] = [(b"x-geo-latitude", b"-18.14"), (b"x-geo-longitude", b"178.44")];
    for nominated in [
        &["upgrade, x-greatcircle-region, X-Greatcircle-Decision"][..],
        &["x_greatcircle_region", "x-geo-latitude,upgrade"],
    ] {
        let lines = nominated.iter().map(|line| (b"connection".as_slice(), line.as_bytes()));
        let request = [&suva[..], &lines.collect::<Vec<_>>(), &[(b"upgrade", b"websocket")]].concat();
        // The region declines the upgrade, and Envoy passes its answer on without the body.
        let answer = String::from_utf8(world.client().raw(&bytes_of(&request))).unwrap();
        let told = |header: &str| answer.lines().find_map(|line| line.strip_prefix(header)).map(str::trim);
        assert_eq!((told("x-region:"), told("x-connection:")), (Some("oceania"), Some("upgrade")), "{answer}");
    }
    unharmed(&world, []);
}

/// After all that: no trap, exact counts, and every worker sends Suva to Sydney.
fn unharmed<const N: usize>(world: &World, ignored: [(&str, u64); N]) {
    unharmed_as(world, SUVA_TO_SYDNEY, ignored);
}

fn unharmed_as<const N: usize>(world: &World, expected: &str, ignored: [(&str, u64); N]) {
    let counted = world.ignored_geo_headers();
    assert_eq!(counted, ignored.map(|(why, count)| (why.to_owned(), count)).into(), "why geo headers were ignored");
    for response in world.through_every_worker(|| world.client().from(SUVA).get("/")) {
        assert_eq!((response.status, response.decision().as_str()), (200, expected));
    }
    let traps = world.envoy().stats("wasm.greatcircle.vm_reload");
    assert!(traps.len() == 4 && traps.values().all(|count| *count == 0), "{traps:?}");
    let regions = world.sum("greatcircle_decisions_total", "region");
    assert!(regions.keys().all(|name| ["eu-west", "oceania"].contains(&name.as_str())), "{regions:?}");
}

fn dublin_and_sydney() -> Plan {
    World::new().region("eu-west", DUBLIN).region("oceania", SYDNEY)
}

const ROUTES: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config";

type Header<'a> = (&'a [u8], &'a [u8]);

/// Sends a request with these headers, byte by byte.
fn ask(world: &World, headers: &[Header]) -> Answer {
    Answer::to(world, &bytes_of(&[&[(b"connection".as_slice(), b"close".as_slice())], headers].concat()))
}

/// A request with these headers.
fn bytes_of(headers: &[Header]) -> Vec<u8> {
    let mut bytes = b"GET / HTTP/1.1\r\nhost: gateway\r\n".to_vec();
    for (name, value) in headers {
        bytes.extend([*name, b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes
}

/// An answer, and the request as the region saw it (`null` if none did).
#[derive(Debug)]
struct Answer {
    status: u16,
    seen: Value,
}

impl Answer {
    fn to(world: &World, request: &[u8]) -> Self {
        let bytes = world.client().raw(request);
        let text = String::from_utf8_lossy(&bytes);
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        Self {
            status: status.unwrap_or_else(|| panic!("no HTTP: {text:?}")),
            seen: serde_json::from_str(body).unwrap_or_default(),
        }
    }

    /// Every header of this name that reached the region.
    fn seen(&self, name: &str) -> Vec<String> {
        let headers = self.seen["headers"].as_array().into_iter().flatten();
        let values = headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap_or_default());
        values.map(Into::into).collect()
    }

    fn decision(&self) -> Vec<String> {
        self.seen("x-greatcircle-decision")
    }
}
