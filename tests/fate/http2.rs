//! Rows that an HTTP/2 frame, or its absence, makes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Uri};
use http_body::Frame;
use http_body_util::{Empty, Full, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_redial::ReplayBody;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate, Reason};

use crate::support::clients::{get, http_connector, post};
use crate::support::{H2Conn, Received, ScriptedServer, reason};
use crate::via::{Failed, HTTP2, Via, fail, fail_legacy};

/// Sends a request to a server that does `step` once the request's head has come.
async fn fail_by<B>(
    via: Via,
    request: impl FnOnce(Uri) -> Request<B>,
    step: impl AsyncFnOnce(&mut H2Conn, Received),
) -> Failed
where
    B: http_body::Body<Error: Into<tower::BoxError>> + Send + Unpin + 'static,
{
    let server = ScriptedServer::bind().await;
    let request = request(server.uri("/"));
    let script = async {
        let mut conn = server.accept().await;
        let received = conn.request().await;
        step(&mut conn, received).await;
        conn
    };
    tokio::join!(via.fail(request), script).0
}

fn empty_post(uri: Uri) -> Request<Full<Bytes>> {
    post(uri, "1", "")
}

fn full_post(uri: Uri) -> Request<Full<Bytes>> {
    post(uri, "1", "a body")
}

/// Row 7 (X1): whether by reset or by GOAWAY, HTTP/2 will not do.
#[tokio::test]
async fn http_1_1_required_is_permanent() {
    for via in HTTP2 {
        let failed = fail_by(via, full_post, async |conn, request| {
            conn.reset(request.stream_id, reason::HTTP_1_1_REQUIRED).await;
        });
        failed.await.is(Fate::Permanent, Cause::Http11Required).connection_is_dead(true);
        let failed = fail_by(via, full_post, async |conn, _| conn.goaway(0, reason::HTTP_1_1_REQUIRED).await);
        failed.await.is(Fate::Permanent, Cause::Http11Required).connection_is_dead(true);
    }
}

/// Row 8 (C1): the server's word that it did nothing; the connection may be used again.
#[tokio::test]
async fn refused_stream_is_not_processed() {
    for via in HTTP2 {
        for request in [empty_post, full_post] {
            let failed = fail_by(via, request, async |conn, request| {
                conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
            });
            failed.await.is(Fate::NotProcessed, Cause::Refused).connection_is_dead(false);
        }
    }
}

/// C20: when this fails, hyper and this crate no longer use the same major version of h2, and every row that rests on a
/// frame is blind. Bring `h2` in `Cargo.toml` to hyper's version.
#[tokio::test]
async fn canary_hypers_errors_are_made_of_our_h2() {
    let failed = fail_by(Via::Conn2, empty_post, async |conn, request| {
        conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
    });
    let error = failed.await.error;
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    assert!(h2.is_some_and(|error| error.is_reset() && error.is_remote()), "{error:?}");
}

/// Row 9 (C8): above the last stream id with its body polled, the request was not processed, whatever the code.
#[tokio::test]
async fn a_goaway_after_the_body_was_polled_is_not_processed() {
    for via in HTTP2 {
        for code in [reason::NO_ERROR, reason::PROTOCOL_ERROR, reason::INTERNAL_ERROR, reason::ENHANCE_YOUR_CALM] {
            let failed = fail_by(via, full_post, async |conn, _| conn.goaway(0, code).await).await;
            assert_eq!(failed.body, BodyUse::Polled);
            let cause = Cause::GoAway { reason: Reason::from_code(code) };
            failed.is(Fate::NotProcessed, cause).connection_is_dead(true);
        }
    }
}

/// Row 10: without a body to have been polled, a GOAWAY proves nothing.
#[tokio::test]
async fn a_goaway_for_an_empty_body_is_unknown() {
    for via in HTTP2 {
        let failed = fail_by(via, empty_post, async |conn, _| conn.goaway(0, reason::NO_ERROR).await).await;
        assert_eq!(failed.body, BodyUse::Untouched);
        failed.is(Fate::Unknown, Cause::GoAway { reason: Reason::NO_ERROR }).connection_is_dead(true);
    }
}

/// Row 11 (C4): resets that another attempt may fare better after, one with a code that nobody registered among them.
#[tokio::test]
async fn other_resets_are_unknown() {
    for via in HTTP2 {
        for code in [reason::NO_ERROR, reason::INTERNAL_ERROR, reason::CANCEL, reason::ENHANCE_YOUR_CALM, 0xbeef] {
            let failed = fail_by(via, full_post, async |conn, request| conn.reset(request.stream_id, code).await);
            let cause = Cause::Reset { reason: Reason::from_code(code) };
            failed.await.is(Fate::Unknown, cause).connection_is_dead(false);
        }
    }
}

/// Row 12 (C13): resets after which the connection is not to be trusted, nor another attempt.
#[tokio::test]
async fn resets_for_protocol_errors_are_permanent() {
    for via in HTTP2 {
        for code in [reason::PROTOCOL_ERROR, 0x3, 0x5, 0x6, 0x9, 0xa, 0xc] {
            let failed = fail_by(via, full_post, async |conn, request| conn.reset(request.stream_id, code).await);
            let cause = Cause::Reset { reason: Reason::from_code(code) };
            failed.await.is(Fate::Permanent, cause).connection_is_dead(true);
        }
    }
}

/// Row 13 (C19): what h2 found wrong by itself is no proof, told apart from what the peer sent, and helps once at most.
#[tokio::test]
async fn what_our_side_found_wrong_is_unknown() {
    for via in HTTP2 {
        let failed = fail_by(via, full_post, async |conn, _| {
            // A frame on a stream that nobody opened.
            conn.data(7, "out of nowhere", false).await;
        });
        let failed = failed.await.is(Fate::Unknown, Cause::Local { reason: Reason::PROTOCOL_ERROR });
        assert!(failed.failure.at_most_once());
        failed.connection_is_dead(true);
        let failed = fail_by(via, full_post, async |conn, request| {
            // A length that the stream does not have: an error of this one stream.
            conn.respond(request.stream_id, 200, &[("content-length", "5")], "").await;
        });
        let failed = failed.await.is(Fate::Unknown, Cause::Local { reason: Reason::PROTOCOL_ERROR });
        failed.connection_is_dead(true);
    }
}

/// Row 14 (C14): an unanswered ping says that the connection is gone, not what the server did.
#[tokio::test]
async fn a_silent_connection_is_unknown() {
    let short = Duration::from_millis(50);
    let server = ScriptedServer::bind().await;
    let silent = async || {
        let mut conn = server.accept().await;
        conn.manual();
        conn.request().await;
        conn
    };

    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(short)
        .http2_keep_alive_timeout(short)
        .build(http_connector());
    let (failed, _conn) = tokio::join!(fail_legacy(&client, full_post(server.uri("/"))), silent());
    failed.is(Fate::Unknown, Cause::Silent).connection_is_dead(true);

    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(short)
        .keep_alive_timeout(short)
        .handshake(TokioIo::new(tcp));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let (failed, _conn) =
        tokio::join!(fail(full_post(server.uri("/")), async |request| sender.send_request(request).await), silent());
    failed.is(Fate::Unknown, Cause::Silent).connection_is_dead(true);
}

/// Row 16 (C5, C10): a connection that ends with the request on it proves nothing, by FIN or by reset, and no more if a
/// GOAWAY that covered the stream came first.
#[tokio::test]
async fn a_connection_that_ends_is_unknown() {
    for via in HTTP2 {
        for request in [empty_post, full_post] {
            for (goaway, abort) in [(false, false), (false, true), (true, false)] {
                let server = ScriptedServer::bind().await;
                let script = async {
                    let mut conn = server.accept().await;
                    let received = conn.request().await;
                    if goaway {
                        conn.goaway(received.stream_id, reason::NO_ERROR).await;
                    }
                    if abort { conn.abort() } else { conn.close().await }
                };
                let (failed, ()) = tokio::join!(via.fail(request(server.uri("/"))), script);
                failed.is(Fate::Unknown, Cause::Closed).connection_is_dead(true);
            }
        }
    }
}

/// Rows 5 and 16: a connection that is closed as soon as it is made. Whether the request was on it by then is a race, and
/// either way the fate says which.
#[tokio::test]
async fn a_connection_closed_before_settings_is_told_by_where_the_request_was() {
    for via in HTTP2 {
        let server = ScriptedServer::bind().await;
        let script = async { drop(server.accept_tcp().await) };
        let (failed, ()) = tokio::join!(via.fail(full_post(server.uri("/"))), script);
        let told = (failed.failure.fate(), failed.failure.cause());
        let possible = [(Fate::Unknown, Cause::Closed), (Fate::NotSent, Cause::HandedBack)];
        assert!(possible.contains(&told), "{failed:?}");
    }
}

/// Row 5 (C15): on a connection that drains, a request comes back unsent, through `send_request` as an error, through
/// `try_send_request` with the request in it. hyper-util resends it by itself unless that is switched off.
#[tokio::test]
async fn a_request_that_came_back_was_not_sent() {
    let server = ScriptedServer::bind().await;
    let draining = async || {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        conn.goaway(i32::MAX as u32, reason::NO_ERROR).await;
        // Once its answer is here the client has read the GOAWAY.
        conn.round_trip().await;
        (conn, first)
    };

    let client: Client<_, ReplayBody<Full<Bytes>>> =
        Client::builder(TokioExecutor::new()).http2_only(true).retry_canceled_requests(false).build(http_connector());
    let first = tokio::spawn({
        let client = client.clone();
        let request = full_post(server.uri("/"));
        async move { fail(request, async |request| client.request(request).await).await }
    });
    let (conn, _) = draining().await;
    fail_legacy(&client, full_post(server.uri("/")))
        .await
        .is(Fate::NotSent, Cause::HandedBack)
        .connection_is_dead(false);
    conn.abort();
    first.await.unwrap().is(Fate::Unknown, Cause::Closed);

    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(TcpStream::connect(server.addr()).await.unwrap()),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let request = || Request::post(server.uri("/")).body(Empty::new()).unwrap();
    let mut other = sender.clone();
    let first = tokio::spawn(async move { other.send_request(request_to("http://host/")).await });
    let (conn, _) = draining().await;
    let error = sender.try_send_request(request()).await.unwrap_err();
    assert!(error.message().is_some());
    let failure = Failure::of_try_send(&error, BodyUse::Untouched);
    assert_eq!((failure.fate(), failure.cause()), (Fate::NotSent, Cause::HandedBack));
    let error = sender.send_request(request()).await.unwrap_err();
    Failed::new(error, BodyUse::Untouched).is(Fate::NotSent, Cause::HandedBack);
    conn.abort();
    let error = first.await.unwrap().unwrap_err();
    Failed::new(error, BodyUse::Untouched).is(Fate::Unknown, Cause::Closed);
}

fn request_to(uri: &'static str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

/// Row 5: an error of `try_send_request` that does not hold the request is what the error inside is.
#[tokio::test]
async fn a_request_that_did_not_come_back_is_read_like_any_other() {
    let server = ScriptedServer::bind().await;
    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
        conn
    };
    let (result, _conn) = tokio::join!(sender.try_send_request(get(server.uri("/"), "1")), script);
    let failure = Failure::of_try_send(&result.unwrap_err(), BodyUse::Untouched);
    assert_eq!((failure.fate(), failure.cause()), (Fate::NotProcessed, Cause::Refused));
}

/// Row 1 (C18): a body that fails half-way is the caller's trouble. h2 drops its error: only the body tells.
#[tokio::test]
async fn a_body_that_fails_is_permanent() {
    for via in HTTP2 {
        let failed = fail_by(via, failing_post, async |conn, request| {
            conn.expect_reset(request.stream_id).await;
        });
        let failed = failed.await.is(Fate::Permanent, Cause::Body);
        assert_eq!(failed.body, BodyUse::Failed);
    }
}

pub(crate) fn failing_post(
    uri: Uri,
) -> Request<impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + Unpin + 'static> {
    let frames = [Ok(Frame::data(Bytes::from("half"))), Err(std::io::Error::other("the disk is gone"))];
    let body = StreamBody::new(futures_util::stream::iter(frames).boxed());
    Request::post(uri).body(body).unwrap()
}

/// Row 1: a body that comes from another connection carries that connection's errors. They are not this one's.
#[tokio::test]
async fn an_error_inside_the_body_is_not_about_this_connection() {
    let other = ScriptedServer::bind().await;
    for via in [HTTP2, crate::via::HTTP1].concat() {
        let server = ScriptedServer::bind().await;
        let (failed, _conn) = tokio::join!(Via::Conn2.fail(get(other.uri("/"), "other")), async {
            let mut conn = other.accept().await;
            let request = conn.request().await;
            conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
            conn
        });
        let error = failed.is(Fate::NotProcessed, Cause::Refused).error;
        let frames = [Ok(Frame::data(Bytes::from("half"))), Err(error)];
        let body = StreamBody::new(futures_util::stream::iter(frames).boxed());
        let request = Request::post(server.uri("/")).body(body).unwrap();
        let script = async {
            if matches!(via, Via::Legacy1 | Via::Conn1) {
                server.accept_h1().await.until_closed().await;
            } else {
                let mut conn = server.accept().await;
                let request = conn.request().await;
                conn.expect_reset(request.stream_id).await;
            }
        };
        let (failed, ()) = tokio::join!(via.fail(request), script);
        failed.is(Fate::Permanent, Cause::Body);
    }
}

/// Row 2: requests that HTTP/2 cannot carry.
#[tokio::test]
async fn a_request_that_cannot_be_sent_is_permanent() {
    let server = ScriptedServer::bind().await;
    let connect_with_body = Request::connect(server.addr().to_string())
        .header("content-length", "6")
        .body(Full::new(Bytes::from("a body")));
    let (failed, _conn) = tokio::join!(Via::Conn2.fail(connect_with_body.unwrap()), server.accept());
    failed.is(Fate::Permanent, Cause::Request).connection_is_dead(false);
}
