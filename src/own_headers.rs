//! The headers that are greatcircle's own: a stranger's word under one of their names passes for a decision or for a place.
//!
//! A name has more than one spelling: whoever makes variables of headers, as CGI and its successors do, takes `x_geo_country` for
//! `x-geo-country`. And it has more than one place: trailers are merged into headers by some, and a name in `connection` tells the
//! next hop to drop the header.

use crate::client::Headers;
use crate::config::Config;

/// The names of our own headers, lower-case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnHeaders {
    /// Those that every request is judged by or leaves with: under exactly these names the engine knows what to do.
    judged: Vec<String>,
    /// Those that nobody may send.
    banned: Vec<String>,
}

impl OwnHeaders {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        let output = &config.output;
        let written = [Some(&output.region_header), output.decision_header.as_ref()].into_iter().flatten();
        let judged: Vec<_> =
            config.client.headers.names().chain(written.map(String::as_str)).map(str::to_owned).collect();
        let mut banned: Vec<_> = output.unwritten_decision_header().map(str::to_owned).into_iter().collect();
        banned.retain(|name| !judged.contains(name));
        Self { judged, banned }
    }

    /// These names, which nobody may send.
    pub fn banned(names: Vec<String>) -> Self {
        Self { judged: Vec::new(), banned: names }
    }

    /// The names among these headers that are ours in another spelling, or that nobody may send.
    pub fn strays<'a>(&'a self, headers: &'a Headers) -> impl Iterator<Item = &'a str> {
        self.among(headers).filter(|name| !self.judged.iter().any(|own| own == name))
    }

    /// The names among these headers that are ours in any spelling. None of them belongs into trailers.
    pub fn among<'a>(&'a self, headers: &'a Headers) -> impl Iterator<Item = &'a str> {
        headers.iter().map(|(name, _)| name.as_str()).filter(|name| self.has(name.as_bytes()))
    }

    /// What the header `connection` has to be, if it names one of ours. Envoy leaves it in requests for an upgrade alone.
    pub fn connection(&self, headers: &Headers) -> Option<String> {
        let (_, value) = headers.iter().find(|(name, _)| name == "connection")?;
        let options = || value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        if !options().any(|option| self.has(option)) {
            return None;
        }
        let kept = options().filter(|option| !self.has(option)).filter_map(|option| std::str::from_utf8(option).ok());
        Some(kept.collect::<Vec<_>>().join(", "))
    }

    fn has(&self, name: &[u8]) -> bool {
        self.judged.iter().chain(&self.banned).any(|own| is_spelling_of(own.as_bytes(), name))
    }
}

/// Whether two names are the same to somebody to whom `-`, `_` and letter case make no difference.
fn is_spelling_of(one: &[u8], other: &[u8]) -> bool {
    let folded = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| folded(one) == folded(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::lines;

    fn ours() -> OwnHeaders {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        OwnHeaders { judged: names(&["x-geo-country", "x_where"]), banned: names(&["x-why"]) }
    }

    #[test]
    fn which_names_are_ours() {
        for (name, stray, ours_anywhere) in [
            ("x-geo-country", false, true),
            ("x_geo_country", true, true),
            ("x-geo_country", true, true),
            ("x_where", false, true),
            ("x-where", true, true),
            ("x-why", true, true),
            ("x_why", true, true),
            ("x-geo-countr", false, false),
            ("x-geo-country-", false, false),
            ("x.geo.country", false, false),
            ("", false, false),
        ] {
            let headers = [(name.to_owned(), Vec::new())];
            assert_eq!(ours().strays(&headers).next().is_some(), stray, "{name}");
            assert_eq!(ours().among(&headers).next().is_some(), ours_anywhere, "{name}");
        }
    }

    #[test]
    fn what_may_be_nominated() {
        for (headers, expected) in [
            (&[][..], None),
            (&["connection: upgrade"], None),
            (&["connection: upgrade, x-other"], None),
            (&["connection: upgrade, x-why"], Some("upgrade")),
            (&["connection: X-Geo-Country,upgrade , x_WHERE,keep-alive"], Some("upgrade, keep-alive")),
            (&["connection: x-why"], Some("")),
        ] {
            assert_eq!(ours().connection(&lines(headers)).as_deref(), expected, "{headers:?}");
        }
        let bytes = [("connection".to_owned(), b"upgrade,\xff,x-why".to_vec())];
        assert_eq!(ours().connection(&bytes).as_deref(), Some("upgrade"));
    }
}
