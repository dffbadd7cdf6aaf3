//! The ways in which a lookup service misbehaves.

use super::table::Template;
use serde_json::json;

/// One way in which a lookup service misbehaves. What is not a broken connection is an answer, but not a good one.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nobody listens: new connections are refused, live ones were dropped.
    Refuses,
    /// Accepts connections and reads requests, but never answers.
    Hangs,
    /// Promises a body, sends half of it and resets the connection (RST).
    ResetsMidBody,
    /// Sends so many bytes, and does not come to an end.
    Floods(usize),
    /// Answers with these bytes, HTTP or not, and ends the connection.
    Bytes(Vec<u8>),
    /// Answers every lookup with this.
    Answers(Answer),
}

/// An answer that does not depend on what the service knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<u32>,
    pub(super) content_type: &'static str,
    pub(super) body: Template,
}

impl Fault {
    /// Bytes instead of HTTP.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// This status, and a body that tells nothing.
    pub fn status(status: u16) -> Self {
        Self::answer(status, b"{}")
    }

    /// 429, and how many seconds to stay away.
    pub fn limited(retry_after: u32) -> Self {
        let answer = Answer { status: 429, retry_after: Some(retry_after), ..Answer::new(429, b"{}") };
        Self::Answers(answer)
    }

    /// Status 200 with this body; `{ip}` in it stands for the address that is asked about.
    pub fn body(body: impl AsRef<[u8]>) -> Self {
        Self::answer(200, body.as_ref())
    }

    /// A page for people: what a proxy or a login in between answers with.
    pub fn html() -> Self {
        let page = b"<!doctype html><title>Welcome</title><p>Please <a href=\"/login\">log in</a>.";
        Self::Answers(Answer { content_type: "text/html", ..Answer::new(200, page) })
    }

    /// A good answer but for a city in Latin-1.
    pub fn not_utf8() -> Self {
        Self::body(b"{\"ip\": \"{ip}\", \"city\": \"Z\xfcrich\", \"loc\": \"47.37,8.54\", \"country\": \"CH\"}")
    }

    /// A good answer with so many bytes of padding in it.
    pub fn large(bytes: usize) -> Self {
        Self::body(json!({"ip": "{ip}", "loc": "47.37,8.54", "padding": "x".repeat(bytes)}).to_string())
    }

    /// A good answer about another address.
    pub fn other_address() -> Self {
        Self::body(r#"{"ip": "9.9.9.9", "loc": "47.37,8.54", "country": "CH"}"#)
    }

    /// A good answer with so many lists in each other before it: a parser that recurses without a limit runs out of stack.
    pub fn nested(depth: usize) -> Self {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        Self::body(format!(r#"{{"more": {open}{close}, "ip": "{{ip}}", "loc": "47.37,8.54"}}"#))
    }

    fn answer(status: u16, body: &[u8]) -> Self {
        Self::Answers(Answer::new(status, body))
    }
}

impl Answer {
    /// An answer in JSON.
    pub(super) fn new(status: u16, body: &[u8]) -> Self {
        Self { status, retry_after: None, content_type: "application/json", body: Template::new(body) }
    }
}
