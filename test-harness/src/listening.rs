//! Ports of the loopback: held while nobody listens, listened on, and let go of with every connection.

use anyhow::Result;
use std::io;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// As many connections as may wait to be accepted: a burst must not meet the kernel's patience.
const BACKLOG: u32 = 4096;

/// A port that nobody else gets. The socket is bound and never listens: as long as nobody shares the port, connections to it
/// are refused.
pub(crate) struct Reserved {
    socket: TcpSocket,
}

impl Reserved {
    /// A free port.
    pub(crate) fn any() -> Result<Self> {
        Ok(Self { socket: bound(0, true)? })
    }

    pub(crate) fn port(&self) -> Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }
}

/// A listener and its connections.
pub(crate) struct Listening {
    port: u16,
    close: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Listening {
    /// Listens on `port` (0: any; `shared`: it is [`Reserved`]) and serves each connection. Needs a tokio runtime.
    pub(crate) fn on<F>(port: u16, shared: bool, serve: impl FnMut(TcpStream) -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let listener = bound(port, shared)?.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        let (close, closed) = oneshot::channel();
        Ok(Self { port, close, accepting: tokio::spawn(accept(listener, closed, serve)) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns when the listener and every connection are gone.
    pub(crate) async fn close(self) {
        let _ = self.close.send(());
        let _ = self.accepting.await;
    }
}

fn bound(port: u16, shared: bool) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    Ok(socket)
}

async fn accept<F>(listener: TcpListener, mut closed: oneshot::Receiver<()>, mut serve: impl FnMut(TcpStream) -> F)
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut closed => break,
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => drop(connections.spawn(serve(stream))),
        }
    }
    drop(listener);
    connections.shutdown().await;
}
