//! Reading JSON strictly, and telling every problem at once.
//!
//! serde stops at the first problem and names a line; an operator wants all of them, each with its path, what was found and
//! what was expected. So a document is read as a tree of [`Node`]s that carry their path and share one list of
//! [`Problems`]; every reader returns `None` where it has reported something.
//!
//! This module must never know what the configuration is about.

use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How much of a wrong value is shown.
const SHOWN_CHARACTERS: usize = 60;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    found: String,
    expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found, expected } = self;
        write!(f, "{path}: found {found}, expected {expected}")
    }
}

/// The problems found so far.
#[derive(Default)]
pub(super) struct Problems(Cell<Vec<Problem>>);

impl Problems {
    /// Adds a problem, once: what all regions share is read for each of them.
    pub(super) fn add(&self, path: String, found: String, expected: impl Into<String>) {
        let mut problems = self.0.take();
        let problem = Problem { path, found, expected: expected.into() };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        self.0.set(problems);
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One value of the document and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    path: String,
    value: &'a Value,
    problems: &'a Problems,
}

/// An object whose keys are being read; what nobody asked for is reported by [`Object::finish`].
pub(super) struct Object<'a> {
    node: Node<'a>,
    fields: &'a Map<String, Value>,
    known: Cell<Vec<&'static str>>,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self { path: String::new(), value, problems }
    }

    pub(super) fn path(&self) -> &str {
        if self.path.is_empty() { "configuration" } else { &self.path }
    }

    /// Reports this value as wrong.
    pub(super) fn wrong<T>(&self, expected: impl Into<String>) -> Option<T> {
        self.problems.add(self.path().to_owned(), shown(self.value), expected);
        None
    }

    /// Reports this value as wrong without showing it.
    pub(super) fn wrong_secret<T>(&self, expected: impl Into<String>) -> Option<T> {
        self.problems.add(self.path().to_owned(), "a value that is not shown".to_owned(), expected);
        None
    }

    /// Reports a value that is right, and that this release does not act on.
    pub(super) fn not_supported_yet(&self, instead: &str) {
        self.wrong::<()>(format!("{instead}: anything else is not supported yet"));
    }

    pub(super) fn object(&self) -> Option<Object<'a>> {
        match self.value {
            Value::Object(fields) => Some(Object { node: self.clone(), fields, known: Cell::default() }),
            _ => self.wrong("an object"),
        }
    }

    pub(super) fn list(&self, expected: &str) -> Option<Vec<Node<'a>>> {
        let Value::Array(items) = self.value else { return self.wrong(expected) };
        let item = |(index, value)| Node { path: format!("{}[{index}]", self.path), value, ..self.clone() };
        Some(items.iter().enumerate().map(item).collect())
    }

    pub(super) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong("true or false"))
    }

    /// A number in this range. (Bounds are integers, and so is all else that is printed: formatting doubles costs the module
    /// 15 kB.)
    pub(super) fn number(&self, range: RangeInclusive<i32>, what: &str) -> Option<f64> {
        match self.value.as_f64() {
            Some(number) if in_range(number, &range) => Some(number),
            _ => self.wrong(format!("{what}, {} to {}", range.start(), range.end())),
        }
    }

    /// A whole number in this range; `3.0` is one, because Istio turns every number into a double.
    pub(super) fn integer(&self, range: RangeInclusive<i32>, what: &str) -> Option<i32> {
        match self.value.as_f64().filter(|number| number.fract() == 0.0 && in_range(*number, &range)) {
            Some(number) => Some(number as i32),
            None => self.wrong(format!("{what}, a whole number, {} to {}", range.start(), range.end())),
        }
    }

    /// A duration such as `"250ms"`, `"5s"` or `"24h"` in this range.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let parsed = self.value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        match parsed.filter(|duration| range.contains(duration)) {
            Some(duration) => Some(duration),
            None => {
                let [from, to] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
                self.wrong(format!("a duration such as \"250ms\", \"5s\" or \"24h\", {from} to {to}"))
            }
        }
    }

    /// A text that satisfies `valid`.
    pub(super) fn text(&self, expected: &str, valid: impl Fn(&str) -> bool) -> Option<&'a str> {
        match self.value.as_str() {
            Some(text) if valid(text) => Some(text),
            _ => self.wrong(expected),
        }
    }

    /// A text that satisfies `valid` and never shows up in a message.
    pub(super) fn secret(&self, expected: &str, valid: impl Fn(&str) -> bool) -> Option<&'a str> {
        match self.value.as_str() {
            Some(text) if valid(text) => Some(text),
            _ => self.wrong_secret(expected),
        }
    }

    /// A text without any further demands, if it is one.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        match words.iter().find(|(word, _)| self.value.as_str() == Some(word)) {
            Some((_, meaning)) => Some(*meaning),
            None => {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                self.wrong(words.join(" or "))
            }
        }
    }

    /// The lower-case name of an HTTP header.
    pub(super) fn header_name(&self) -> Option<String> {
        let valid = |name: &str| !name.is_empty() && name.bytes().all(is_token_byte);
        self.text("the name of an HTTP header", valid).map(str::to_ascii_lowercase)
    }

    /// The headers of an object that maps names to values; the values are not shown.
    pub(super) fn headers(&self) -> Option<Vec<(String, String)>> {
        let Value::Object(fields) = self.value else { return self.wrong("an object of header names and values") };
        let headers = fields.iter().filter_map(|(name, value)| {
            let node = Node { path: format!("{}.{name}", self.path), value, problems: self.problems };
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return node.wrong_secret("the name of an HTTP header as the key");
            }
            let value = node.secret("a header value without control characters", is_header_value)?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        });
        Some(headers.collect())
    }
}

impl<'a> Object<'a> {
    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Node<'a>> {
        let mut known = self.known.take();
        known.push(key);
        self.known.set(known);
        let Node { path, problems, .. } = &self.node;
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        self.fields.get(key).map(|value| Node { path, value, problems })
    }

    /// The value of a key that has to be there.
    pub(super) fn require(&self, key: &'static str, expected: &str) -> Option<Node<'a>> {
        let node = self.get(key);
        if node.is_none() {
            let path = if self.node.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.node.path) };
            self.node.problems.add(path, "nothing".to_owned(), expected);
        }
        node
    }

    /// The object itself, to report what is wrong with it as a whole.
    pub(super) fn node(&self) -> &Node<'a> {
        &self.node
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        let known = self.known.take();
        for key in self.fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let expected = if known.is_empty() { "nothing here".to_owned() } else { known.join(", ") };
            self.node.problems.add(self.node.path().to_owned(), format!("the unknown key {key:?}"), expected);
        }
    }
}

/// A value as a message shows it: JSON, shortened.
fn shown(value: &Value) -> String {
    let whole = match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(_) => "an object".to_owned(), // it may hold secrets
        Value::Array(items) => format!("a list of {}", items.len()),
        scalar => scalar.to_string(),
    };
    let mut start: String = whole.chars().take(SHOWN_CHARACTERS).collect();
    if start.len() < whole.len() {
        start.push('…');
    }
    start
}

fn in_range(number: f64, range: &RangeInclusive<i32>) -> bool {
    (f64::from(*range.start())..=f64::from(*range.end())).contains(&number)
}

/// A byte of an HTTP token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a text can be sent as a header value.
pub(super) fn is_header_value(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether a text is a DNS label: what a region's name has to be, since it becomes part of host, cluster and metric names.
pub(super) fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
