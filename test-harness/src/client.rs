//! A client in a city: sends requests to a gateway and keeps everything that comes back.
//!
//! It uses a new connection for each request, so that every worker of Envoy gets its share.

use crate::places::Place;
use anyhow::{Context, Result};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// The header in which a client's latitude travels.
pub const LATITUDE: &str = "x-geo-latitude";
/// The header in which a client's longitude travels.
pub const LONGITUDE: &str = "x-geo-longitude";
/// The header in which a load balancer in front of the gateway tells the client's address.
pub const FORWARDED_FOR: &str = "x-forwarded-for";

/// Longer than any route timeout: what exceeds it is a defect of the gateway.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who sends requests to a gateway. Cloning is cheap; each `from` or `header` makes another client.
#[derive(Clone)]
pub struct Client {
    gateway: SocketAddr,
    headers: HeaderMap,
    http: reqwest::blocking::Client,
}

impl Client {
    /// A client of the gateway at this address, from nowhere in particular.
    ///
    /// # Panics
    /// If the HTTP client cannot be set up.
    pub fn of(gateway: SocketAddr) -> Self {
        let http = reqwest::blocking::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .expect("an HTTP client");
        Self { gateway, headers: HeaderMap::new(), http }
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// The same client in this place: its geo headers say so.
    pub fn from(mut self, place: Place) -> Self {
        self.headers.extend(geo_headers(place));
        self
    }

    /// The same client at this address, which a load balancer in front of the gateway vouches for: see
    /// [`Plan::trusted_hops`](crate::plan::Plan::trusted_hops).
    ///
    /// # Panics
    /// If it is no address.
    #[track_caller]
    pub fn at(mut self, address: &str) -> Self {
        self.headers.extend(forwarded_for(address.parse().expect("an address")));
        self
    }

    /// Adds a header; a name given twice is sent twice.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// Adds a header of any bytes that HTTP allows; for those that it does not, see [`Client::raw`].
    ///
    /// # Panics
    /// If HTTP does not allow them.
    #[track_caller]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.append(name, HeaderValue::from_bytes(value).expect("a header value"));
        self
    }

    /// GET `path`.
    ///
    /// # Panics
    /// If the gateway gives no complete answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, b"")
    }

    /// POST `body` to `path`.
    ///
    /// # Panics
    /// If the gateway gives no complete answer.
    #[track_caller]
    pub fn post(&self, path: &str, body: &[u8]) -> Response {
        self.request("POST", path, body)
    }

    /// Any method.
    ///
    /// # Panics
    /// If the gateway gives no complete answer.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Response {
        match self.try_request(method, path, body) {
            Ok(response) => response,
            Err(error) => panic!("{method} {path}: {error:#}"),
        }
    }

    /// Any method.
    ///
    /// # Errors
    /// If the gateway gives no complete answer.
    pub fn try_request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let mut request = self
            .http
            .request(Method::from_bytes(method.as_bytes())?, format!("http://{}{path}", self.gateway))
            .headers(self.headers.clone());
        if !body.is_empty() {
            request = request.body(body.to_vec());
        }
        let response = request.send()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().context("the response broke off")?.to_vec();
        Ok(Response { status, region: region_of(&headers), headers, body })
    }

    /// Writes these bytes to the gateway and returns everything that it writes until it closes the connection. A request
    /// that it may like needs `connection: close`.
    ///
    /// # Panics
    /// If the gateway does not listen, or says nothing and does not close for 30 seconds.
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let exchange = || -> Result<Vec<u8>> {
            let mut stream = TcpStream::connect(self.gateway)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(bytes)?;
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                // A gateway that has seen enough need not read the rest before it hangs up.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
                other => drop(other.context("no end of the answer")?),
            }
            Ok(answer)
        };
        exchange().unwrap_or_else(|error| panic!("raw bytes: {error:#}"))
    }
}

pub(crate) fn geo_headers(place: Place) -> HeaderMap {
    let degrees = |degrees: f64| HeaderValue::from_str(&degrees.to_string()).expect("a number");
    HeaderMap::from_iter([
        (HeaderName::from_static(LATITUDE), degrees(place.latitude)),
        (HeaderName::from_static(LONGITUDE), degrees(place.longitude)),
    ])
}

pub(crate) fn forwarded_for(address: IpAddr) -> HeaderMap {
    let address = HeaderValue::from_str(&address.to_string()).expect("an address is text");
    HeaderMap::from_iter([(HeaderName::from_static(FORWARDED_FOR), address)])
}

pub(crate) fn region_of(headers: &HeaderMap) -> Option<String> {
    headers.get("x-region").and_then(|region| region.to_str().ok()).map(Into::into)
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The region that answered, in its own words; `None` if Envoy did.
    pub region: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text, with a mark for each byte that is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The decision record that came with the request, as the region saw it; empty if none did.
    pub fn decision(&self) -> String {
        decision_in(&self.json())
    }

    /// The first request header of this name, as the region saw it.
    pub fn seen_header(&self, name: &str) -> Option<String> {
        self.seen_headers(name).into_iter().next()
    }

    /// Every request header of this name, as the region saw them.
    pub fn seen_headers(&self, name: &str) -> Vec<String> {
        headers_in(&self.json(), name).map(Into::into).collect()
    }
}

/// The decision record among what a region says it saw; empty if there was none.
pub(crate) fn decision_in(seen: &Value) -> String {
    headers_in(seen, "x-greatcircle-decision").next().unwrap_or_default().into()
}

fn headers_in<'a>(seen: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    let pairs = seen["headers"].as_array().into_iter().flatten();
    pairs.filter(move |pair| pair[0] == *name).filter_map(|pair| pair[1].as_str())
}
