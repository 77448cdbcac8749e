//! Connections of the simulated network, as hyper and the scripted server want them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::Service;
use turmoil::net::TcpStream;

use crate::support::Transport;

/// A simulated connection.
#[derive(Debug)]
pub(crate) struct Tcp(pub(crate) TcpStream);

impl Connection for Tcp {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Transport for Tcp {
    // turmoil sends RST itself where something unread is dropped, and has no other way to.
    fn abort(self) {}
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Connects to one port of one host, whatever the URI says.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Tcp>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Tcp>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let to = (self.host.clone(), self.port);
        Box::pin(async move { Ok(TokioIo::new(Tcp(TcpStream::connect(to).await?))) })
    }
}
