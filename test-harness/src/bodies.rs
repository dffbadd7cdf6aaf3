//! Bodies of answers, whole ones and one that breaks off.
//!
//! Must never know: who answers what.

use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame};
use std::io;

/// A body that may break off.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// What a [`half`] promises.
pub(crate) const PROMISED: usize = 1000;

/// All of this.
pub(crate) fn whole(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed()
}

/// Half of what was [`PROMISED`], then the end of the connection.
pub(crate) fn half() -> Body {
    let first = async { Ok(Frame::data(Bytes::from(vec![b'x'; PROMISED / 2]))) };
    let broken = async {
        // Having to wait makes hyper send what it has; otherwise not even the head would leave.
        tokio::task::yield_now().await;
        Err(io::Error::other("dropped in the middle of the body"))
    };
    BoxBody::new(StreamBody::new(stream::once(first).chain(stream::once(broken))))
}
