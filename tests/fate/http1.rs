//! Rows that an HTTP/1.1 server makes.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};

use crate::http2::failing_post;
use crate::support::clients::post;
use crate::support::{H1Conn, ScriptedServer};
use crate::via::{Failed, HTTP1, Via};

async fn fail_by(via: Via, step: impl AsyncFnOnce(H1Conn)) -> Failed {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept_h1().await;
        conn.request().await;
        step(conn).await;
    };
    tokio::join!(via.fail(post(server.uri("/"), "1", "a body")), script).0
}

/// Row 16 (C5, M5): closed or reset before, or in the middle of, the response's head; an interim response commits to
/// nothing.
#[tokio::test]
async fn a_connection_that_ends_is_unknown() {
    for via in HTTP1 {
        fail_by(via, async |conn| conn.close().await).await.is(Fate::Unknown, Cause::Closed).connection_is_dead(true);
        fail_by(via, async |conn| conn.abort()).await.is(Fate::Unknown, Cause::Closed).connection_is_dead(true);
        for bytes in ["HTTP/1.1 200 O", "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"] {
            let failed = fail_by(via, async |mut conn| {
                conn.write(bytes).await;
                conn.close().await;
            });
            failed.await.is(Fate::Unknown, Cause::Closed).connection_is_dead(true);
        }
    }
}

/// Row 3: what is not HTTP is not sent a second request.
#[tokio::test]
async fn garbage_is_permanent() {
    for via in HTTP1 {
        for bytes in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n"] {
            let failed = fail_by(via, async |mut conn| {
                conn.write(bytes).await;
                conn.until_closed().await;
            });
            failed.await.is(Fate::Permanent, Cause::Parse).connection_is_dead(true);
        }
    }
}

/// Row 1 (C18): a body that fails half-way; hyper's HTTP/1 has its error in the chain.
#[tokio::test]
async fn a_body_that_fails_is_permanent() {
    for via in HTTP1 {
        let server = ScriptedServer::bind().await;
        // hyper asks for the body before it writes the head.
        let script = async { server.accept_h1().await.until_closed().await };
        let (failed, _) = tokio::join!(via.fail(failing_post(server.uri("/"))), script);
        let failed = failed.is(Fate::Permanent, Cause::Body);
        let mut chain =
            std::iter::successors(Some(&*failed.error as &(dyn std::error::Error + 'static)), |e| e.source());
        assert!(chain.any(|error| error.to_string() == "the disk is gone"), "the caller's own error is in the chain");
    }
}

/// Row 5: on a connection that the server closed while it was idle, the request comes back. Through hyper-util's client
/// that needs a race which it mostly wins by itself: `tests/retry_http1.rs` has it under load.
#[tokio::test]
async fn a_request_on_a_closed_connection_was_not_sent() {
    for garbage in [false, true] {
        let server = ScriptedServer::bind().await;
        let tcp = TcpStream::connect(server.addr()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(tcp)).await.unwrap();
        let mut conn = server.accept_h1().await;
        if garbage {
            conn.write("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n").await;
        }
        let _ = tokio::join!(connection, conn.close());

        let request = || Request::post("/").header("host", "host").body(Full::new(Bytes::from("a body"))).unwrap();
        let error = sender.send_request(request()).await.unwrap_err();
        Failed::new(error, BodyUse::Untouched).is(Fate::NotSent, Cause::HandedBack).connection_is_dead(false);
        let error = sender.try_send_request(request()).await.unwrap_err();
        let failure = Failure::of_try_send(&error, BodyUse::Untouched);
        assert_eq!((failure.fate(), failure.cause()), (Fate::NotSent, Cause::HandedBack));
    }
}

/// Row 16: hyper's `ChannelClosed`, which only readiness gives.
#[tokio::test]
async fn a_closed_channel_is_unknown() {
    let server = ScriptedServer::bind().await;
    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(tcp)).await.unwrap();
    let conn = server.accept_h1().await;
    let _ = tokio::join!(connection, conn.close());
    let error = sender.ready().await.unwrap_err();
    assert!(error.is_closed());
    Failed::new(error, BodyUse::Untouched).is(Fate::Unknown, Cause::Closed).connection_is_dead(true);
}
