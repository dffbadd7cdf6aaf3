//! Changes to a configuration in JSON.

use serde_json::{Value, json};

/// Changes `target` by RFC 7386: objects merge, `null` removes, anything else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        match (value, target.as_object_mut()) {
            (Value::Null, Some(target)) => drop(target.remove(key)),
            (value, Some(target)) => merge(target.entry(key).or_insert(Value::Null), value),
            (_, None) => {}
        }
    }
}

/// One patch on top of another: like [`merge`], but keeps what a `null` says.
pub(crate) fn overlay(patch: &mut Value, next: Value) {
    match (patch, next) {
        (Value::Object(patch), Value::Object(next)) => {
            for (key, value) in next {
                match patch.get_mut(&key) {
                    Some(old) => overlay(old, value),
                    None => drop(patch.insert(key, value)),
                }
            }
        }
        (patch, next) => *patch = next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_merges_replaces_and_removes() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "d": [1, 2]});
        merge(&mut value, &json!({"a": {"b": null, "e": {"f": 3}}, "d": [4]}));
        assert_eq!(value, json!({"a": {"c": 2, "e": {"f": 3}}, "d": [4]}));
    }

    #[test]
    fn a_later_patch_wins_and_a_null_survives() {
        let mut patch = json!({"health": {"interval": "1s", "path": "/a"}});
        overlay(&mut patch, json!({"health": {"interval": null, "timeout": "2s"}}));
        assert_eq!(patch, json!({"health": {"interval": null, "path": "/a", "timeout": "2s"}}));
    }
}
