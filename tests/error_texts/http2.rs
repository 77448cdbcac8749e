//! What HTTP/2 has to say.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body::Frame;
use http_body_util::{Empty, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_redial::ConnectionHealth;
use tower_redial::fate::BodyUse;

use crate::seen::Seen;
use crate::support::bound::within;
use crate::support::clients::{self, http_connector, post};
use crate::support::{H2Conn, ScriptedServer, reason};
use crate::via::{Failed, Via, fail_legacy};

const QUICK: Duration = Duration::from_millis(50);

pub(crate) async fn all() -> Vec<Seen> {
    let mut seen = vec![
        goaway("a body", reason::NO_ERROR, "").await,
        goaway("", reason::NO_ERROR, "").await,
        goaway("a body", reason::NO_ERROR, "max_age").await,
        goaway("a body", reason::ENHANCE_YOUR_CALM, "too_many_pings").await,
        cut(H2Conn::half_close).await,
        reset_connection().await,
        met(async |conn, _| conn.data(7, "on a stream that nobody opened", false).await).await,
        answered_in_http1().await,
        keep_alive().await,
        watched().await,
        body_fails().await,
        handed_back_by_hyper().await,
        handed_back_by_hyper_util().await,
    ];
    for code in [
        reason::REFUSED_STREAM,
        reason::CANCEL,
        reason::INTERNAL_ERROR,
        reason::NO_ERROR,
        reason::ENHANCE_YOUR_CALM,
        reason::PROTOCOL_ERROR,
        reason::HTTP_1_1_REQUIRED,
    ] {
        seen.push(met(async |conn, stream| conn.reset(stream, code).await).await);
    }
    seen
}

/// A request with a body, that meets `step` once its head has come.
async fn met(step: impl AsyncFnOnce(&mut H2Conn, u32)) -> Seen {
    met_with("a body", step).await
}

async fn met_with(body: &'static str, step: impl AsyncFnOnce(&mut H2Conn, u32)) -> Seen {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let stream = conn.request().await.stream_id;
        step(&mut conn, stream).await;
        conn
    };
    tokio::join!(Via::Legacy2.fail(post(server.uri("/"), "1", body)), script).0.into()
}

async fn goaway(body: &'static str, code: u32, debug: &str) -> Seen {
    met_with(body, async |conn, _| conn.goaway_debug(0, code, debug).await).await
}

async fn cut(end: impl AsyncFnOnce(&mut H2Conn)) -> Seen {
    met(async |conn, _| end(conn).await).await
}

async fn reset_connection() -> Seen {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        conn.request().await;
        conn.abort();
    };
    tokio::join!(Via::Legacy2.fail(post(server.uri("/"), "1", "a body")), script).0.into()
}

/// HTTP/2 by prior knowledge that was none.
async fn answered_in_http1() -> Seen {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept_mute().await;
        conn.manual();
        conn.request().await;
        conn.raw("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        conn
    };
    tokio::join!(Via::Legacy2.fail(post(server.uri("/"), "1", "a body")), script).0.into()
}

/// A server that reads the request and is not heard of again.
async fn silent(server: &ScriptedServer) -> H2Conn {
    let mut conn = server.accept().await;
    conn.manual();
    conn.request().await;
    conn
}

async fn keep_alive() -> Seen {
    let server = ScriptedServer::bind().await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(QUICK)
        .http2_keep_alive_timeout(QUICK)
        .build(http_connector());
    let request = post(server.uri("/"), "1", "a body");
    tokio::join!(fail_legacy(&client, request), silent(&server)).0.into()
}

async fn watched() -> Seen {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder().probe_after(QUICK).probe_timeout(QUICK).dead_after(QUICK).build();
    let client = clients::builder().http2_only(true).build(health.connector(http_connector()));
    let request = post(server.uri("/"), "1", "a body");
    tokio::join!(fail_legacy(&client, request), silent(&server)).0.into()
}

async fn body_fails() -> Seen {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let stream = conn.request().await.stream_id;
        conn.expect_reset(stream).await;
    };
    let frames = [Ok(Frame::data(Bytes::from("half"))), Err(std::io::Error::other("the disk is gone"))];
    let body = StreamBody::new(futures_util::stream::iter(frames).boxed());
    let request = Request::post(server.uri("/")).body(body).unwrap();
    tokio::join!(Via::Legacy2.fail(request), script).0.into()
}

/// A connection that drains, with a stream open.
async fn draining(server: &ScriptedServer) -> H2Conn {
    let mut conn = server.accept().await;
    let open = conn.request().await.stream_id;
    conn.goaway(open, reason::NO_ERROR).await;
    conn.round_trip().await;
    conn
}

async fn handed_back_by_hyper() -> Seen {
    let server = ScriptedServer::bind().await;
    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = || Request::get(server.uri("/")).body(Empty::<Bytes>::new()).unwrap();
    let open = tokio::spawn(sender.send_request(request()));
    let _conn = draining(&server).await;
    let error = within("the request to come back", sender.send_request(request())).await.unwrap_err();
    open.abort();
    Failed::new(error, BodyUse::Untouched).into()
}

async fn handed_back_by_hyper_util() -> Seen {
    let server = ScriptedServer::bind().await;
    let client = clients::builder().http2_only(true).retry_canceled_requests(false).build(http_connector());
    let open = tokio::spawn({
        let (client, request) = (client.clone(), post(server.uri("/"), "1", ""));
        async move { fail_legacy(&client, request).await }
    });
    let _conn = draining(&server).await;
    let failed = fail_legacy(&client, post(server.uri("/"), "2", "a body")).await;
    open.abort();
    failed.into()
}
