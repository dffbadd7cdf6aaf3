//! A configuration, as an operator writes it and as Istio delivers it.
#![no_main]

use greatcircle::config::{Config, Gateway};
use libfuzzer_sys::fuzz_target;
use serde_json::{Number, Value};

fuzz_target!(|json: &[u8]| {
    match Config::from_json(json, Gateway::UNKNOWN) {
        Ok(config) => {
            let document: Value = serde_json::from_slice(json).expect("what was accepted is JSON");
            assert_eq!(read(&document), Some(config.clone()), "printed and read again");
            assert_eq!(read(&with_doubles(document)), Some(config), "as a protobuf Struct");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for message in problems.iter().map(ToString::to_string) {
                assert!(message.contains(": found ") && message.contains(", expected "), "{message:?}");
                assert!(!message.contains(['\n', '\r', '\0']), "{message:?}");
            }
        }
    }
});

fn read(document: &Value) -> Option<Config> {
    Config::from_json(document.to_string().as_bytes(), Gateway::UNKNOWN).ok()
}

/// The same document with every number as a double: a protobuf `Struct` has no other.
fn with_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        Value::Array(items) => items.into_iter().map(with_doubles).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, with_doubles(value))).collect(),
        other => other,
    }
}
