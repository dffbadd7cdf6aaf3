//! A lookup service from the inside: an HTTP server that answers by a table and misbehaves on command.

use super::fault::{Answer, Fault};
use super::table::{Table, Template};
use crate::bodies::{Body, PROMISED, flood, half, whole};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, header, server::conn::http1};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// One lookup, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When, from the start of the service.
    pub at: Duration,
    /// The method.
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// Every header: lower-case names, values with a mark for each byte that is not UTF-8.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// The address in the path, wherever it stands there.
    pub fn address(&self) -> Option<IpAddr> {
        self.path.split(['/', '?', '=', '&']).find_map(|part| part.parse().ok())
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// What the service shares with the test.
pub(super) struct State {
    start: Instant,
    now: Mutex<Now>,
    /// Whether answers are held back.
    pub(super) held: watch::Sender<bool>,
}

#[derive(Default)]
pub(super) struct Now {
    pub(super) table: Table,
    pub(super) delay: Duration,
    pub(super) fault: Option<Fault>,
    pub(super) asked: Vec<Asked>,
}

impl Default for State {
    fn default() -> Self {
        Self { start: Instant::now(), now: Mutex::default(), held: watch::Sender::new(false) }
    }
}

impl State {
    pub(super) fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes a lookup down, and says how long it takes and what becomes of it.
    fn meet(&self, asked: Asked) -> (Duration, Reaction) {
        let mut now = self.lock();
        let reaction = match &now.fault {
            // Refusing, it does not listen, and bytes that are no HTTP are sent elsewhere: this one slipped in before.
            Some(Fault::Refuses | Fault::Hangs | Fault::Bytes(_)) => Reaction::Hang,
            Some(Fault::ResetsMidBody) => Reaction::Reset,
            Some(Fault::Floods(bytes)) => Reaction::Flood(*bytes),
            Some(Fault::Answers(answer)) => Reaction::answer(answer, asked.address()),
            None => Reaction::known(&now.table, asked.address()),
        };
        now.asked.push(asked);
        (now.delay, reaction)
    }
}

enum Reaction {
    Hang,
    Reset,
    Flood(usize),
    Answer(hyper::http::Result<Response<Body>>),
}

impl Reaction {
    fn answer(answer: &Answer, address: Option<IpAddr>) -> Self {
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        let mut response = Response::builder().status(answer.status).header(header::CONTENT_TYPE, answer.content_type);
        if let Some(seconds) = answer.retry_after {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        Self::Answer(response.body(whole(answer.body.about(&address))))
    }

    fn known(table: &Table, address: Option<IpAddr>) -> Self {
        let Some(place) = address else { return Self::answer(&Answer::new(404, b"no address in the path"), None) };
        let body = table.find(place).cloned().unwrap_or_else(|| Template::new(br#"{"ip": "{ip}", "bogon": true}"#));
        Self::answer(&Answer { body, ..Answer::new(200, b"") }, address)
    }
}

/// Serves one connection.
pub(super) async fn serve(stream: TcpStream, state: Arc<State>) {
    let no_http = match &state.lock().fault {
        Some(Fault::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    match no_http {
        Some(bytes) => drop(answer_with(&bytes, stream, &state).await),
        None => serve_http(stream, state).await,
    }
}

/// Waits for a request, and answers it with these bytes.
async fn answer_with(bytes: &[u8], mut stream: TcpStream, state: &State) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let (head, at) = (lossy(&head), state.start.elapsed());
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let _ = state.meet(Asked { at, method, path, headers: Vec::new() });
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

async fn serve_http(stream: TcpStream, state: Arc<State>) {
    let answer = service_fn(|request| answer(&state, request));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    if (&mut connection).await.is_err() {
        // A body that broke off: let go of the connection at once and with a reset.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (delay, reaction) = state.meet(Asked {
        at: state.start.elapsed(),
        method: request.method().to_string(),
        path: request.uri().to_string(),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), lossy(value.as_bytes()))).collect(),
    });
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    let _ = state.held.subscribe().wait_for(|held| !held).await;
    let response = match reaction {
        Reaction::Hang => std::future::pending().await,
        Reaction::Reset => Response::builder().header(header::CONTENT_LENGTH, PROMISED).body(half()),
        Reaction::Flood(bytes) => Response::builder().body(flood(bytes)),
        Reaction::Answer(response) => response,
    };
    Ok(response.unwrap_or_else(|error| Response::new(whole(error.to_string()))))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
