//! Bodies of answers: whole ones, one that breaks off, one that is held back, and one that does not end.

use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame};
use std::io;
use tokio::sync::watch::Receiver;

/// A body that may break off.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// What a [`half`] and a [`held`] body promise.
pub(crate) const PROMISED: usize = 1000;

/// All of this.
pub(crate) fn whole(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed()
}

/// Half of what was [`PROMISED`], then the end of the connection.
pub(crate) fn half() -> Body {
    let broken = async {
        // Having to wait makes hyper send what it has; otherwise not even the head would leave.
        tokio::task::yield_now().await;
        Err(io::Error::other("dropped in the middle of the body"))
    };
    BoxBody::new(StreamBody::new(stream::once(async { Ok(half_of_it()) }).chain(stream::once(broken))))
}

/// Half of what was [`PROMISED`], and the other half when there is a word.
pub(crate) fn held(mut word: Receiver<()>) -> Body {
    let rest = async move {
        let _ = word.changed().await;
        Ok(half_of_it())
    };
    BoxBody::new(StreamBody::new(stream::once(async { Ok(half_of_it()) }).chain(stream::once(rest))))
}

/// So many bytes, and then no end.
pub(crate) fn flood(bytes: usize) -> Body {
    const CHUNK: usize = 1 << 16;
    let chunk = Bytes::from(vec![b' '; CHUNK]);
    let chunks = stream::repeat_with(move || Ok(Frame::data(chunk.clone()))).take(bytes / CHUNK);
    BoxBody::new(StreamBody::new(chunks.chain(stream::pending())))
}

fn half_of_it() -> Frame<Bytes> {
    Frame::data(Bytes::from(vec![b'x'; PROMISED / 2]))
}
