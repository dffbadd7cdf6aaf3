//! A request over HTTP/2, frame by frame, because HTTP clients refuse to send most of what a test wants sent.

use crate::client::PATIENCE;
use anyhow::{Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Posts a body and trailers to the gateway at this address, and returns the body of the answer.
///
/// # Errors
/// If there is no answer.
pub fn post(gateway: SocketAddr, headers: &[(&str, &str)], body: &[u8], trailers: &[(&str, &str)]) -> Result<Vec<u8>> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "gateway")];
    let headers = block(pseudo.iter().chain(headers));
    let mut stream = TcpStream::connect(gateway)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = [
        PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &headers),
        frame(DATA, 0, 1, body),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(trailers.iter())),
    ];
    stream.write_all(&request.concat())?;
    let mut answer = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        ensure!(kind != RST_STREAM && kind != GOAWAY, "refused: {kind} {payload:?}");
        if kind == DATA {
            answer.extend(payload);
        }
        if (kind == DATA || kind == HEADERS) && flags & END_STREAM != 0 {
            return Ok(answer);
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Every header as a literal, without Huffman's code and without the table (RFC 7541, section 6.2.2).
fn block<'a>(headers: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 127, "a length of one byte");
        [&[text.len() as u8], text.as_bytes()].concat()
    };
    headers.flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}
