//! The block `output`: which headers tell the decision.

use super::reader::{Node, Object, is_token};
use super::reserved::is_reserved;
use crate::client::headers::GeoHeaders;
use crate::client::trust::Trust;
use serde_json::Value;

const REGION_HEADER: &str = "x-greatcircle-region";
const DECISION_HEADER: &str = "x-greatcircle-decision";

/// Which headers tell the decision; lower-case names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The routing header: what routes match on. Never taken from a client.
    pub region_header: String,
    /// The decision record, to the region.
    pub decision_header: Option<String>,
    /// The region's name, to the client.
    pub response_header: Option<String>,
}

impl Output {
    /// The name that a decision record would have: if none is written, a client must not write one.
    pub fn unwritten_decision_header(&self) -> Option<&'static str> {
        self.decision_header.is_none().then_some(DECISION_HEADER)
    }

    /// The names of our own request headers in a document that may be wrong: its own words as far as they are names, otherwise
    /// the defaults.
    pub fn names_in(json: &[u8]) -> Vec<String> {
        let document: Value = serde_json::from_slice(json).unwrap_or_default();
        let own = |(pointer, default)| {
            let name = document.pointer(pointer).and_then(Value::as_str).filter(|name| is_token(name));
            name.unwrap_or(default).to_ascii_lowercase()
        };
        let names = [("/output/regionHeader", REGION_HEADER), ("/output/decisionHeader", DECISION_HEADER)].map(own);
        names.into_iter().filter(|name| !is_reserved(name)).collect()
    }
}

/// Reads the names of the headers. Those that tell where the client is, and whether that is believed, are taken.
pub(super) fn read(object: Option<Object<'_>>, geo: Option<&GeoHeaders>, trust: Option<&Trust>) -> Option<Output> {
    let object = object?;
    let mut taken = Vec::new();
    let response_header = read_optional(&object, "responseHeader", "", &taken);

    // Writing the decision over what tells where a client is would be a mistake.
    let geo = geo.into_iter().flat_map(GeoHeaders::names);
    taken.extend(geo.map(|name| (name.to_owned(), "clientLocation")));
    if let Some(Trust::Secret { header, .. }) = trust {
        taken.push((header.clone(), "clientLocation.trust"));
    }
    let region_header = read_name(&object, "regionHeader", REGION_HEADER, &taken);
    taken.extend(region_header.iter().map(|name| (name.clone(), "output.regionHeader")));
    let decision_header = read_optional(&object, "decisionHeader", DECISION_HEADER, &taken);
    object.finish();
    Some(Output { region_header: region_header?, decision_header: decision_header?, response_header: response_header? })
}

/// A header's name, and what uses it.
type Taken = (String, &'static str);

/// Reads a name that may be empty, which turns the header off.
fn read_optional(object: &Object<'_>, key: &'static str, default: &str, taken: &[Taken]) -> Option<Option<String>> {
    let text = match object.get(key) {
        Some(node) => node.text("the name of an HTTP header, or \"\" for none", |_| true)?,
        None => default,
    };
    if text.is_empty() { Some(None) } else { read_name(object, key, default, taken).map(Some) }
}

fn read_name(object: &Object<'_>, key: &'static str, default: &str, taken: &[Taken]) -> Option<String> {
    let node = object.get(key);
    let name = node.as_ref().map_or(Some(default.to_owned()), Node::header_name)?;
    let user = match taken.iter().find(|(taken, _)| *taken == name) {
        _ if is_reserved(&name) => "HTTP or Envoy",
        Some((_, user)) => user,
        None => return Some(name),
    };
    let expected = format!("another header, because {user} uses this one");
    match node {
        Some(node) => node.wrong(&expected),
        None => object.absent(key).wrong_as(&format!("the default {default:?}"), &expected),
    }
}
