//! The block `output`: which headers tell the decision.

use super::reader::Node;
use crate::client::{GeoHeaders, Settings, Trust};

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

/// Headers that HTTP itself or Envoy depends on.
const RESERVED: [&str; 7] =
    ["host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "x-forwarded-for"];

/// Reads the names of the headers.
pub(super) fn read(node: Option<Node<'_>>, client: Option<&Settings>) -> Option<Output> {
    let object = match node {
        Some(node) => Some(node.object()?),
        None => None,
    };
    let get = |key| object.as_ref().and_then(|object| object.get(key));
    let taken = client.map(names_read).unwrap_or_default();
    let name = |node: &Node<'_>, taken: &[&str]| {
        let name = node.header_name()?;
        let free = !RESERVED.contains(&name.as_str()) && !taken.contains(&name.as_str());
        if free { Some(name) } else { node.wrong("a header that has no other use") }
    };
    // An empty name turns a header off.
    let optional = |node: &Node<'_>, taken: &[&str]| match node.as_text() {
        Some("") => Some(None),
        _ => name(node, taken).map(Some),
    };

    let region_header = get("regionHeader").map_or(Some("x-greatcircle-region".to_owned()), |node| name(&node, &taken));
    let taken = [taken.as_slice(), &[region_header.as_deref().unwrap_or_default()]].concat();
    let decision_header =
        get("decisionHeader").map_or(Some(Some("x-greatcircle-decision".to_owned())), |node| optional(&node, &taken));
    let response_header = get("responseHeader").map_or(Some(None), |node| optional(&node, &[]));
    if let Some(object) = object {
        object.finish();
    }
    Some(Output { region_header: region_header?, decision_header: decision_header?, response_header: response_header? })
}

/// The headers that tell where a client is: writing the decision over them would be a mistake.
fn names_read(client: &Settings) -> Vec<&str> {
    let mut names = match &client.headers {
        GeoHeaders::Pair { latitude, longitude } => vec![latitude.as_str(), longitude],
        GeoHeaders::Position(position) => vec![position.as_str()],
    };
    if let Trust::Secret { header, .. } = &client.trust {
        names.push(header);
    }
    names
}
