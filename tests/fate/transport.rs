//! Errors of the transport below an established connection: whatever it gives, and whatever that wraps, it is the
//! connection that was lost, and nothing is proved about the request.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioExecutor;
use tower_redial::fate::{Cause, Fate};

use crate::support::clients::post;
use crate::support::{ScriptedServer, reason};
use crate::via::{Failed, Via, fail};

/// Takes what is written, and then fails.
struct Failing {
    error: Option<io::Error>,
    written: bool,
}

impl Failing {
    fn with(error: io::Error) -> Self {
        Self { error: Some(error), written: false }
    }
}

impl Read for Failing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.written {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Err(self.error.take().unwrap_or_else(|| ErrorKind::BrokenPipe.into())))
    }
}

impl Write for Failing {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        // The request's head, not just HTTP/2's preface.
        self.written |= data.windows(6).any(|bytes| bytes == b"a body");
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn request() -> Request<Full<Bytes>> {
    post("http://host/".parse().unwrap(), "1", "a body")
}

async fn http1_over(error: io::Error) -> Failed {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(Failing::with(error)).await.unwrap();
    tokio::spawn(connection);
    fail(request(), async |request| sender.send_request(request).await).await
}

async fn http2_over(error: io::Error) -> Failed {
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), Failing::with(error));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    fail(request(), async |request| sender.send_request(request).await).await
}

/// Row 16, and row 6's limit: an ICMP message makes a long established connection fail with `ConnectionRefused` (Linux keeps
/// it as the socket's soft error), TLS libraries give `Other`, hyper and h2 themselves `WriteZero`.
#[tokio::test]
async fn whatever_kind_the_transport_gives_nothing_is_proved() {
    for kind in [
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::NotConnected,
        ErrorKind::NetworkDown,
        ErrorKind::WriteZero,
        ErrorKind::Other,
    ] {
        http1_over(kind.into()).await.is(Fate::Unknown, Cause::Closed).connection_is_dead(true);
        http2_over(kind.into()).await.is(Fate::Unknown, Cause::Closed).connection_is_dead(true);
    }
    for kind in [ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable] {
        http1_over(kind.into()).await.is(Fate::Unknown, Cause::Unreachable).connection_is_dead(true);
    }
}

/// A connection through a tunnel: the tunnel's stream was refused, or its connection was handed back, after this request was
/// written into it. That proves nothing about this request.
#[tokio::test]
async fn what_happened_to_a_tunnel_proves_nothing() {
    let refused = async || {
        let proxy = ScriptedServer::bind().await;
        let script = async {
            let mut conn = proxy.accept().await;
            let request = conn.request().await;
            conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
            conn
        };
        let (failed, _conn) = tokio::join!(Via::Conn2.fail(post(proxy.uri("/"), "1", "a body")), script);
        failed.is(Fate::NotProcessed, Cause::Refused).error
    };
    http1_over(io::Error::other(refused().await)).await.is(Fate::Unknown, Cause::Closed);
    http2_over(io::Error::other(refused().await)).await.is(Fate::Unknown, Cause::Closed);
}

/// An error that a layer shares or boxes once more is the same error.
#[tokio::test]
async fn a_shared_error_is_seen_through() {
    let server = ScriptedServer::bind().await;
    let tcp = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(tcp);
    let (mut sender, connection) = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(io).await.unwrap();
    drop(connection);
    let error = sender.send_request(request()).await.unwrap_err();
    let shared = std::sync::Arc::new(error);
    let body = tower_redial::fate::BodyUse::Untouched;
    Failed::new(std::sync::Arc::clone(&shared), body).is(Fate::NotSent, Cause::HandedBack);
    Failed::new(Box::new(shared) as Box<dyn std::error::Error + Send + Sync>, body)
        .is(Fate::NotSent, Cause::HandedBack);
}
