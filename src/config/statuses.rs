//! Reading lists of HTTP statuses such as `["200-299", "304"]`.

use super::reader::Node;
use std::ops::RangeInclusive;

/// Reads a list of statuses and ranges of them, at least one.
pub(super) fn read(node: &Node<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    const EXPECTED: &str = "a list of statuses and ranges such as [\"200-299\", \"304\"]";
    let items = node.list(EXPECTED)?;
    if items.is_empty() {
        return node.wrong(EXPECTED);
    }
    let ranges: Vec<_> = items.iter().map(read_range).collect(); // all of them, before the first wrong one counts
    ranges.into_iter().collect()
}

fn read_range(node: &Node<'_>) -> Option<RangeInclusive<u16>> {
    let range = node.as_text().and_then(|text| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
        Some(status(from)?..=status(to)?).filter(|range| !range.is_empty())
    });
    range.or_else(|| node.wrong("a text such as \"304\" or \"200-299\", within 100 to 599"))
}
