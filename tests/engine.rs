//! The engine as a host sees it: requests in, verdicts and effects out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::store::Store;
use common::worker::Worker;
use common::{after, at, config, ms, region};
use greatcircle::call::{Failure, Reply};
use greatcircle::client::lookup::Outcome;
use greatcircle::client::lookup::answer::{CoordinatePointers, Pointers};
use greatcircle::client::lookup::{self, Budget, Cache};
use greatcircle::client::source::Source;
use greatcircle::client::trust::Trust;
use greatcircle::config::{Config, Gateway};
use greatcircle::engine::event::{Change, Ignored, Level, LookupResult};
use greatcircle::engine::{Engine, Event, Identity, RequestHead, Verdict};
use greatcircle::health::Health;
use greatcircle::own_headers::OwnHeaders;
use greatcircle::region::Regions;
use greatcircle::steering::{Decision, WhenAllDown};
use std::time::Duration;

fn two_regions() -> Regions {
    Regions::new(vec![region("eu-west", at(53.35, -6.26)), region("us-east", at(39.04, -77.49))]).unwrap()
}

fn headers(lines: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn source() -> Source {
    Source { client: "8.8.8.8".parse().ok(), ..Source::default() }
}

/// Asks `ipinfo` about whoever sends no geo headers.
fn with_lookup() -> Config {
    let pointers = Pointers {
        coordinates: CoordinatePointers::One("/loc".into()),
        country: "/country".into(),
        address: "/ip".into(),
    };
    let hour = Duration::from_secs(3600);
    let cache = Cache { entries: 100, ttl: hour, negative_ttl: hour, prefix_v4: 24, prefix_v6: 48 };
    let mut config = config(two_regions());
    let mut request = common::check().request;
    (request.cluster, request.path) = ("ipinfo".into(), "/{ip}/json".into());
    config.client.lookup =
        Some(lookup::Settings { request, timeout: ms(200), pointers, cache, budget: Budget::default() });
    config
}

const IN_NEW_YORK: Reply<'_> =
    Reply::Answered { status: Some(200), body: b"{\"loc\": \"40.71,-74.01\", \"country\": \"US\"}" };

/// A verdict in one line: what is removed, what is set, what the log shows, and what follows.
fn written(verdict: &Verdict<'_>) -> String {
    let (what, edits) = match verdict {
        Verdict::Continue(edits) => ("go on".to_owned(), edits),
        Verdict::Wait(edits) => ("wait".to_owned(), edits),
        Verdict::Respond(response, edits) => {
            (format!("{} after {} s: {}", response.status, response.retry_after_seconds(), response.body.trim()), edits)
        }
    };
    let list = |pairs: Vec<String>| pairs.join(" ");
    let removed = list(edits.remove.iter().map(|name| format!("-{name}")).collect());
    let set = list(edits.set.iter().map(|(name, value)| format!("{name}: {value}")).collect());
    let state = list(edits.filter_state.iter().map(|(name, value)| format!("{name}={value}")).collect());
    [removed, set, state, what].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ")
}

#[test]
fn what_becomes_of_a_request() {
    let geneva = [("x-geo-latitude", "46.2"), ("x-geo-longitude", "6.14")];
    let to_dublin = "x-region: eu-west x-decision: region=eu-west;reason=nearest;km=1191;rank=1;via=headers | \
        greatcircle.region=eu-west greatcircle.reason=nearest greatcircle.km=1191 | go on";
    let not_believed = "-x-geo-latitude -x-geo-longitude | \
        x-region: eu-west x-decision: region=eu-west;reason=noLocation;rank=1;via=none | \
        greatcircle.region=eu-west greatcircle.reason=noLocation | go on";
    let nobody = Config {
        client: greatcircle::client::Settings { trust: Trust::Nobody, ..config(two_regions()).client },
        ..config(two_regions())
    };
    for (name, config, sent, expected, ignored) in [
        ("a trusted edge", config(two_regions()), &geneva[..], to_dublin, None),
        ("nobody is trusted", nobody, &geneva[..], not_believed, Some(Ignored::Untrusted)),
        (
            "one header of two",
            config(two_regions()),
            &geneva[..1],
            "x-region: eu-west x-decision: region=eu-west;reason=noLocation;rank=1;via=none | \
                greatcircle.region=eu-west greatcircle.reason=noLocation | go on",
            Some(Ignored::Invalid),
        ),
    ] {
        let store = Store::default();
        let mut worker = Worker::with(&store, "p", 1, config, ms(0));
        worker.events.clear();
        let sent = headers(sent);
        let verdict = worker.engine.request(
            RequestHead { stream: 1, headers: &sent, body_follows: false, source: Source::default() },
            || panic!("nobody asks for the time"),
            &store,
        );
        assert_eq!(written(&verdict), expected, "{name}");
        drop(verdict);
        worker.poll();
        let told: Vec<_> = worker.events.iter().filter(|event| matches!(event, Event::GeoHeadersIgnored(_))).collect();
        assert_eq!(told, ignored.map(Event::GeoHeadersIgnored).iter().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_refusal_leaves_nothing_of_a_clients_own_decision() {
    let store = Store::default();
    let mut config = config(two_regions());
    config.policy.when_all_down = WhenAllDown::Reject;
    let mut worker = Worker::with(&store, "p", 1, config, ms(0));
    worker.tick(ms(10), &["region"]);
    worker.events.clear();
    let sent = headers(&[("x-region", "us-east"), ("x-decision", "mine")]);
    let verdict = worker.engine.request(
        RequestHead { stream: 1, headers: &sent, body_follows: false, source: Source::default() },
        || after(ms(0)),
        &store,
    );
    assert_eq!(
        written(&verdict),
        "-x-region -x-decision | greatcircle.reason=rejected | 503 after 7 s: no region is available"
    );
    drop(verdict);
    worker.poll();
    assert_eq!(worker.events, [Event::Decided(Decision::Reject)]);
}

#[test]
fn what_a_client_says_under_our_names_goes() {
    let mut quiet = config(two_regions());
    quiet.output.decision_header = None;
    let to_dublin = "greatcircle.region=eu-west greatcircle.reason=noLocation | go on";
    let record = "x-decision: region=eu-west;reason=noLocation;rank=1;via=none";
    for (name, config, sent, removed_and_set) in [
        (
            "spelt otherwise",
            config(two_regions()),
            ("x_region", "mars"),
            format!("-x_region | x-region: eu-west {record}"),
        ),
        ("overwritten", config(two_regions()), ("x-decision", "mine"), format!("x-region: eu-west {record}")),
        (
            "not written by us",
            quiet,
            ("x-greatcircle-decision", "mine"),
            "-x-greatcircle-decision | x-region: eu-west".into(),
        ),
        (
            "nominated",
            config(two_regions()),
            ("connection", "upgrade, X-Region"),
            format!("connection: upgrade x-region: eu-west {record}"),
        ),
    ] {
        let store = Store::default();
        let mut worker = Worker::with(&store, "p", 1, config, ms(0));
        let sent = headers(&[sent, ("x-other", "stays")]);
        let verdict = worker.engine.request(
            RequestHead { stream: 1, headers: &sent, body_follows: false, source: Source::default() },
            || after(ms(0)),
            &store,
        );
        assert_eq!(written(&verdict), format!("{removed_and_set} | {to_dublin}"), "{name}");
    }
    // Before it waits, too.
    let store = Store::default();
    let mut worker = Worker::with(&store, "p", 1, with_lookup(), ms(0));
    let sent = headers(&[("x_decision", "mine")]);
    let verdict = worker.engine.request(
        RequestHead { stream: 1, headers: &sent, body_follows: false, source: source() },
        || after(ms(0)),
        &store,
    );
    assert_eq!(written(&verdict), "-x_decision -x-region -x-decision | wait");
}

#[test]
fn a_request_that_comes_again_goes_where_it_went_and_is_not_counted_again() {
    let store = Store::default();
    let mut worker = Worker::with(&store, "p", 1, with_lookup(), ms(0));
    worker.poll();
    worker.events.clear();
    assert_eq!(written(&worker.engine.request_again("us-east").unwrap()), "x-region: us-east | go on");
    assert_eq!(worker.engine.request_again("a-region-of-before"), None);
    worker.poll();
    assert!(worker.events.is_empty() && worker.calls.is_empty());
}

#[test]
fn requests_of_one_prefix_wait_for_one_lookup() {
    let store = Store::default();
    let mut worker = Worker::with(&store, "p", 1, with_lookup(), ms(0));
    let ask = |worker: &mut Worker<'_>, stream| {
        let written = written(&worker.engine.request(
            RequestHead { stream, headers: &headers(&[]), body_follows: false, source: source() },
            || after(ms(0)),
            &store,
        ));
        worker.poll();
        written
    };
    for stream in 1..=3 {
        assert_eq!(ask(&mut worker, stream), "-x-region -x-decision | wait");
    }
    worker.engine.abandon(2);
    let [call] = &std::mem::take(&mut worker.calls)[..] else { panic!("one call") };
    assert_eq!((call.request.path.as_str(), call.timeout), ("/8.8.8.0/json", ms(200)));
    worker.events.clear();
    worker.answer(call, &IN_NEW_YORK, ms(20));
    let resumed = std::mem::take(&mut worker.resumed);
    assert_eq!(resumed.iter().map(|waiting| waiting.stream).collect::<Vec<_>>(), [1, 3], "who is gone is not resumed");
    let to_ashburn = "x-region: us-east x-decision: region=us-east;reason=nearest;km=350;rank=1;via=lookup;country=US | \
        greatcircle.region=us-east greatcircle.reason=nearest greatcircle.km=350 | go on";
    assert_eq!(written(&worker.engine.resume(&resumed[0])), to_ashburn);
    let found = Event::LookedUp(LookupResult::Ended(Outcome::Found));
    assert_eq!(worker.events, [found]);

    // Every worker has it now.
    let mut other = Worker::with(&store, "p", 1, with_lookup(), ms(30));
    assert_eq!(ask(&mut other, 1), to_ashburn);
    assert!(other.calls.is_empty() && other.events.contains(&Event::LookedUp(LookupResult::Cached)));
}

#[test]
fn a_request_goes_on_whatever_becomes_of_its_lookup() {
    let nowhere = "x-region: eu-west x-decision: region=eu-west;reason=noLocation;rank=1;via=none | \
        greatcircle.region=eu-west greatcircle.reason=noLocation | go on";
    for name in ["not sent", "reset", "never answered"] {
        let store = Store::default();
        let mut worker = Worker::with(&store, "p", 1, with_lookup(), ms(0));
        worker.engine.request(
            RequestHead { stream: 1, headers: &headers(&[]), body_follows: false, source: source() },
            || after(ms(0)),
            &store,
        );
        worker.poll();
        let call = worker.calls.pop().unwrap();
        match name {
            "not sent" => worker.engine.not_sent(&call, Failure::NoCluster, after(ms(1)), &store),
            "reset" => worker.answer(&call, &Reply::Failed(Failure::Reset), ms(5)),
            _ => {
                worker.engine.sent(&call, 99);
                worker.engine.tick(after(ms(1200)), &store);
                worker.poll();
                assert!(worker.resumed.is_empty(), "there is still hope");
                worker.engine.tick(after(ms(1201)), &store);
            }
        }
        worker.poll();
        let [waiting] = worker.resumed[..] else { panic!("{name}: {:?}", worker.resumed) };
        assert_eq!(written(&worker.engine.resume(&waiting)), nowhere, "{name}");
        // An answer that comes after all is nobody's.
        worker.engine.answered(99, &IN_NEW_YORK, after(ms(2000)), &store);
        worker.resumed.clear();
        worker.poll();
        assert!(worker.resumed.is_empty(), "{name}");
    }
}

#[test]
fn calls_that_are_never_answered_are_forgotten() {
    let store = Store::default();
    let mut worker = Worker::new(&store, "p", 1, two_regions(), ms(0));
    for minute in 0..60_u64 {
        worker.engine.tick(after(Duration::from_secs(60 * minute)), &store);
        worker.poll();
        for (token, call) in worker.calls.drain(..).enumerate() {
            worker.engine.sent(&call, minute * 10 + token as u64);
        }
    }
    assert!(format!("{:?}", worker.engine).matches("Probe {").count() <= 2, "{:?}", worker.engine);
}

#[test]
fn the_first_up_of_a_region_is_no_warning() {
    let regions = two_regions();
    let (region, _) = regions.iter().next().unwrap();
    for (from, to, level) in [
        (Health::Unknown, Health::Up, Level::Info),
        (Health::Unknown, Health::Down, Level::Warning),
        (Health::Up, Health::Down, Level::Warning),
        (Health::Down, Health::Up, Level::Warning),
        (Health::Up, Health::Unknown, Level::Warning),
    ] {
        let [line] = &Event::HealthChanged { region, from, to, cause: "success" }.lines(Some(&regions))[..] else {
            panic!("one line")
        };
        assert_eq!(line.level, level, "{line}");
        let expected =
            format!("greatcircle event=health region=eu-west from={} to={} cause=success", from.name(), to.name());
        assert_eq!(line.to_string(), expected);
    }
}

#[test]
fn a_metric_has_a_value_for_each_label_and_a_series_of_its_own() {
    let regions = two_regions();
    let mut seen = std::collections::BTreeMap::new();
    let mut decisions = vec![Event::Decided(Decision::Reject)];
    for (region, _) in regions.iter() {
        use greatcircle::steering::{Reason, Route};
        for reason in [Reason::Nearest, Reason::Failover, Reason::NoLocation, Reason::FailOpen] {
            decisions.push(Event::Decided(Decision::Route(Route { region, reason, distance: None, rank: 1 })));
        }
        for outcome in greatcircle::probe::Outcome::ALL {
            decisions.push(Event::Probed { region, outcome });
        }
        for to in Health::ALL {
            decisions.push(Event::HealthChanged { region, from: Health::Up, to, cause: "" });
        }
        decisions.push(Event::Health { region, health: Health::Up });
    }
    decisions.extend([Ignored::Invalid, Ignored::Untrusted].map(Event::GeoHeadersIgnored));
    let ended = Outcome::ALL.map(LookupResult::Ended);
    let not_sent = [LookupResult::Cached, LookupResult::Paused, LookupResult::Busy];
    decisions.extend(ended.into_iter().chain(not_sent).map(Event::LookedUp));
    decisions.extend([Event::Built, Event::InForce { hash: 1 << 60, in_force: true }, Event::Rejected(Vec::new())]);
    for event in decisions {
        let metric = event.metric().unwrap();
        let values = event.label_values(Some(&regions));
        assert_eq!(values.len(), metric.family.labels().len(), "{event:?}");
        let name = format!("{} {values:?}", metric.family.name());
        let before = seen.insert((metric.family.name(), metric.series), name.clone());
        assert_eq!(before, None, "{name} and another one under one number");
        assert_eq!(metric.family.name().ends_with("_total"), metric.change == Change::Increment, "{name}");
    }
    let rejected = seen.values().find(|name| name.contains("rejected\"")).unwrap();
    assert_eq!(rejected, "greatcircle_decisions_total [\"none\", \"rejected\"]");
}

#[test]
fn what_follows_from_a_wrong_configuration() {
    let wrong = |output: &str| format!(r#"{{"regions": [], "output": {output}}}"#);
    let defaults = Some(vec!["x-greatcircle-region".to_owned(), "x-greatcircle-decision".to_owned()]);
    let own = Some(vec!["x-region".to_owned(), "x-greatcircle-decision".to_owned()]);
    for (wish, begun, json, expected) in [
        (None, false, wrong("{}"), None),
        (Some("refuse"), false, wrong("{}"), None),
        (Some("Pass"), false, wrong("{}"), None),
        (Some("pass"), false, wrong("{}"), defaults.clone()),
        (Some("pass"), false, wrong(r#"{"regionHeader": "X-Region"}"#), own),
        (Some("pass"), false, wrong(r#"{"regionHeader": "no name"}"#), defaults.clone()),
        (Some("pass"), false, "no JSON".to_owned(), defaults),
        (Some("pass"), true, wrong("{}"), None), // what was there before serves on
    ] {
        let store = Store::default();
        let _before = begun.then(|| Worker::new(&store, "p", 1, two_regions(), ms(0)));
        let variable = |name: &str| wish.filter(|_| name == "GREATCIRCLE_INVALID_CONFIG").map(str::to_owned);
        let gateway = Gateway { variable: &variable, ..Gateway::UNKNOWN };
        let identity = Identity { plugin: "p", instance: 1 };
        let refusal = Engine::configure(json.as_bytes(), gateway, identity, after(ms(0)), &store).unwrap_err();
        assert!(matches!(&refusal.event, Event::Rejected(problems) if !problems.is_empty()));
        assert_eq!(refusal.pass_without, expected.map(OwnHeaders::banned), "{wish:?} {begun} {json}");
    }
}
