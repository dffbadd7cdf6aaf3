//! The decision record that a region sees with each request:
//! `region=eu-west;reason=nearest;km=421;rank=1;via=headers;country=DE`.

/// A decision, as it was told to the region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record<'a> {
    pub(super) region: &'a str,
    pub(super) reason: &'a str,
    /// Absent where the client's place was not known.
    pub(super) km: Option<u32>,
    /// How the client's place was found.
    pub(super) via: &'a str,
    /// Absent where the client's country was not known.
    pub(super) country: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// `None` if there is no record, or none that can be read: then nobody has decided.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let field = |key: &str| text.split(';').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        Some(Self {
            region: field("region")?,
            reason: field("reason")?,
            km: field("km").and_then(|km| km.parse().ok()),
            via: field("via")?,
            country: field("country"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn a_record_is_read_with_or_without_kilometres_and_country() {
        let record =
            Record { region: "eu-west", reason: "nearest", km: Some(421), via: "headers", country: Some("DE") };
        let read = Record::parse("region=eu-west;reason=nearest;km=421;rank=1;via=headers;country=DE");
        assert_eq!(read, Some(record));
        let read = Record::parse("region=eu-west;reason=nearest;km=421;rank=1;via=headers");
        assert_eq!(read, Some(Record { country: None, ..record }));
        let read = Record::parse("region=eu-west;reason=noLocation;rank=1;via=fallback");
        assert_eq!(read, Some(Record { reason: "noLocation", km: None, via: "fallback", country: None, ..record }));
    }

    #[test]
    fn no_record_is_no_decision() {
        for text in ["", "region=eu-west", "region=eu-west;reason=nearest;km=421;rank=1", "reason=nearest;via=headers"]
        {
            assert_eq!(Record::parse(text), None, "{text}");
        }
    }
}
