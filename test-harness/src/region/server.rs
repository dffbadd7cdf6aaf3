//! A region from the inside: an HTTP server that misbehaves on command.

use super::protocol::{Answer, Command, Counts, Fault, HEALTH_PATH, MOVED_PATH};
use crate::bodies::{Body, PROMISED, flood, half, held, whole};
use crate::listening::Listening;
use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch::Sender;

/// Serves a region on `port` of the loopback (0: any) and obeys the commands on stdin, until stdin ends: a region never
/// outlives the test that started it.
///
/// # Errors
/// If the port is taken or the pipe breaks.
pub async fn serve_and_obey(name: &str, port: u16) -> Result<()> {
    let mut server = Server::new(name);
    // The parent holds the port too, so that nobody else can have it while this region is dead.
    let port = server.listen(port, true)?;
    say(&Answer::Listening { port })?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command = serde_json::from_str(&line).context("not a command")?;
        let answer = match command {
            Command::Fail { fault, probes_only } => {
                if fault == Fault::Refuses {
                    server.close().await;
                }
                server.state.set_fault(Some((fault, probes_only)));
                Answer::Done
            }
            Command::Recover => {
                server.state.set_fault(None);
                server.state.released.send_replace(());
                match server.listening.is_some() || server.listen(port, true).is_ok() {
                    true => Answer::Done,
                    false => Answer::Failed(format!("cannot listen on port {port} again")),
                }
            }
            Command::Count => Answer::Counted(server.state.counts()),
        };
        say(&answer)?;
    }
    Ok(())
}

/// Serves a healthy region on `port` of the loopback until the returned value goes. Needs a tokio runtime.
///
/// # Errors
/// If the port is taken.
pub fn serve(name: &str, port: u16) -> Result<Server> {
    let mut server = Server::new(name);
    server.listen(port, false)?;
    Ok(server)
}

fn say(answer: &Answer) -> Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}

/// A region that serves until this value goes.
pub struct Server {
    state: Arc<State>,
    listening: Option<Listening>,
}

impl Server {
    fn new(name: &str) -> Self {
        let state =
            State { name: name.into(), start: Instant::now(), now: Mutex::default(), released: Sender::default() };
        Self { state: Arc::new(state), listening: None }
    }

    fn listen(&mut self, port: u16, shared: bool) -> Result<u16> {
        let state = self.state.clone();
        let serve = move |stream| {
            let state = state.clone();
            async move {
                let answer = service_fn(|request| answer(&state, request));
                http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await
            }
        };
        let listening = Listening::on(port, shared, serve);
        let listening = listening.with_context(|| format!("port {port} for {}", self.state.name))?;
        let port = listening.port();
        self.listening = Some(listening);
        Ok(port)
    }

    /// Returns when the listener and every connection are gone.
    async fn close(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.close().await;
        }
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let probe = request.uri().path() == HEALTH_PATH;
    let fault = state.meet(probe);
    let (head, body) = request.into_parts();
    // Read to the end even where it is not looked at, so that the connection can be used again.
    let body = body.collect().await.unwrap_or_default();
    let trailers = body.trailers().map(pairs).unwrap_or_default();
    let body = body.to_bytes();
    if let Some(Fault::Slow(delay)) = fault {
        tokio::time::sleep(delay).await;
    }
    let mut answer = Response::builder().header("x-region", state.name.as_str());
    if let Some(Fault::Closes) = fault {
        answer = answer.header(CONNECTION, "close");
    }
    if let Some(options) = head.headers.get(CONNECTION) {
        answer = answer.header("x-connection", options); // the answer to an upgrade has no body to tell it
    }
    let answer = match fault {
        Some(Fault::Hangs) => std::future::pending().await,
        Some(Fault::Status(status)) => answer.status(status).body(whole(format!("{status} from {}", state.name))),
        Some(Fault::Flaps { .. }) => answer.status(StatusCode::SERVICE_UNAVAILABLE).body(whole("flapping")),
        Some(Fault::DropsMidBody) => answer.header(CONTENT_LENGTH, PROMISED).body(half()),
        Some(Fault::Floods(bytes)) => answer.body(flood(bytes)),
        Some(Fault::Holds) if !probe => answer.header(CONTENT_LENGTH, PROMISED).body(held(state.released.subscribe())),
        Some(Fault::Refuses | Fault::Slow(_) | Fault::Closes | Fault::Holds) | None if probe => {
            answer.body(whole(format!("ok {}", state.name)))
        }
        _ if head.uri.path() == MOVED_PATH => {
            answer.status(StatusCode::FOUND).header(LOCATION, "http://gateway/arrived").body(whole(""))
        }
        Some(Fault::Refuses | Fault::Slow(_) | Fault::Closes | Fault::Holds) | None => {
            let seen = json!({
                "region": state.name,
                "method": head.method.as_str(),
                "path": head.uri.path_and_query().map(|path| path.as_str()),
                "headers": pairs(&head.headers),
                "body": String::from_utf8_lossy(&body),
                "trailers": trailers,
            });
            answer.header("content-type", "application/json").body(whole(seen.to_string()))
        }
    };
    Ok(answer.unwrap_or_else(|error| Response::new(whole(error.to_string()))))
}

/// Names and values, in the order in which they came.
fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(pair).collect()
}

struct State {
    name: String,
    start: Instant,
    now: Mutex<Now>,
    /// Tells answers that are held back to go on.
    released: Sender<()>,
}

#[derive(Default)]
struct Now {
    counts: Counts,
    fault: Option<(Fault, bool)>,
    probes_since_fault: u32,
}

impl State {
    fn set_fault(&self, fault: Option<(Fault, bool)>) {
        let mut now = self.lock();
        now.fault = fault;
        now.probes_since_fault = 0;
    }

    fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Counts a probe or a request, and says which fault it meets.
    fn meet(&self, probe: bool) -> Option<Fault> {
        let at = self.start.elapsed();
        let mut now = self.lock();
        if probe {
            now.counts.probes.push(at);
            now.probes_since_fault += 1;
        } else {
            now.counts.requests += 1;
        }
        let (fault, probes_only) = now.fault?;
        if probes_only && !probe {
            return None;
        }
        match fault {
            Fault::Flaps { up, down } => flaps(now.probes_since_fault, up, down).then_some(fault),
            fault => Some(fault),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether the `nth` probe (from 1; 0: none yet) falls into the bad part of `up` good ones and `down` bad ones.
fn flaps(nth: u32, up: u32, down: u32) -> bool {
    let period = (up + down).max(1);
    nth > 0 && (nth - 1) % period >= up
}

#[cfg(test)]
mod tests {
    use super::flaps;

    #[test]
    fn flapping_alternates_by_probe() {
        let bad: Vec<bool> = (0..=6).map(|nth| flaps(nth, 2, 1)).collect();
        assert_eq!(bad, [false, false, false, true, false, false, true]);
    }
}
