//! A connection of ours and the server's side of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_redial::ConnectionHealth;
use tower_redial::connect::{Error, Http2Connection, Http2Settings, ResponseBody};
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
use tower_redial::health::State;

use crate::support::bound::within;
use crate::support::script::DEFAULT_SETTINGS;
use crate::support::{H2Conn, ScriptedServer};

pub(crate) type Connection<B = Full<Bytes>> = Http2Connection<B>;

/// Both sides of a new connection whose SETTINGS have been exchanged.
pub(crate) async fn pair<B>(server: &ScriptedServer) -> (Connection<B>, H2Conn) {
    pair_with(server, DEFAULT_SETTINGS).await
}

/// The same with other settings of the server's.
pub(crate) async fn pair_with<B>(server: &ScriptedServer, settings: &[(u16, u32)]) -> (Connection<B>, H2Conn) {
    pair_of(&ConnectionHealth::default(), server, settings).await
}

/// The same, watched by this.
pub(crate) async fn pair_of<B>(
    health: &ConnectionHealth,
    server: &ScriptedServer,
    settings: &[(u16, u32)],
) -> (Connection<B>, H2Conn) {
    let client = connect(health, server, Http2Settings::default());
    let (connection, mut conn) =
        within("both sides", async { tokio::join!(client, server.accept_with(settings)) }).await;
    // The client has read the SETTINGS once it answers.
    conn.round_trip().await;
    (connection, conn)
}

pub(crate) async fn connect<B>(
    health: &ConnectionHealth,
    server: &ScriptedServer,
    settings: Http2Settings,
) -> Connection<B> {
    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let io = health.monitor(TokioIo::new(tcp), &server.uri("/"));
    Http2Connection::handshake(io, &settings).await.unwrap()
}

/// The fate and cause of an error, as a retry layer above reads them.
pub(crate) fn verdict(error: &Error) -> (Fate, Cause) {
    let failure = Failure::of(error, BodyUse::Untouched);
    assert_eq!(failure, error.failure());
    (failure.fate(), failure.cause())
}

/// The body of a response that came.
pub(crate) async fn text(response: Result<Response<ResponseBody>, Error>) -> String {
    let body = within("the body", response.unwrap().into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Waits until the connection stands as `wanted`.
pub(crate) async fn until<B>(connection: &Connection<B>, wanted: impl Fn(State) -> bool) {
    let stands = async {
        while !wanted(connection.state()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("the connection's state", stands).await;
}

/// A transport that can be told to take no more bytes.
#[derive(Debug)]
pub(crate) struct Blockable<T> {
    inner: T,
    block: Block,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Block(Arc<(AtomicBool, AtomicWaker)>);

impl Block {
    pub(crate) fn around<T>(&self, inner: T) -> Blockable<T> {
        Blockable { inner, block: self.clone() }
    }

    pub(crate) fn set(&self, blocked: bool) {
        self.0.0.store(blocked, Ordering::SeqCst);
        self.0.1.wake();
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.1.register(cx.waker());
        if self.0.0.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Blockable<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Blockable<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.block.poll(cx));
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
