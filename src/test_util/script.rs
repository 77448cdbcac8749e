//! The listener of scripted connections: each accepted connection is played by hand, as HTTP/2 or HTTP/1.1.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use http::Uri;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    bound::within,
    h1_script::H1Conn,
    h2_script::H2Conn,
    identity::{H2, HTTP_1_1, Identity},
    ledger::Ledger,
    socket::Socket,
    wire::setting,
};

/// What [`ScriptedServer::accept`] announces.
pub const DEFAULT_SETTINGS: &[(u16, u32)] =
    &[(setting::MAX_CONCURRENT_STREAMS, 100), (setting::INITIAL_WINDOW_SIZE, 1 << 20)];

/// A server whose every byte is written by the test.
///
/// Every step waits for at most [`LIMIT`](super::bound::LIMIT) and then panics, saying what it waited for.
#[derive(Debug)]
pub struct ScriptedServer {
    listener: TcpListener,
    addr: SocketAddr,
    tls: Option<Tls>,
    ledger: Ledger,
}

struct Tls {
    identity: Identity,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

impl ScriptedServer {
    /// Listens on 127.0.0.1, in the clear.
    pub async fn bind() -> Self {
        Self::listen(None).await
    }

    /// Listens on 127.0.0.1 with TLS, and offers both HTTP/2 and HTTP/1.1.
    pub async fn bind_tls() -> Self {
        Self::bind_tls_with(&Identity::new(), &[H2, HTTP_1_1]).await
    }

    /// Listens on 127.0.0.1 with TLS, and offers these protocols.
    pub async fn bind_tls_with(identity: &Identity, alpn: &[&[u8]]) -> Self {
        Self::listen(Some(Tls { identity: identity.clone(), acceptor: identity.acceptor(alpn) })).await
    }

    async fn listen(tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        Self { listener, addr, tls, ledger: Ledger::new() }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URI of a path here.
    pub fn uri(&self, path: &str) -> Uri {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.addr).parse().expect("a path that begins with a slash")
    }

    /// What this server processed, by [`H2Conn::process`] and [`H1Conn::process`].
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// The certificate to trust.
    ///
    /// # Panics
    ///
    /// When there is no TLS.
    pub fn identity(&self) -> &Identity {
        &self.tls.as_ref().expect("a server bound with TLS").identity
    }

    /// Accepts an HTTP/2 connection: sends [`DEFAULT_SETTINGS`], reads the preface and the client's SETTINGS, and
    /// acknowledges these.
    pub async fn accept(&self) -> H2Conn {
        self.accept_with(DEFAULT_SETTINGS).await
    }

    /// The same with other settings.
    pub async fn accept_with(&self, settings: &[(u16, u32)]) -> H2Conn {
        let mut conn = self.accept_mute().await;
        conn.greet(settings).await;
        conn
    }

    /// Accepts an HTTP/2 connection and reads the preface, but sends nothing, SETTINGS neither, until the script
    /// does. [`H2Conn::greet`] makes it an ordinary connection.
    pub async fn accept_mute(&self) -> H2Conn {
        H2Conn::start(self.accept_socket().await, self.ledger.clone()).await
    }

    /// Accepts an HTTP/1.1 connection.
    pub async fn accept_h1(&self) -> H1Conn {
        H1Conn::new(self.accept_socket().await, self.ledger.clone())
    }

    /// Accepts the connection, shakes hands if there is TLS, and does nothing else: for a server that closes before
    /// its SETTINGS, or that tells by [`Socket::alpn`] what to play.
    pub async fn accept_socket(&self) -> Socket {
        let tcp = self.accept_tcp().await;
        let acceptor = self.tls.as_ref().map(|tls| &tls.acceptor);
        within("the TLS handshake", Socket::establish(tcp, acceptor)).await.expect("the TLS handshake")
    }

    /// Accepts the TCP connection, without TLS: for a server that fails before the handshake.
    pub async fn accept_tcp(&self) -> TcpStream {
        within("the client to connect", self.listener.accept()).await.expect("accept").0
    }
}

/// An address at which nobody listens, and nobody else will as long as this is held: connects are refused.
#[derive(Debug)]
pub struct NobodyListens(TcpSocket);

impl NobodyListens {
    /// Takes a free port.
    pub fn bind() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self(socket)
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// The URI of a path there.
    pub fn uri(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.addr()).parse().expect("a path that begins with a slash")
    }
}
