//! The layer over hyper-util's client, against scripted HTTP/1.1 servers.

#[path = "support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use support::bodies::Lying;
use support::clients::{self, get, post};
use support::{H1Conn, Received, ScriptedServer};
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
use tower_redial::retry::Attempts;

/// Sends one request, on a connection of its own at first.
macro_rules! send {
    ($request:expr) => {
        ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(clients::h1()).oneshot($request)
    };
}

async fn take(conn: &mut H1Conn) -> (Received, Bytes) {
    let request = conn.request().await;
    let body = conn.read_body(&request).await.data;
    conn.process(&request);
    (request, body)
}

/// C5: the server closes instead of answering: it may have acted. GET and PUT are sent again, POST is not.
#[tokio::test]
async fn a_connection_closed_before_the_head_resends_what_is_idempotent() {
    for abort in [false, true] {
        for (method, resent) in [(Method::GET, true), (Method::PUT, true), (Method::POST, false)] {
            let server = ScriptedServer::bind().await;
            let script = async {
                let mut conn = server.accept_h1().await;
                take(&mut conn).await;
                if abort {
                    conn.abort();
                } else {
                    conn.close().await;
                }
                if resent {
                    let mut conn = server.accept_h1().await;
                    let (_, body) = take(&mut conn).await;
                    conn.respond(200, &[], body).await;
                }
            };
            let request = clients::request(method, server.uri("/"), "1", "a body");
            let (result, ()) = tokio::join!(send!(request), script);
            match result {
                Ok(response) => {
                    assert!(resent);
                    let attempts = response.extensions().get::<Attempts>().unwrap();
                    assert!(attempts.iter().all(|attempt| attempt.failure().cause() == Cause::Closed));
                    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a body");
                }
                Err(error) => {
                    assert!(!resent);
                    assert_eq!(Failure::of(&error, BodyUse::Polled).fate(), Fate::Unknown);
                    assert_eq!(server.ledger().times("1"), 1);
                }
            }
        }
    }
}

/// B1, B5, B10: a streamed body without a length goes out chunked on both attempts, one with a length has it on both.
#[tokio::test]
async fn a_replayed_request_is_the_same_on_the_wire() {
    for known in [true, false] {
        let server = ScriptedServer::bind().await;
        let body = if known {
            Full::new(Bytes::from("onetwo")).map_err(BoxError::from).boxed_unsync()
        } else {
            let frames = ["one", "two"].map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(text))));
            StreamBody::new(futures_util::stream::iter(frames).boxed()).boxed_unsync()
        };
        let script = async {
            let mut conn = server.accept_h1().await;
            let first = take(&mut conn).await;
            conn.close().await;
            let mut conn = server.accept_h1().await;
            let second = take(&mut conn).await;
            conn.respond(200, &[], "").await;
            (first, second)
        };
        let request = Request::put(server.uri("/path?query")).body(body).unwrap();
        let (response, (first, second)) = tokio::join!(send!(request), script);
        response.unwrap();
        assert_eq!((first.1, second.1), (Bytes::from("onetwo"), Bytes::from("onetwo")));
        assert_eq!(first.0.headers, second.0.headers);
        assert_eq!(second.0.headers.contains_key("content-length"), known);
        assert_eq!(second.0.headers.contains_key("transfer-encoding"), !known);
        assert_eq!(second.0.path, "/path?query");
    }
}

/// B9: an empty body stays without a length and without an encoding.
#[tokio::test]
async fn an_empty_body_stays_empty_on_the_wire() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept_h1().await;
        let (first, _) = take(&mut conn).await;
        conn.close().await;
        let mut conn = server.accept_h1().await;
        let (second, body) = take(&mut conn).await;
        assert!(body.is_empty());
        conn.respond(200, &[], "").await;
        (first, second)
    };
    let (response, (first, second)) = tokio::join!(send!(get(server.uri("/"), "1")), script);
    response.unwrap();
    assert_eq!(first.headers, second.headers);
    for header in ["content-length", "transfer-encoding"] {
        assert!(!second.headers.contains_key(header), "{header}");
    }
}

/// M1, G10: once the head is there, a body that breaks off is the caller's to see.
#[tokio::test]
async fn a_body_that_breaks_off_is_not_resent() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept_h1().await;
        take(&mut conn).await;
        conn.head(200, &[], 10).await;
        conn.write("half").await;
        conn.close().await;
    };
    let client = async {
        let response = send!(get(server.uri("/"), "1")).await.unwrap();
        response.into_body().collect().await.unwrap_err()
    };
    let (error, ()) = tokio::join!(client, script);
    assert!(error.is_incomplete_message() || error.source_is_eof(), "{error:?}");
    assert_eq!(server.ledger().seen("1"), 1);
}

trait SourceIsEof {
    fn source_is_eof(&self) -> bool;
}

impl SourceIsEof for hyper::Error {
    fn source_is_eof(&self) -> bool {
        let source = std::error::Error::source(self).and_then(|source| source.downcast_ref::<std::io::Error>());
        source.is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
    }
}

/// Law 5, bad input: a body that is shorter than it said ends in the client's own error and is not made whole by a resend.
#[tokio::test]
async fn a_body_that_is_shorter_than_it_said_is_not_made_whole() {
    let server = ScriptedServer::bind().await;
    let request = || Request::put(server.uri("/")).body(Lying { inner: Full::new(Bytes::from("12345")), length: 10 });
    let connections = AtomicUsize::new(0);
    let script = async {
        loop {
            let mut conn = server.accept_h1().await;
            connections.fetch_add(1, Ordering::SeqCst);
            // hyper finds out before it writes the head, or in the middle of the body.
            conn.until_closed().await;
        }
    };
    let requests = async {
        let bare = clients::h1::<Lying>().request(request().unwrap()).await.unwrap_err();
        let ours = send!(request().unwrap()).await.unwrap_err();
        (bare, ours)
    };
    let (bare, ours) = tokio::select! {
        errors = requests => errors,
        () = script => unreachable!(),
    };
    assert_eq!(format!("{ours:?}"), format!("{bare:?}"));
    assert_eq!(Failure::of(&ours, BodyUse::Polled).cause(), Cause::Request);
    assert_eq!(connections.load(Ordering::SeqCst), 2, "one each");
}

/// Row 3 of the fates: what does not speak HTTP is asked once.
#[tokio::test]
async fn garbage_is_not_asked_again() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept_h1().await;
        take(&mut conn).await;
        conn.write("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
        conn.until_closed().await;
    };
    let (result, ()) = tokio::join!(send!(get(server.uri("/"), "1")), script);
    assert_eq!(Failure::of(&result.unwrap_err(), BodyUse::Untouched).cause(), Cause::Parse);
    assert_eq!(server.ledger().seen("1"), 1);
}

/// Bad input: an upgrade is sent again only if it was not sent.
#[tokio::test]
async fn an_upgrade_is_not_resent_once_sent() {
    let server = ScriptedServer::bind().await;
    let mut request = get(server.uri("/"), "1");
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    let script = async {
        let mut conn = server.accept_h1().await;
        take(&mut conn).await;
        conn.close().await;
    };
    let (result, ()) = tokio::join!(send!(request), script);
    assert_eq!(Failure::of(&result.unwrap_err(), BodyUse::Untouched).fate(), Fate::Unknown);
    assert_eq!(server.ledger().seen("1"), 1);
}

/// An upgrade that goes well still upgrades.
#[tokio::test]
async fn an_upgrade_works_through_the_layer() {
    let server = ScriptedServer::bind().await;
    let mut request = get(server.uri("/"), "1");
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let script = async {
        let mut conn = server.accept_h1().await;
        take(&mut conn).await;
        conn.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
        let ping = conn.read_exact(4).await;
        conn.write(ping).await;
    };
    let client = async {
        let response = send!(request).await.unwrap();
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let mut io = hyper_util::rt::TokioIo::new(upgraded);
        tokio::io::AsyncWriteExt::write_all(&mut io, b"ping").await.unwrap();
        let mut echoed = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut io, &mut echoed).await.unwrap();
        echoed
    };
    let (echoed, ()) = tokio::join!(client, script);
    assert_eq!(&echoed, b"ping");
}

/// An idle connection that the server closes while the next request is on its way: POSTs that were not sent are sent
/// again, those that may have been are not, and none is processed twice. The server closes after every answer without a
/// word, so that each request races with a FIN.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_with_an_idle_close_doubles_nothing() {
    const REQUESTS: usize = 300;
    let server = ScriptedServer::bind().await;
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(clients::h1());
    let uri = server.uri("/");
    let ledger = server.ledger();
    let script = async {
        loop {
            let mut conn = server.accept_h1().await;
            tokio::spawn(async move {
                let (request, _) = take(&mut conn).await;
                conn.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nx-id: {}\r\n\r\n.", request.id)).await;
                conn.close().await;
            });
        }
    };
    let client = async {
        let mut failed = 0;
        for n in 0..REQUESTS {
            let request = post(uri.clone(), &n.to_string(), "a body");
            match service.clone().oneshot(request).await {
                Ok(response) => drop(response.into_body().collect().await.unwrap()),
                Err(error) => {
                    assert_eq!(Failure::of(&error, BodyUse::Polled).fate(), Fate::Unknown, "{error:?}");
                    failed += 1;
                }
            }
        }
        failed
    };
    let failed: usize = tokio::select! {
        failed = client => failed,
        () = script => unreachable!(),
    };
    assert_eq!(ledger.doubled(), []);
    assert!(ledger.total() as usize >= REQUESTS - failed);
}
