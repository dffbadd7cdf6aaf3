//! Reading JSON strictly, and telling every problem at once.
//!
//! serde stops at the first problem and names a line; an operator wants all of them, each with its path, what was found and
//! what was expected. So a document is read as a tree of [`Node`]s that carry their path and share one list of
//! [`Problems`]; every reader returns `None` where it has reported something.

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What the name of a header has to be.
pub(super) const HEADER_NAME: &str = "the name of an HTTP header, without blanks or colons";

/// How much of a wrong value is shown.
const SHOWN_CHARACTERS: usize = 60;

/// How long a key may be that is shown.
const SHOWN_KEY: usize = 32;

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

/// The problems found so far, and the environment that a document may refer to.
pub(super) struct Problems<'a> {
    found: Cell<Vec<Problem>>,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { found: Cell::default(), variable }
    }

    /// Adds a problem, once: what all regions share is read for each of them.
    pub(super) fn add(&self, path: &str, found: &str, expected: &str) {
        let mut problems = self.found.take();
        let problem = Problem { path: path.to_owned(), found: found.to_owned(), expected: expected.to_owned() };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        self.found.set(problems);
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.found.into_inner()
    }
}

/// One value of the document and its path.
#[derive(Clone)]
pub(super) struct Node<'a> {
    path: String,
    value: &'a Value,
    problems: &'a Problems<'a>,
}

/// An object whose keys are being read; what nobody asked for is reported by [`Object::finish`].
pub(super) struct Object<'a> {
    node: Node<'a>,
    /// `None` stands for an object that is not there, which has no keys either.
    fields: Option<&'a Map<String, Value>>,
    known: Cell<Vec<&'static str>>,
}

/// The value of what is not in the document.
static NOTHING: Value = Value::Null;

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, problems: &'a Problems<'a>) -> Self {
        Self { path: String::new(), value, problems }
    }

    pub(super) fn path(&self) -> &str {
        if self.path.is_empty() { "configuration" } else { &self.path }
    }

    /// Reports this value as wrong.
    pub(super) fn wrong<T>(&self, expected: &str) -> Option<T> {
        self.report(None, expected);
        None
    }

    /// Reports this value as wrong, redacted.
    pub(super) fn wrong_redacted<T>(&self, expected: &str) -> Option<T> {
        self.wrong_as(kind(self.value), expected)
    }

    /// Reports this value as wrong, in these words.
    pub(super) fn wrong_as<T>(&self, found: &str, expected: &str) -> Option<T> {
        self.report(Some(found), expected);
        None
    }

    /// Not generic, so that there is one of it: the module has to stay small.
    fn report(&self, found: Option<&str>, expected: &str) {
        match found {
            Some(found) => self.problems.add(self.path(), found, expected),
            None => self.problems.add(self.path(), &shown(self.value), expected),
        }
    }

    pub(super) fn object(&self) -> Option<Object<'a>> {
        self.object_like("an object")
    }

    /// An object of this form. A text instead of it is redacted: it may be the secret that belongs into the object.
    pub(super) fn object_like(&self, form: &str) -> Option<Object<'a>> {
        match self.value {
            Value::Object(fields) => Some(Object { node: self.clone(), fields: Some(fields), known: Cell::default() }),
            Value::String(_) => self.wrong_redacted(form),
            _ => self.wrong(form),
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

    /// Whether this is exactly this value, written as compact JSON.
    pub(super) fn is_json(&self, json: &str) -> bool {
        let compact = self.value.to_string();
        compact == json
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong("true or false, without quotes"))
    }

    /// A number in this range. (Bounds are integers, and so is all else that is printed: formatting doubles costs the module
    /// 15 kB.)
    pub(super) fn number(&self, range: RangeInclusive<i32>, unit: &str) -> Option<f64> {
        match self.value.as_f64() {
            Some(number) if in_range(number, &range) => Some(number),
            _ => self.wrong(&number_of(unit, &range)),
        }
    }

    /// A whole number in this range; `3.0` is one, because Istio turns every number into a double.
    pub(super) fn integer(&self, range: RangeInclusive<i32>) -> Option<i32> {
        match self.value.as_f64().filter(|number| number.fract() == 0.0 && in_range(*number, &range)) {
            Some(number) => Some(number as i32),
            None => self.wrong(&format!("a whole number, {} to {}", range.start(), range.end())),
        }
    }

    /// A duration such as `"250ms"`, `"5s"` or `"24h"` in this range.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let parsed = self.value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        match parsed.filter(|duration| range.contains(duration)) {
            Some(duration) => Some(duration),
            None => {
                let [from, to] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
                self.wrong(&format!("a duration with its unit such as \"250ms\" or \"5s\", {from} to {to}"))
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

    /// A text that satisfies `valid`, redacted in messages: a wrong one may have a secret in it.
    pub(super) fn redacted_text(&self, expected: &str, valid: impl Fn(&str) -> bool) -> Option<&'a str> {
        match self.value {
            Value::String(text) if valid(text) => Some(text),
            _ => self.wrong_redacted(expected),
        }
    }

    /// A text that satisfies `valid`, redacted in messages; or `{"env": "NAME"}`, which stands for a variable of the
    /// environment.
    pub(super) fn secret(&self, expected: &str, valid: impl Fn(&str) -> bool) -> Option<Cow<'a, str>> {
        let secret = match self.value {
            Value::String(text) => Cow::from(text),
            Value::Object(fields) if fields.len() == 1 && fields.contains_key("env") => self.variable()?.into(),
            _ => return self.wrong_redacted(expected),
        };
        if valid(&secret) { Some(secret) } else { self.wrong_redacted(expected) }
    }

    /// The value of the variable that `{"env": "NAME"}` names.
    fn variable(&self) -> Option<String> {
        let Some(name) = self.value.get("env").and_then(Value::as_str) else {
            return self.wrong_redacted("{env: NAME} with the name of an environment variable");
        };
        let value = (self.problems.variable)(name).filter(|value| !value.is_empty());
        value.or_else(|| {
            let shown = if is_variable(name) { format!("{name:?}") } else { "whose name is not shown".to_owned() };
            self.wrong_as(&format!("no environment variable {shown}"), "one of the VM's, with a value")
        })
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
                let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                self.wrong(&words.join(" or "))
            }
        }
    }

    /// The lower-case name of an HTTP header.
    pub(super) fn header_name(&self) -> Option<String> {
        self.text(HEADER_NAME, is_token).map(str::to_ascii_lowercase)
    }

    /// The headers of an object that maps names to values. Values are redacted, and so is a key that is not a name: it may
    /// be a whole header line.
    pub(super) fn headers(&self) -> Option<Vec<(String, String)>> {
        let Value::Object(fields) = self.value else {
            return self.wrong_redacted("an object of header names and values");
        };
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in fields {
            if !is_token(name) {
                self.wrong_as::<()>("a key that is not shown", "names of HTTP headers as keys");
                continue;
            }
            let path = if is_shown(name) { format!("{}.{name}", self.path) } else { self.path.clone() };
            let node = Node { path, value, problems: self.problems };
            let name = name.to_ascii_lowercase();
            if headers.iter().any(|(other, _)| *other == name) {
                node.wrong_as::<()>("a second header of this name", "each header once, whatever its case");
            }
            if let Some(value) = node.secret("a header value without control characters", is_header_value) {
                headers.push((name, value.into_owned()));
            }
        }
        Some(headers)
    }
}

impl<'a> Object<'a> {
    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Node<'a>> {
        let mut known = self.known.take();
        if !known.contains(&key) {
            known.push(key); // once: what all regions share is read for each of them
        }
        self.known.set(known);
        let value = self.fields?.get(key)?;
        Some(Node { value, ..self.absent(key) })
    }

    /// The object under a key; one without any keys if it is not there.
    pub(super) fn section(&self, key: &'static str) -> Option<Object<'a>> {
        match self.get(key) {
            Some(node) => node.object(),
            None => Some(Object { node: self.absent(key), fields: None, known: Cell::default() }),
        }
    }

    /// The value of a key that has to be there.
    pub(super) fn require(&self, key: &'static str, expected: &str) -> Option<Node<'a>> {
        self.get(key).or_else(|| self.absent(key).wrong_as("nothing", expected))
    }

    /// The node of a key as if it were not there: the path, to report something at.
    pub(super) fn absent(&self, key: &str) -> Node<'a> {
        let Node { path, problems, .. } = &self.node;
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        Node { path, value: &NOTHING, problems }
    }

    /// The object itself, to report what is wrong with it as a whole.
    pub(super) fn node(&self) -> &Node<'a> {
        &self.node
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        let known = self.known.take();
        for key in self.fields.iter().flat_map(|fields| fields.keys()).filter(|key| !known.contains(&key.as_str())) {
            let found = match is_shown(key) {
                true => format!("the unknown key {key:?}"),
                false => "an unknown key that is not shown".to_owned(),
            };
            self.node.wrong_as::<()>(&found, &format!("one of {}", known.join(", ")));
        }
    }
}

/// A value as a message shows it: like JSON, shortened. `Debug` escapes what would not print as it is, or would change how the
/// rest prints: control characters, line separators, directions of writing.
fn shown(value: &Value) -> String {
    shortened(match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        // The keys alone: the values may hold secrets.
        Value::Object(fields) => format!("an object with {}", quoted(fields.keys())),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::String(text) => format!("{text:?}"),
        scalar => scalar.to_string(),
    })
}

/// A value as a message shows it redacted: its type.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number that is not shown",
        Value::String(text) if text.is_empty() => "\"\"",
        Value::String(_) => "a text that is not shown",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn quoted<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    let shown = |key: &String| if is_shown(key) { format!("{key:?}") } else { "a key that is not shown".to_owned() };
    keys.map(shown).collect::<Vec<_>>().join(", ")
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Whether a message shows a key. A word is a mistake that somebody wants to find; what is not one may be a secret in the wrong
/// place.
fn is_shown(key: &str) -> bool {
    key.len() <= SHOWN_KEY && key.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

/// Whether a text looks like the name of an environment variable, and not like a value of one.
fn is_variable(text: &str) -> bool {
    text.len() <= SHOWN_KEY && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// What a number has to be.
pub(super) fn number_of(unit: &str, range: &RangeInclusive<i32>) -> String {
    format!("a number of {unit}, {} to {}", range.start(), range.end())
}

fn in_range(number: f64, range: &RangeInclusive<i32>) -> bool {
    (f64::from(*range.start())..=f64::from(*range.end())).contains(&number)
}

/// Whether a text is an HTTP token (RFC 9110, section 5.6.2): what the names of headers and cookies have to be.
pub(super) fn is_token(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(inner)
}

/// Whether a text can be sent as a header value.
pub(super) fn is_header_value(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether a text can be sent where a blank would end it.
pub(super) fn is_one_word(text: &str) -> bool {
    is_header_value(text) && !text.contains(' ')
}

/// Whether a text is a DNS label: what a region's name has to be, since it becomes part of host, cluster and metric names.
pub(super) fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
