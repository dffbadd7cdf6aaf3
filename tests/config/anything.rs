//! Whatever the bytes are: no panic, and a refusal says why.

use crate::{files, parts, stem};
use greatcircle::config::{Config, Gateway};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

/// What values of a configuration look like, right and wrong ones.
const TEXTS: [&str; 32] = [
    "",
    " ",
    "eu-west",
    "{region}",
    "localRegion",
    "nearest",
    "reject",
    "none",
    "up",
    "GET",
    "HEAD",
    "/healthz",
    "200-299",
    "304",
    "5s",
    "100ms",
    "1day",
    "18446744073709551615y",
    "10.0.0.0/8",
    "::/0",
    "10.1.2.3/16",
    "::ffff:10.0.0.0/104",
    "cloudflare",
    "akamai",
    "DE",
    "/{ip}/json",
    "/loc",
    "/~2",
    "x-geo-latitude",
    "NaN",
    "\r\n\0",
    "ü",
];

/// Every key of the contract, so that a mutation often says something that is understood.
fn keys() -> Vec<&'static str> {
    crate::contract::fields().into_iter().map(|field| field.rsplit('.').next().unwrap_or(field)).collect()
}

fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![3 => select(&TEXTS[..]).prop_map(str::to_owned), 1 => any::<String>()];
    let key = prop_oneof![3 => select(keys()).prop_map(str::to_owned), 1 => any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-200..2000_i32).prop_map(Value::from),
        any::<f64>().prop_map(Value::from), // NaN and infinities become null
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        let object = btree_map(key.clone(), inner.clone(), 0..6);
        prop_oneof![
            vec(inner, 0..6).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// One change to a document, to the value that an index picks.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Value),
    Remove,
    Repeat,
    Insert(String, Value),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => json().prop_map(Mutation::Replace),
        1 => Just(Mutation::Remove),
        1 => Just(Mutation::Repeat),
        2 => (select(keys()), json()).prop_map(|(key, value)| Mutation::Insert(key.to_owned(), value)),
    ]
}

/// The pointers to every value below this one.
fn pointers(value: &Value, here: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
            fields.iter().map(|(key, value)| (format!("{here}/{}", escape(key)), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (format!("{here}/{index}"), item)).collect()
        }
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(pointer, value)| pointers(value, &pointer));
    std::iter::once(here.to_owned()).chain(below).collect()
}

fn mutate(document: &mut Value, index: Index, mutation: Mutation) {
    let pointers = pointers(document, "");
    let pointer = index.get(&pointers);
    let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
    let key = key.replace("~1", "/").replace("~0", "~");
    match (mutation, document.pointer_mut(parent)) {
        (Mutation::Remove, Some(Value::Object(fields))) => drop(fields.remove(&key)),
        (Mutation::Remove, Some(Value::Array(items))) => drop(items.pop()),
        (Mutation::Repeat, Some(Value::Array(items))) => items.extend(items.last().cloned()),
        (Mutation::Replace(value), _) => *document.pointer_mut(pointer).unwrap() = value,
        (Mutation::Insert(key, value), _) => {
            if let Some(Value::Object(fields)) = document.pointer_mut(pointer) {
                fields.insert(key, value);
            }
        }
        _ => {}
    }
}

fn valid_documents() -> Vec<Value> {
    let read = |path: &std::path::Path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    files("valid").iter().filter(|path| stem(path) != "minimal").map(|path| read(path)).collect()
}

/// The property.
fn check(json: &[u8], own_region: Option<&str>) -> Result<(), TestCaseError> {
    let regions: Vec<_> = own_region.map(str::to_owned).into_iter().collect();
    if let Err(problems) = Config::from_json(json, Gateway { regions: &regions, ..Gateway::UNKNOWN }) {
        prop_assert!(!problems.is_empty(), "refused without a reason");
        for problem in problems {
            let message = problem.to_string();
            prop_assert!(parts(&message).is_some(), "{:?}", message);
            prop_assert!(!message.contains(['\n', '\r', '\0']), "{:?}", message);
        }
    }
    Ok(())
}

proptest! {
    // Failures are kept nowhere: what was found becomes a file under config/.
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        check(&bytes, None)?;
    }

    #[test]
    fn arbitrary_json_does_no_harm(json in json(), node_region in any::<Option<String>>()) {
        check(json.to_string().as_bytes(), node_region.as_deref())?;
    }

    #[test]
    fn a_valid_document_with_a_few_changes_does_no_harm(
        mut document in select(valid_documents()),
        mutations in vec((any::<Index>(), mutation()), 1..4),
    ) {
        for (index, mutation) in mutations {
            mutate(&mut document, index, mutation);
        }
        check(document.to_string().as_bytes(), Some("eu-west"))?;
    }

    #[test]
    fn a_valid_document_with_damaged_bytes_does_no_harm(
        document in select(valid_documents()),
        damages in vec((any::<Index>(), any::<u8>()), 1..4),
        end in any::<Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = document.to_string().into_bytes();
        for (index, byte) in damages {
            let position = index.index(bytes.len());
            bytes[position] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        check(&bytes, None)?;
    }
}
