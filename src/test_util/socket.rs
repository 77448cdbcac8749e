//! A server's end of a connection, in the clear or under TLS, that can be ended in both ways TCP knows.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::Identity;

/// A connection that was accepted.
#[derive(Debug)]
pub struct Socket(Kind);

#[derive(Debug)]
enum Kind {
    /// Bytes as they are on the wire.
    Plain(TcpStream),
    /// Bytes within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a server's connection goes over.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Ends the connection with a TCP RST: what was sent but not yet read may be lost at the other side.
    fn abort(self);
}

impl Transport for Socket {
    fn abort(self) {
        Self::abort(self);
    }
}

/// In memory there is no RST: it is closed.
impl Transport for DuplexStream {
    fn abort(self) {}
}

impl Socket {
    /// Shakes hands with a client, and offers it these protocols by ALPN.
    ///
    /// # Errors
    ///
    /// Those of the IO and of the TLS handshake.
    pub async fn accept_tls(tcp: TcpStream, identity: &Identity, alpn: &[&[u8]]) -> io::Result<Self> {
        Self::establish(tcp, Some(&identity.acceptor(alpn))).await
    }

    /// Sets up what every server here wants, and shakes hands if there is an acceptor.
    pub(super) async fn establish(tcp: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Self> {
        // A script's frames shall leave when they are written.
        tcp.set_nodelay(true)?;
        Ok(match tls {
            None => Self(Kind::Plain(tcp)),
            Some(acceptor) => Self(Kind::Tls(Box::new(acceptor.accept(tcp).await?))),
        })
    }

    /// Whether there is TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.0, Kind::Tls(_))
    }

    /// The protocol ALPN agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Tls(tls) => tls.get_ref().1.alpn_protocol(),
        }
    }

    /// The client's address, which tells connections apart.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.tcp().peer_addr().ok()
    }

    /// Ends the connection with a TCP RST: what was sent but not yet read may be lost at the other side.
    pub fn abort(self) {
        // `set_zero_linger` came with tokio 1.48. An error here means that the connection is gone already.
        #[allow(deprecated, reason = "there is nothing to wait for, but it is deprecated because there may be")]
        let _ = self.tcp().set_linger(Some(std::time::Duration::ZERO));
    }

    fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Plain(tcp) => tcp,
            Kind::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Kind::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Kind::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Kind::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Kind::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
