//! How connections end, with what is on them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{Request, Uri};
use http_body::{Body, Frame as Part};
use http_body_util::StreamBody;
use hyper::client::conn::http2;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::{BoxError, ServiceExt, service_fn};
use tower_redial::ConnectionHealth;
use tower_redial::fate::{BodyUse, Failure, Fate};
use tower_redial::health::{Close, State};
use tracing::level_filters::LevelFilter;

use crate::setup::{self, fetch, only};
use crate::support::bound::within;
use crate::support::log::Log;
use crate::support::message::encode_headers;
use crate::support::{Frame, H2Conn, ScriptedServer, clients, reason};

/// G10: a response that is whole when its connection closes is whole.
#[tokio::test]
async fn a_whole_response_survives_the_close() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.respond(request.stream_id, 200, &[("content-length", "5")], "whole").await;
        conn.close().await;
    };
    let ask = fetch(&client, clients::post(server.uri("/"), "1", "body"));
    let (response, ()) = within("both sides", async { tokio::join!(ask, script) }).await;
    assert_eq!(response.unwrap(), "whole");
    assert_eq!(health.snapshot().ended[0].state, State::Closed(Close::Peer));
}

/// G11: a response's head that is read together with the reset of its stream is a response; what breaks is its body.
#[tokio::test]
async fn headers_win_over_a_reset() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        let mut bytes = BytesMut::new();
        encode_headers(request.stream_id, Some(200), [], false, &mut bytes);
        Frame::Reset { stream: request.stream_id, reason: reason::INTERNAL_ERROR }.encode(&mut bytes);
        conn.raw(bytes).await;
        conn
    };
    let ask = client.clone().oneshot(clients::post(server.uri("/"), "1", ""));
    let (response, conn) = within("both sides", async { tokio::join!(ask, script) }).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 200);
    http_body_util::BodyExt::collect(response.into_body()).await.unwrap_err();
    assert_eq!(only(&health).state, State::Open, "a stream ended, not the connection");
    drop(conn);
}

/// A transport whose shutdown never comes to an end.
struct Endless(DuplexStream);

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Endless {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// K16: TLS that waits to say goodbye to a peer that takes nothing is not waited for.
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_hangs_is_cut_short() {
    let health = ConnectionHealth::default();
    let (_peer, io) = tokio::io::duplex(64);
    let io = Mutex::new(Some(io));
    let connector = service_fn(move |_: Uri| {
        let io = io.lock().unwrap().take().expect("one connection");
        std::future::ready(Ok::<_, BoxError>(TokioIo::new(Endless(io))))
    });
    let io = health.connector(connector).oneshot(Uri::from_static("http://peer")).await.unwrap();
    let began = Instant::now();
    let error = TokioIo::new(io).shutdown().await.unwrap_err();
    assert_eq!((began.elapsed(), error.kind()), (Duration::from_secs(1), io::ErrorKind::TimedOut));
}

/// What is logged as a warning while a script runs against a watched client.
async fn warnings(script: impl AsyncFn(&mut H2Conn)) -> Vec<String> {
    let (log, _guard) = Log::listen(LevelFilter::WARN);
    let server = ScriptedServer::bind().await;
    let health = setup::quick().build();
    let client = setup::h2(&health);
    let play = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        script(&mut conn).await;
        conn.round_trip().await;
        conn.respond(request.stream_id, 200, &[], "").await;
        conn
    };
    let ask = fetch(&client, clients::get(server.uri("/"), "1"));
    let (response, _conn) = within("both sides", async { tokio::join!(ask, play) }).await;
    response.unwrap();
    log.lines()
}

/// h2 warns of the acknowledgement of a PING that it never sent; of our PING's it sees nothing.
#[tokio::test]
async fn h2_does_not_see_our_ping() {
    let ours = warnings(async |conn| {
        conn.expect_ping().await;
    })
    .await;
    assert_eq!(ours, Vec::<String>::new());
    let foreign = warnings(async |conn| conn.ping_ack(*b"whatever").await).await;
    assert!(foreign.len() == 1 && foreign[0].contains("h2"), "{foreign:?}");
}

/// Proxied, ALPN and extras reach the client as without the wrapper, and the connection's handle with them.
#[tokio::test]
async fn what_the_transport_says_of_itself_is_passed_on() {
    use hyper_util::client::legacy::connect::{Connected, Connection};
    use tower::Service;
    use tower_redial::health::Connection as Handle;

    #[derive(Clone, Debug, PartialEq)]
    struct Extra(u8);

    struct Says;

    impl Connection for Says {
        fn connected(&self) -> Connected {
            Connected::new().proxy(true).negotiated_h2().extra(Extra(7))
        }
    }

    let health = ConnectionHealth::default();
    let connector = service_fn(|_: Uri| std::future::ready(Ok::<_, BoxError>(Says)));
    let io = health.connector(connector).call(Uri::from_static("http://peer")).await.unwrap();
    let connected = io.connected();
    assert!(connected.is_proxied() && connected.is_negotiated_h2());
    let mut extras = http::Extensions::new();
    connected.get_extras(&mut extras);
    assert_eq!(extras.get::<Extra>(), Some(&Extra(7)));
    assert_eq!(extras.get::<Handle>().map(Handle::id), Some(io.connection().id()));
}

/// A transport whose end is met by a write, while what the peer said before it has come and was not read.
struct EndsInAWrite {
    tcp: TcpStream,
    ends: Arc<AtomicBool>,
    ended: bool,
}

impl EndsInAWrite {
    fn new(tcp: TcpStream, ends: &Arc<AtomicBool>) -> TokioIo<Self> {
        TokioIo::new(Self { tcp, ends: Arc::clone(ends), ended: false })
    }
}

impl AsyncRead for EndsInAWrite {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ends.load(Ordering::Relaxed) && !self.ended {
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for EndsInAWrite {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.ends.load(Ordering::Relaxed) {
            self.ended = true;
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

async fn upload<T, B>(io: T, request: Request<B>) -> Failure
where
    T: Read + Write + Send + Unpin + 'static,
    B: Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static,
{
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    Failure::of(&sender.send_request(request).await.unwrap_err(), BodyUse::Polled)
}

/// G5 at its worst moment: a GOAWAY that came together with the connection's end proves what it says, although the client meets the
/// end first. h2 by itself does not look for it.
#[tokio::test]
async fn a_failed_write_hides_no_goaway() {
    for watched in [false, true] {
        let server = ScriptedServer::bind().await;
        let health = ConnectionHealth::default();
        let ends = Arc::<AtomicBool>::default();
        let tcp = TcpStream::connect(server.addr()).await.unwrap();
        let io = EndsInAWrite::new(tcp, &ends);
        let (parts, mut rest) = mpsc::unbounded_channel();
        parts.send(Ok(Part::data("the first part".into()))).unwrap();
        let body = StreamBody::new(stream::poll_fn(move |cx| rest.poll_recv(cx)));
        let request = Request::post(server.uri("/")).body(body).unwrap();
        let failure = tokio::spawn(async move {
            if watched { upload(health.monitor(io, request.uri()), request).await } else { upload(io, request).await }
        });
        let mut conn = server.accept().await;
        let stream_id = conn.request().await.stream_id;
        conn.read_data(stream_id).await;
        conn.round_trip().await;
        ends.store(true, Ordering::Relaxed);
        conn.goaway(0, reason::NO_ERROR).await;
        parts.send(Ok(Part::data("the second".into()))).unwrap();
        let failure = within("its end", failure).await.unwrap();
        let proved = if watched { (Fate::NotProcessed, "goaway") } else { (Fate::Unknown, "closed") };
        assert_eq!((failure.fate(), failure.cause().label()), proved);
    }
}
