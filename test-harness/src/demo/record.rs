//! The decision record that a region sees with each request: `region=eu-west;reason=nearest;km=421;rank=1`.
//!
//! Must never know: which decision would have been right.

/// A decision, as it was told to the region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record<'a> {
    pub(super) region: &'a str,
    pub(super) reason: &'a str,
    /// Absent where the client's place was not known.
    pub(super) km: Option<u32>,
}

impl<'a> Record<'a> {
    /// `None` if there is no record, or none that can be read: then nobody has decided.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let field = |key: &str| text.split(';').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        Some(Self {
            region: field("region")?,
            reason: field("reason")?,
            km: field("km").and_then(|km| km.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn a_record_is_read_with_or_without_kilometres() {
        let with = Record { region: "eu-west", reason: "nearest", km: Some(421) };
        assert_eq!(Record::parse("region=eu-west;reason=nearest;km=421;rank=1"), Some(with));
        let without = Record { region: "eu-west", reason: "noLocation", km: None };
        assert_eq!(Record::parse("region=eu-west;reason=noLocation;rank=1"), Some(without));
    }

    #[test]
    fn no_record_is_no_decision() {
        assert_eq!(Record::parse(""), None);
        assert_eq!(Record::parse("region=eu-west"), None);
    }
}
