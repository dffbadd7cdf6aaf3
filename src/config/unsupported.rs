//! Refusing what belongs to the configuration contract and is not supported yet.
//!
//! A value that would change anything is refused by the block that it belongs to, because a field that is silently ignored
//! is a promise broken in production.

use super::reader::Node;

/// Refuses a value that is not accepted. A wrong value, which `accepted` has reported, is refused once more: whoever
/// corrects it should know that it will not do.
pub(super) fn only(node: Option<Node<'_>>, instead: &str, accepted: &dyn Fn(&Node<'_>) -> bool) {
    if let Some(node) = node.filter(|node| !accepted(node)) {
        refuse(&node, instead);
    }
}

/// The same where the value may hold a secret: it is redacted.
pub(super) fn only_redacted(node: Option<Node<'_>>, instead: &str, accepted: &dyn Fn(&Node<'_>) -> bool) {
    if let Some(node) = node.filter(|node| !accepted(node)) {
        node.wrong_redacted::<()>(&not_supported_yet(instead));
    }
}

/// Refuses every value but this one without looking at what is in it. Where an object belongs, everything is redacted: it
/// may hold a secret.
pub(super) fn only_json(node: Option<Node<'_>>, json: &str) {
    match json {
        "{}" => only_redacted(node, json, &|node| node.is_json(json)),
        _ => only(node, json, &|node| node.is_json(json)),
    }
}

/// Refuses a value that this release does not act on.
pub(super) fn refuse(node: &Node<'_>, instead: &str) {
    node.wrong::<()>(&not_supported_yet(instead));
}

fn not_supported_yet(instead: &str) -> String {
    format!("{instead}; anything else is not supported yet")
}
