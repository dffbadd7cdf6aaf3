//! A response of which the first half has come, and the rest is still to come: what [`Fault::Holds`](crate::Fault::Holds) makes.

use crate::bodies::PROMISED;
use crate::client::{Client, PATIENCE};
use anyhow::{Result, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A stream that is open. The client gives it up when this value goes.
pub struct Begun(TcpStream);

impl Client {
    /// GET `path`, without geo headers, from a region that holds bodies back. Returns when half of the body has come.
    ///
    /// # Panics
    /// If something else comes.
    #[track_caller]
    pub fn begin(&self, path: &str) -> Begun {
        begin(TcpStream::connect(self.gateway()).expect("a connection"), path).unwrap_or_else(|why| panic!("{why:#}"))
    }
}

impl Begun {
    /// Whether all of the rest comes, and nothing else.
    pub fn ends_well(mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).is_ok() && rest == [b'x'; PROMISED / 2]
    }
}

fn begin(mut stream: TcpStream, path: &str) -> Result<Begun> {
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n")?;
    let mut seen = Vec::new();
    while !seen.ends_with(&[b'x'; PROMISED / 2]) {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece)?;
        seen.extend_from_slice(piece.get(..length).unwrap_or_default());
        ensure!(length > 0, "all that came is {:?}", String::from_utf8_lossy(&seen));
    }
    ensure!(seen.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&seen));
    Ok(Begun(stream))
}
