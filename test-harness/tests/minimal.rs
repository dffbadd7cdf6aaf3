//! `envoy/minimal.yaml` and what README says of it: the file runs as it stands, and prints what README shows. Beside it: the
//! labels and names of metrics, in everything that is shipped.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use test_harness::bootstrap::repository;
use test_harness::istio::Recording;
use test_harness::minimal::{Minimal, bootstrap};
use test_harness::places::{ASHBURN, DUBLIN, GENEVA, Place, SUVA, SYDNEY, kilometres};
use test_harness::{Response, eventually_equals};

const FILTER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";

#[test]
fn the_commands_in_the_readme_print_what_it_says() {
    let gateway = started();
    let [session] = text_blocks("README.md", "console").try_into().expect("one session");
    let mut asked = 0;
    for step in session.split("$ ").skip(1) {
        let (command, printed) = step.split_once('\n').unwrap();
        if command == "kill %1" {
            gateway.regions[0].kill();
            continue;
        }
        assert!(command.starts_with("curl -si ") && command.ends_with(" localhost:10000 | grep region"), "{command}");
        eventually_equals(command, printed.trim_end().to_owned(), || grep_region(&get(&gateway, &headers(command))));
        asked += 1;
    }
    assert_eq!(asked, 3);
}

#[test]
fn without_a_place_a_client_is_served_by_the_gateways_own_region_and_nobody_steers_from_outside() {
    let gateway = started();
    let own = "region=eu-west;reason=noLocation;rank=1;via=fallback";
    let forged = [("x-greatcircle-region", "us-east"), ("x-greatcircle-decision", "region=us-east")];
    for headers in [&[][..], &forged] {
        let response = get(&gateway, headers);
        assert_eq!((response.status, response.region.as_deref()), (200, Some("eu-west")), "{headers:?}");
        assert_eq!(response.seen_headers("x-greatcircle-decision"), [own], "{headers:?}");
        assert_eq!(response.seen_headers("x-greatcircle-region"), ["eu-west"], "{headers:?}");
    }
    // README's advice for gateways with a region of their own: it is left only while it is down.
    gateway.regions[0].kill();
    eventually_equals("the other region", "region=us-east;reason=noLocation;rank=2;via=fallback".into(), || {
        get(&gateway, &[]).decision()
    });
}

#[test]
fn the_file_is_what_the_readme_shows() {
    let file = unindented(&text("envoy/minimal.yaml"));
    let [configuration] = text_blocks("README.md", "json").try_into().expect("one configuration");
    assert!(file.contains(&unindented(&configuration)), "the configuration is another one:\n{configuration}");
    let bootstrap = bootstrap().unwrap();
    let in_file = bootstrap.pointer(FILTER).unwrap()["typed_config"]["config"]["configuration"]["value"].as_str();
    let parsed = [configuration.as_str(), in_file.unwrap()].map(|json| serde_json::from_str::<Value>(json).unwrap());
    assert_eq!(parsed[0], parsed[1], "all of it is shown");

    let routes = text_blocks("README.md", "yaml").into_iter().find(|block| block.starts_with("routes:"));
    let routes = routes.expect("the routes");
    assert!(file.contains(&unindented(&routes)), "the routes are others:\n{routes}");

    // What to type is in the comments at the head of the file.
    let (scripts, session) =
        (text_blocks("README.md", "sh").join("\n"), text_blocks("README.md", "console").join("\n"));
    let commands = scripts.lines().chain(session.lines().filter_map(|line| line.strip_prefix("$ ")));
    let commands: Vec<_> = commands.collect();
    assert_eq!(commands.len(), 11, "{commands:#?}");
    for command in commands {
        assert!(file.contains(&format!("\n# {}\n", command.trim())), "not in the file: {command}");
    }
}

/// A newcomer's first trap: Envoy answers 503 where the names differ.
#[test]
fn a_region_its_cluster_and_the_routing_header_have_one_name() {
    let bootstrap = bootstrap().unwrap();
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    let filter = bootstrap.pointer(FILTER).unwrap();
    let configuration = filter["typed_config"]["config"]["configuration"]["value"].as_str().unwrap();
    let configuration: Value = serde_json::from_str(configuration).unwrap();
    let regions = names(&configuration["regions"]);
    let for_probes = regions.iter().map(|name| format!("probe-{name}"));
    let clusters: Vec<_> = regions.iter().cloned().chain(for_probes).collect();
    assert_eq!(names(&bootstrap["static_resources"]["clusters"]), clusters);
    assert_eq!(configuration["health"]["cluster"], "probe-{region}");
}

#[test]
fn every_bootstrap_takes_the_same_labels_out_of_the_stats_names() {
    let tags = |file: &str| serde_saphyr::from_str::<Value>(&text(file)).unwrap()["stats_config"].clone();
    assert_eq!(tags("envoy/minimal.yaml"), tags("envoy/envoy.yaml"));
    let tags = tags("envoy/envoy.yaml");
    let tags = tags["stats_tags"].as_array().unwrap();
    let names: Vec<_> = tags.iter().filter_map(|tag| tag["tag_name"].as_str()).collect();
    let reference = text("docs/configuration.md");
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `greatcircle_")?.split_once("}`"));
    let labels = rows.flat_map(|(metric, _)| metric.split_once('{').unwrap().1.split(','));
    assert_eq!(labels.collect::<BTreeSet<_>>(), names.iter().copied().collect(), "the reference's labels");
    let list = format!("extraStatTags: [{}]", names.join(", "));
    assert!(text("istio/README.md").contains(&list), "the annotation");
    // What istio-agent makes of an entry.
    let recording = Recording::read("t1").unwrap_or_else(|wrong| panic!("{wrong:#}"));
    let in_istio = &recording.gateways["eu-west"].stats_tags;
    for tag in tags {
        assert!(in_istio.contains(tag), "{tag}");
    }
}

#[test]
fn pages_and_manifests_name_no_metric_that_the_reference_has_not() {
    let reference = text("docs/configuration.md");
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `greatcircle_")?.split(['`', '{']).next());
    let known: BTreeSet<_> = rows.collect();
    assert_eq!(known.len(), 9, "{known:?}");
    let mut named = 0;
    for page in ["README.md", "docs", "envoy", "istio"].iter().flat_map(|place| pages(&repository().join(place))) {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("greatcircle_").skip(1) {
            let name = rest.split(|next: char| !next.is_ascii_lowercase() && next != '_').next().unwrap_or_default();
            // The beginning of a name, followed by a choice, is a filter for Envoy's stats.
            let is_known = known.contains(name) || (name.is_empty() && rest.starts_with('('));
            assert!(is_known, "{}: greatcircle_{name}", page.display());
            named += 1;
        }
        assert!(!text.contains("wasmcustom.greatcircle."), "{}: a metric's old name", page.display());
    }
    assert!(named > 30, "{named}");
}

/// What README computes, and its picture: kilometres, and the time that light needs in fibre for the way and back.
#[test]
fn the_figures_of_the_readme_are_computed() {
    let km = |from: Place, to: Place| kilometres((from.latitude, from.longitude), (to.latitude, to.longitude));
    let (suva_sydney, suva_dublin, dublin_sydney) = (km(SUVA, SYDNEY), km(SUVA, DUBLIN), km(DUBLIN, SYDNEY));
    let picture = text("docs/forwarding.svg");
    let readme = text("README.md");
    for (what, kilometres) in [
        ("Sydney", suva_sydney),
        ("Sydney, which is down, then Dublin", suva_sydney + dublin_sydney),
        ("Dublin", suva_dublin),
        ("Dublin, then Sydney", suva_dublin + dublin_sydney),
        ("Dublin, which asks Sydney twice", suva_dublin + 2.0 * dublin_sydney),
    ] {
        let ms = format!("{:.0} ms", 2.0 * kilometres / 200.0);
        let kilometres = format!("{:.0}", kilometres);
        let (thousands, rest) = kilometres.split_at(kilometres.len() - 3);
        for (name, text) in [("README.md", &readme), ("the picture", &picture)] {
            assert!(text.contains(&ms), "{what}: no {ms} in {name}");
        }
        assert!(readme.contains(&format!("{thousands},{rest} km")), "{what}: no {thousands},{rest} km");
    }
    assert_eq!((km(GENEVA, DUBLIN).round(), km(GENEVA, ASHBURN).round()), (1191.0, 6566.0));
}

#[test]
fn its_metrics_can_be_summed() {
    let gateway = started();
    let near = |latitude: &'static str, longitude: &'static str| {
        [("x-geo-latitude", latitude), ("x-geo-longitude", longitude)]
    };
    for headers in [near("46.2", "6.14"), near("46.2", "6.14"), near("40.71", "-74.01")] {
        assert_eq!(get(&gateway, &headers).status, 200);
    }
    let sum = |label: &str| gateway.envoy.metrics().sum("greatcircle_decisions_total", label);
    assert_eq!(sum("region"), [("eu-west".to_owned(), 2), ("us-east".to_owned(), 1)].into());
    assert_eq!(sum("reason"), [("nearest".to_owned(), 3)].into());
}

fn started() -> Minimal {
    Minimal::start().unwrap()
}

fn get(gateway: &Minimal, headers: &[(&str, &str)]) -> Response {
    headers.iter().fold(gateway.client(), |client, (name, value)| client.header(name, value)).get("/")
}

/// A file, or every file in a folder.
fn pages(path: &Path) -> Vec<PathBuf> {
    match path.is_dir() {
        true => std::fs::read_dir(path).unwrap().flat_map(|entry| pages(&entry.unwrap().path())).collect(),
        false => vec![path.to_owned()],
    }
}

fn text(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The blocks of a page that are marked as being in this language.
fn text_blocks(page: &str, language: &str) -> Vec<String> {
    let (page, begin) = (text(page), format!("\n```{language}\n"));
    let blocks = page.split(&begin).skip(1);
    blocks.map(|rest| rest.split_once("\n```").unwrap().0.to_owned()).collect()
}

/// The same lines, each without what stands before its first word; a comment's mark is a word.
fn unindented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(comment) => format!("# {}", comment.trim()),
        None => line.trim().to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The headers that a curl command sends.
fn headers(command: &str) -> Vec<(&str, &str)> {
    command.split('\'').filter_map(|word| word.split_once(": ")).collect()
}

/// What `curl -si | grep region` shows of an answer, as if it came from a region of the README's.
fn grep_region(response: &Response) -> String {
    let headers = ["x-greatcircle-region", "x-greatcircle-decision"];
    let lines = headers.iter().filter_map(|name| Some(format!("{name}: {}", response.header(name)?)));
    let page = response.region.iter().map(|region| format!("This is region {region}."));
    lines.chain(page).collect::<Vec<_>>().join("\n")
}
