//! Connections to an attacker: pipes in memory, or real ones.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::Instant;
use tower::Service;

use crate::attack::{Attack, Dial};
use crate::meter::Meter;
use crate::peer::Peer;

/// What a socket's buffers would hold.
const CAPACITY: usize = 64 << 10;

/// Connects to an attacker who lies in memory.
#[derive(Clone)]
pub(crate) struct Pipes {
    attack: Arc<Attack>,
    meter: Arc<Meter>,
    began: Instant,
}

impl Pipes {
    pub(crate) fn new(attack: &Arc<Attack>, meter: &Arc<Meter>) -> Self {
        Self { attack: Arc::clone(attack), meter: Arc::clone(meter), began: Instant::now() }
    }
}

impl Service<Uri> for Pipes {
    type Response = TokioIo<Pipe>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (attack, meter, began) = (Arc::clone(&self.attack), Arc::clone(&self.meter), self.began);
        Box::pin(async move {
            let nth = meter.connects.add(1);
            match (attack.dial)(nth, began.elapsed()) {
                Dial::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
                Dial::Hangs => std::future::pending::<()>().await,
                Dial::Accepted => {}
            }
            let (ours, theirs) = duplex(CAPACITY);
            let peer = Peer::new(theirs, nth, Arc::clone(&meter));
            tokio::spawn(async move {
                // An error means that the client has gone.
                let _ = (attack.serve)(peer).await;
            });
            Ok(TokioIo::new(Pipe { inner: ours, meter }))
        })
    }
}

/// The client's end, which counts how often it is polled.
pub(crate) struct Pipe {
    inner: DuplexStream,
    meter: Arc<Meter>,
}

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.meter.polls.add(1);
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.meter.polls.add(1);
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
