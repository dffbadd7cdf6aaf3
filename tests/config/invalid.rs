//! What is refused: every message is read by an operator whose gateway did not take the configuration.

use crate::{contract, field, files, in_repository, messages, messages_of, minimal, parts, stem};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// All that a message must never show. The files under `config/` use it in every secret.
const SECRET: &str = "s3cret";

/// `{regions: [{name: eu-west, latitude: 53.35, longitude: -6.26}]}` as a `google.protobuf.Struct`: what the filter gets if
/// Envoy's `configuration` is not a `StringValue`.
const PROTOBUF_STRUCT: [&[u8]; 15] = [
    b"\x0A\x53",                                     // Struct.fields: an entry of 83 bytes
    b"\x0A\x07regions",                              // its key
    b"\x12\x48",                                     // its value: a Value of 72 bytes
    b"\x32\x46",                                     // Value.list_value, 70 bytes
    b"\x0A\x44",                                     // ListValue.values: a Value of 68 bytes
    b"\x2A\x42",                                     // Value.struct_value, 66 bytes
    b"\x0A\x11",                                     // Struct.fields: an entry of 17 bytes
    b"\x0A\x04name",                                 // its key
    b"\x12\x09\x1A\x07eu-west",                      // its value: a Value of 9 bytes, Value.string_value of 7
    b"\x0A\x15",                                     // Struct.fields: an entry of 21 bytes
    b"\x0A\x08latitude",                             // its key
    b"\x12\x09\x11\xCD\xCC\xCC\xCC\xCC\xAC\x4A\x40", // its value: Value.number_value, 53.35 as a double
    b"\x0A\x16",                                     // Struct.fields: an entry of 22 bytes
    b"\x0A\x09longitude",                            // its key
    b"\x12\x09\x11\x0A\xD7\xA3\x70\x3D\x0A\x19\xC0", // its value: Value.number_value, -6.26 as a double
];

/// The lists of wrong values, each with the field that it is for.
fn wrong_values() -> Vec<(String, Vec<Value>)> {
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    files("wrong-values").iter().map(|path| (stem(path).to_owned(), read(path))).collect()
}

/// The minimal document with this value in a field; of a list, in its first item. Whatever else the field's block needs is right.
fn with(field: &str, wrong: &Value) -> Value {
    let mut document = minimal();
    document["clientLocation"] = match field {
        _ if field.starts_with("clientLocation.networks.") => {
            json!({"networks": [{"cidr": "10.1.0.0/16", "latitude": 50.1, "longitude": 8.7}]})
        }
        "clientLocation.lookup.latitude" => json!({"lookup": {"cluster": "ipinfo", "longitude": "/lon"}}),
        "clientLocation.lookup.longitude" => json!({"lookup": {"cluster": "ipinfo", "latitude": "/lat"}}),
        _ if field.starts_with("clientLocation.lookup.") => json!({"lookup": {"cluster": "ipinfo"}}),
        _ => json!({}),
    };
    let mut value = &mut document;
    for key in field.split('.') {
        if value.is_array() {
            value = &mut value[0];
        }
        value = &mut value[key];
    }
    *value = wrong.clone();
    document
}

fn assert_is_message(message: &str) {
    let parts = parts(message);
    assert!(parts.is_some_and(|parts| parts.iter().all(|part| !part.trim().is_empty())), "incomplete: {message:?}");
    assert!(message.chars().all(|c| !c.is_control()), "more than one line in the log: {message:?}");
    // Separators of lines, and what turns the direction of writing or does not show.
    let invisible =
        |c| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    assert!(!message.contains(invisible), "not what it looks like in the log: {message:?}");
    assert!(!message.contains(SECRET), "shows a secret: {message:?}");
    assert!(message.len() < 500, "longer than anybody reads: {message:?}");
}

/// Compares with the file `NAME.snap` beside the input.
fn assert_snapshot(input: &Path, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(input.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.remove_snapshot_suffix();
    settings.remove_input_file();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(stem(input), text));
}

#[test]
fn every_invalid_document_is_refused_in_reviewed_words() {
    insta::glob!("invalid/*.json", |path| {
        let messages = messages(&std::fs::read(path).unwrap());
        assert!(!messages.is_empty(), "accepted");
        messages.iter().for_each(|message| assert_is_message(message));
        assert_snapshot(path, &messages.join("\n"));
    });
}

#[test]
fn every_wrong_value_is_refused_at_its_field_in_reviewed_words() {
    insta::glob!("wrong-values/*.json", |path| {
        let values: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let refused = values.iter().map(|value| {
            let messages = messages_of(&with(stem(path), value));
            messages.iter().for_each(|message| assert_is_message(message));
            let at_its_field = |message: &String| field(message).replace("[]", "").starts_with(stem(path));
            assert!(messages.iter().any(at_its_field), "{value}: {messages:#?}");
            format!("{value}\n    {}\n", messages.join("\n    "))
        });
        assert_snapshot(path, &refused.collect::<String>());
    });
}

#[test]
fn a_snapshot_without_its_input_is_a_leftover() {
    for folder in ["invalid", "wrong-values"] {
        for entry in std::fs::read_dir(in_repository("tests/config").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.with_extension("json").exists(), "{} has no input", path.display());
        }
    }
}

/// The documents of `config/invalid/`.
fn invalid_documents() -> impl Iterator<Item = Vec<u8>> {
    files("invalid").into_iter().map(|path| std::fs::read(path).unwrap())
}

/// A document for every wrong value.
fn documents_with_a_wrong_value() -> impl Iterator<Item = Vec<u8>> {
    let documents = |(field, values): (String, Vec<Value>)| values.into_iter().map(move |value| with(&field, &value));
    wrong_values().into_iter().flat_map(documents).map(|document| document.to_string().into_bytes())
}

/// The messages that documents are refused with, by field.
fn by_field(documents: impl Iterator<Item = Vec<u8>>) -> BTreeMap<String, Vec<String>> {
    let mut by_field = BTreeMap::<String, Vec<String>>::new();
    for message in documents.flat_map(|document| messages(&document)) {
        by_field.entry(field(&message)).or_default().push(message);
    }
    by_field
}

/// The fields that are refused in these words.
pub(crate) fn fields_not_supported_yet() -> BTreeSet<String> {
    let says_so =
        |(_, messages): &(String, Vec<String>)| messages.iter().any(|message| message.ends_with("not supported yet"));
    by_field(documents_with_a_wrong_value()).into_iter().filter(says_so).map(|(field, _)| field).collect()
}

#[test]
fn a_wrong_value_of_every_field_produces_a_message() {
    // Without the documents: there is one with everything wrong in it, which would hide that a field has no file.
    let by_field = by_field(documents_with_a_wrong_value());
    let missing: Vec<_> = contract::fields().into_iter().filter(|field| !by_field.contains_key(*field)).collect();
    assert!(missing.is_empty(), "no wrong value for {missing:#?}");
}

#[test]
fn the_keys_of_every_object_are_those_of_the_contract() {
    let by_field = by_field(invalid_documents());
    let objects: BTreeSet<_> = contract::fields().iter().filter_map(|field| Some(field.rsplit_once('.')?.0)).collect();
    for object in objects.into_iter().chain(["configuration"]) {
        let unknown_keys = by_field.get(object).into_iter().flatten().filter(|message| message.contains("unknown key"));
        let expected = unknown_keys.filter_map(|message| parts(message)?[2].strip_prefix("one of "));
        let known: BTreeSet<_> = expected.flat_map(|keys| keys.split(", ")).collect();
        assert_eq!(known, contract::keys(object).into_iter().collect(), "{object}");
    }
}

#[test]
fn a_regions_own_health_is_refused_in_the_same_words() {
    for (field, values) in wrong_values().iter().filter(|(field, _)| field.starts_with("health")) {
        for value in values {
            let shared = messages_of(&with(field, value));
            let own = messages_of(&with(&format!("regions.{field}"), value));
            let own: Vec<_> = own.iter().map(|message| message.replace("regions[0].health", "health")).collect();
            assert_eq!(own, shared, "{field}: {value}");
        }
    }
}

#[test]
fn the_protobuf_struct_among_the_documents_is_the_one_above() {
    let file = in_repository("tests/config/invalid/a-protobuf-struct.json");
    assert_eq!(std::fs::read(file).unwrap(), PROTOBUF_STRUCT.concat());
}

#[test]
fn there_are_1_to_1000_regions() {
    let region = |index| json!({"name": format!("r{index}"), "latitude": 1, "longitude": 1});
    let document = |count| json!({"regions": (0..count).map(region).collect::<Vec<_>>()});
    let refused = |found| vec![format!("regions: found a list of {found}, expected a list of 1 to 1000 regions")];
    assert_eq!(messages_of(&document(0)), refused(0));
    assert_eq!(messages_of(&document(1)), Vec::<String>::new());
    assert_eq!(messages_of(&document(1000)), Vec::<String>::new());
    assert_eq!(messages_of(&document(1001)), refused(1001));
}

#[test]
fn an_expected_body_has_at_most_4096_bytes() {
    let document = |length| with("health.expectedBody", &"x".repeat(length).into());
    assert_eq!(messages_of(&document(4096)), Vec::<String>::new());
    let refused = messages_of(&document(4097));
    assert_eq!(refused.len(), 1);
    assert_is_message(&refused[0]);
    assert!(refused[0].ends_with("expected a text of at most 4096 bytes"), "{refused:?}");
}

#[test]
fn a_thousand_wrong_networks_are_named_one_by_one() {
    let network = |index| json!({"cidr": format!("10.0.0.{index}/8"), "latitude": 50.1, "longitude": 8.7});
    let networks: Vec<_> = (256..1256).map(network).collect();
    let refused = messages_of(&with("clientLocation.networks", &networks.into()));
    assert_eq!(refused.len(), 1000);
    refused.iter().for_each(|message| assert_is_message(message));
}

#[test]
fn what_all_regions_share_is_reported_once() {
    let regions: Vec<_> =
        (0..100).map(|index| json!({"name": format!("r{index}"), "latitude": 1, "longitude": 1})).collect();
    let refused = messages_of(&json!({"regions": regions, "health": {"timeout": "5s", "path": "healthz", "port": 80}}));
    assert_eq!(refused.len(), 3, "{refused:#?}");
}

#[test]
fn a_document_may_be_nested_as_deeply_as_it_likes() {
    for depth in [100, 200, 100_000] {
        let document = format!(r#"{{"regions": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let refused = messages(document.as_bytes());
        assert_eq!(refused.len(), 1);
        assert_is_message(&refused[0]);
    }
}
