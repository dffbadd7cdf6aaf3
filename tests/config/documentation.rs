//! docs/configuration.md says what the code does: its examples are read, its tables are held against the contract.

use crate::{contract, files, in_repository, messages, minimal};
use greatcircle::availability::Status;
use greatcircle::client::Via;
use greatcircle::client::lookup;
use greatcircle::client::presets::Preset;
use greatcircle::client::source::Source;
use greatcircle::config::{Config, Gateway};
use greatcircle::engine::Event;
use greatcircle::engine::event::{Family, Ignored, LookupResult};
use greatcircle::geo::Coordinates;
use greatcircle::health::Health;
use greatcircle::probe::Outcome;
use greatcircle::record::Record;
use greatcircle::steering::{Decision, Query, steer};
use serde_json::Value;
use std::collections::BTreeSet;

fn reference() -> String {
    std::fs::read_to_string(in_repository("docs/configuration.md")).unwrap()
}

/// The JSON examples of a text.
fn examples(text: &str) -> Vec<&str> {
    text.split("```json\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0).collect()
}

fn readme() -> String {
    std::fs::read_to_string(in_repository("README.md")).unwrap()
}

/// A part of the reference by its heading, up to the next one.
fn section(text: &str, heading: &str) -> String {
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split_once("\n## ").map_or(rest, |(section, _)| section).to_owned()
}

/// The fields that have a row in the tables of a text.
fn rows(text: &str) -> BTreeSet<&str> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(first, _)| first).filter(|first| contract::fields().contains(first)).collect()
}

#[test]
fn every_example_is_a_valid_configuration() {
    let reference = reference();
    let examples = examples(&reference);
    assert!(examples.len() >= 3, "the examples were not found");
    for example in examples {
        assert_eq!(messages(example.as_bytes()), Vec::<String>::new(), "{example}");
    }
}

#[test]
fn the_readme_shows_a_configuration_and_what_it_decides_for_a_client_in_geneva() {
    let readme = readme();
    let [example] = examples(&readme)[..] else { panic!("one example") };
    let config = Config::from_json(example.as_bytes(), Gateway::UNKNOWN).unwrap();
    let headers = [("x-geo-latitude", "46.2"), ("x-geo-longitude", "6.14"), ("x-forwarded-for", "192.0.2.7")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into()));
    let gateway = Source { own: "203.0.113.1".parse().ok(), ..Source::default() };
    let location = config.client.read(&headers, gateway).location;
    assert_eq!(location.coordinates, Coordinates::new(46.2, 6.14).ok());
    let query = Query::from(&location);
    let up = |_| Status { health: Health::Up, usable: true };
    let all_up = config.regions.iter().map(up).collect();
    let decision = steer(&query, &config.regions, &config.policy, &all_up, &mut ());
    let Decision::Route(route) = decision else { panic!("{decision:?}") };
    let region = config.regions.get(route.region).unwrap().name();
    let record = Record { route: &route, region, location: &location };
    for (header, value) in [
        (&config.output.region_header, region.to_owned()),
        (config.output.decision_header.as_ref().unwrap(), record.to_string()),
    ] {
        assert!(readme.contains(&format!("\n{header}: {value}\n")), "{header}: {value}");
    }
}

#[test]
fn the_readme_shows_the_files_of_the_four_chains() {
    let readme = readme();
    for chain in ["cdn", "load-balancer", "direct", "gateway"] {
        let file = std::fs::read_to_string(in_repository(&format!("envoy/chains/{chain}.yaml"))).unwrap();
        let is_head = |line: &&str| line.starts_with('#') || line.is_empty();
        let body = file.lines().skip_while(is_head).collect::<Vec<_>>().join("\n");
        assert!(readme.contains(&format!("\n```yaml\n{body}\n```\n")), "{chain}.yaml is not shown");

        // YAML as it is, the filter's part is JSON as the filter takes it.
        let (_, filter) = body.split_once("\ngreatcircle:\n").unwrap();
        let mut document = minimal();
        let filter: Value = serde_json::from_str(filter).unwrap();
        document.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        assert_eq!(crate::messages_of(&document), Vec::<String>::new(), "{chain}.yaml");
    }
}

#[test]
fn the_defaults_written_out_are_the_defaults() {
    let section = section(&reference(), "Every default, written out");
    let [example, with_lookup] = examples(&section)[..] else { panic!("two examples") };
    let parse = |json: &str| Config::from_json(json.as_bytes(), Gateway::UNKNOWN).unwrap();
    assert_eq!(parse(example), parse(&minimal().to_string()));
    let mut lookup = minimal();
    lookup["clientLocation"]["lookup"]["cluster"] = "ipinfo".into();
    assert_eq!(parse(with_lookup), parse(&lookup.to_string()));

    // Nothing is left out: what the examples do not have are the other forms of a field that they have.
    let examples = [example, with_lookup].map(|json| serde_json::from_str::<Value>(json).unwrap());
    let has = |field: &&str| {
        let pointer = format!("/{}", field.replace("[]", "/0").replace('.', "/"));
        examples.iter().any(|example| example.pointer(&pointer).is_some())
    };
    let not_supported_yet = self::section(&reference(), "Not supported yet");
    let supported = contract::fields().into_iter().filter(|field| !rows(&not_supported_yet).contains(field));
    let left_out: Vec<_> = supported.filter(|field| !has(field)).collect();
    let other_forms = [
        "localRegion",
        "clientLocation.headers.position",
        "clientLocation.headers.edgescape",
        "clientLocation.trust.any",
        "clientLocation.trust.peers",
        "clientLocation.trust.header",
        "clientLocation.trust.equals",
        "clientLocation.networks[].cidr",
        "clientLocation.networks[].latitude",
        "clientLocation.networks[].longitude",
        "clientLocation.networks[].country",
        "clientLocation.lookup.latitude",
        "clientLocation.lookup.longitude",
        "clientLocation.fallback.latitude",
        "clientLocation.fallback.longitude",
        "steering.whenAllDown.region",
    ];
    assert_eq!(left_out, other_forms);
}

#[test]
fn every_preset_has_a_row_with_its_headers() {
    let section = section(&reference(), "Client location");
    for (name, preset) in Preset::ALL {
        let row = section.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("no row for {name}"));
        let headers = preset.headers();
        for header in headers.names() {
            assert!(row.contains(&format!("`{header}`")), "{name}: {header}");
        }
        for unknown in headers.unknown {
            assert!(row.contains(&format!("{unknown:.1}")), "{name}: {unknown}");
        }
    }
}

#[test]
fn every_field_has_a_row() {
    let reference = reference();
    let missing: Vec<_> = contract::fields().into_iter().filter(|field| !rows(&reference).contains(field)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every field that is refused as not supported yet, or that is part of one, or that consists of nothing else.
fn unsupported() -> BTreeSet<&'static str> {
    let refused = crate::invalid::fields_not_supported_yet();
    let inside = |part: &str, whole: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let refused_itself = |field: &str| refused.iter().any(|whole| inside(field, whole));
    let consists_of_refused = |field: &str| {
        let mut parts = contract::fields().into_iter().filter(|part| *part != field && inside(part, field)).peekable();
        parts.peek().is_some() && parts.all(refused_itself)
    };
    contract::fields().into_iter().filter(|field| refused_itself(field) || consists_of_refused(field)).collect()
}

#[test]
fn the_list_of_what_is_not_supported_yet_is_honest() {
    let section = section(&reference(), "Not supported yet");
    assert_eq!(rows(&section), unsupported());
}

#[test]
fn every_name_that_can_be_observed_is_explained() {
    let reference = reference();
    let via = [Via::Network, Via::Headers, Via::Lookup, Via::Country, Via::Fallback, Via::Nothing].map(Via::name);
    let health = Health::ALL.map(Health::name);
    let probes = Outcome::ALL.map(Outcome::name);
    let lookups = lookup::Outcome::ALL.map(lookup::Outcome::name);
    let not_sent = [LookupResult::Cached, LookupResult::Paused, LookupResult::Busy, LookupResult::OverBudget];
    let not_sent = not_sent.map(LookupResult::name);
    let ignored = [Ignored::Invalid, Ignored::Untrusted].map(Ignored::name);
    for name in [&Decision::REASONS[..], &via, &health, &probes, &lookups, &not_sent, &ignored].concat() {
        assert!(reference.contains(&format!("`{name}`")), "{name}");
    }
    // What a lookup ends with stands in the table that says what follows from it.
    let lookup = section(&reference, "Client location");
    for name in lookups {
        assert!(lookup.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{name}`"))), "{name}");
    }
}

#[test]
fn every_metric_has_a_row_with_its_labels() {
    let reference = section(&reference(), "What can be observed");
    for family in Family::ALL {
        let labels = family.labels().join(",");
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let row = format!("| `{}{labels}` | ", family.name());
        assert!(reference.lines().any(|line| line.starts_with(&row)), "no row {row}");
    }
}

#[test]
fn every_log_line_has_a_row_with_its_fields() {
    let reference = section(&reference(), "What can be observed");
    let config = Config::from_json(minimal().to_string().as_bytes(), Gateway::UNKNOWN).unwrap();
    let (region, _) = config.regions.iter().next().unwrap();
    let problems = Config::from_json(b"{}", Gateway::UNKNOWN).unwrap_err();
    for event in [
        Event::Configured { regions: 1, local_region: None, hash: 1 },
        Event::Rejected(problems),
        Event::LocalityUnmatched("mars".into()),
        Event::HealthChanged { region, from: Health::Unknown, to: Health::Up, cause: "success" },
        Event::HealthChanged { region, from: Health::Up, to: Health::Down, cause: "timeout" },
        Event::NoCluster { region },
        Event::LeasesTaken { regions: 1 },
        Event::TableUnreadable { bytes: 1 },
    ] {
        for line in event.lines(Some(&config.regions)) {
            let fields: String = line.fields.iter().map(|(name, _)| format!(" {name}=…")).collect();
            let words = if line.message.is_empty() { "" } else { " …" };
            let row = format!("| `greatcircle event={}{fields}{words}` | ", line.event);
            let row = reference.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("no row {row}"));
            assert!(row.contains(&format!("{:?}", line.level).to_lowercase()), "{row}");
        }
    }
}

#[test]
fn the_full_example_file_leaves_no_supported_field_out() {
    let path = files("valid").into_iter().find(|path| crate::stem(path) == "full").unwrap();
    let full = std::fs::read_to_string(path).unwrap();
    let unsupported = unsupported();
    let other_forms = ["position", "edgescape", "any", "header", "equals"];
    for field in contract::fields().into_iter().filter(|field| !unsupported.contains(field)) {
        let key = field.rsplit('.').next().unwrap_or(field);
        assert!(other_forms.contains(&key) || full.contains(&format!("{key:?}:")), "{field}");
    }
}
