//! The layer over hyper-util's client, against scripted HTTP/2 servers: one script a test, frame by frame.

#[path = "support/mod.rs"]
mod support;

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use support::clients::{self, get, post};
use support::tls::Identity;
use support::{H2Conn, ScriptedServer, reason};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::body::SourceError;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
use tower_redial::retry::{Attempts, Limits};
use tower_redial::{ReplayBody, RetryOnCanceled, RetryOnCanceledLayer};

type Redial<B = Full<Bytes>> = RetryOnCanceled<Client<HttpConnector, ReplayBody<B>>>;

fn redial<B>() -> Redial<B>
where
    B: Body<Error: Into<BoxError>> + Send + Unpin,
{
    layered(RetryOnCanceledLayer::new())
}

fn layered<B>(layer: RetryOnCanceledLayer) -> Redial<B>
where
    B: Body<Error: Into<BoxError>> + Send + Unpin,
{
    ServiceBuilder::new().layer(layer).service(clients::h2())
}

async fn send<B>(mut service: Redial<B>, request: Request<B>) -> Result<Response<Incoming>, ClientError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    service.ready().await?.call(request).await
}

/// The fates of the attempts before the one that was answered.
fn fates<B>(response: &Response<B>) -> Vec<(Fate, Cause)> {
    let attempts = response.extensions().get::<Attempts>().into_iter().flat_map(Attempts::iter);
    attempts.map(|attempt| (attempt.failure().fate(), attempt.failure().cause())).collect()
}

async fn text(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

/// Takes one request, reads its body, and answers with it.
async fn echo(conn: &mut H2Conn) {
    let request = conn.request().await;
    let body = if request.end_stream { Bytes::new() } else { conn.read_body(request.stream_id).await.data };
    conn.process(&request);
    conn.respond(request.stream_id, 200, &[], body).await;
}

/// If the request is to be sent again: takes it on a new connection, which stays open as long as it is held.
async fn echo_if(resent: bool, server: &ScriptedServer) -> Option<H2Conn> {
    if !resent {
        return None;
    }
    let mut conn = server.accept().await;
    echo(&mut conn).await;
    Some(conn)
}

/// A one-shot body that is not `Clone`: its chunks come one by one, after a pause each, and are gone.
struct Once {
    chunks: std::vec::IntoIter<Bytes>,
    pause: bool,
}

fn once(chunks: usize, size: usize) -> (Once, Vec<u8>) {
    let chunks: Vec<_> = (0..chunks).map(|n| Bytes::from(vec![n as u8; size])).collect();
    let whole = chunks.concat();
    (Once { chunks: chunks.into_iter(), pause: false }, whole)
}

impl Body for Once {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.pause = !self.pause;
        if self.pause {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.chunks.next().map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// C1: refused before any processing, a POST is sent again, on the same connection, and processed once.
#[tokio::test]
async fn a_refused_post_is_resent() {
    for body in ["", "a body"] {
        let server = ScriptedServer::bind().await;
        let script = async {
            let mut conn = server.accept().await;
            let first = conn.request().await;
            conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
            echo(&mut conn).await;
            conn
        };
        let (response, _conn) = tokio::join!(send(redial(), post(server.uri("/"), "1", body)), script);
        let response = response.unwrap();
        assert_eq!(fates(&response), [(Fate::NotProcessed, Cause::Refused)]);
        assert_eq!(text(response).await, body);
        assert_eq!((server.ledger().times("1"), server.ledger().seen("1")), (1, 2));
    }
}

/// C2: a server that refuses for ever ends in its own error, after a bounded number of attempts.
#[tokio::test]
async fn a_server_that_refuses_for_ever_ends_in_its_error() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        loop {
            let request = conn.request().await;
            conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
        }
    };
    let result = tokio::select! {
        result = send(redial(), post(server.uri("/"), "1", "a body")) => result,
        () = script => unreachable!(),
    };
    let error = result.unwrap_err();
    assert_eq!(Failure::of(&error, BodyUse::Polled).cause(), Cause::Refused, "the client's own error");
    assert_eq!((server.ledger().times("1"), server.ledger().seen("1")), (0, 7));
}

/// C4: CANCEL is no proof: GET is tried again a bounded number of times, POST never.
#[tokio::test]
async fn a_canceled_stream_resends_get_only() {
    for (method, attempts) in [(Method::GET, 3), (Method::POST, 1)] {
        let server = ScriptedServer::bind().await;
        let script = async {
            let mut conn = server.accept().await;
            loop {
                let request = conn.request().await;
                conn.process(&request);
                conn.reset(request.stream_id, reason::CANCEL).await;
            }
        };
        let result = tokio::select! {
            result = send(redial(), clients::request(method, server.uri("/"), "1", "")) => result,
            () = script => unreachable!(),
        };
        result.unwrap_err();
        assert_eq!(server.ledger().times("1"), attempts);
    }
}

/// C5, C10: the connection ends with the request on it, after a GOAWAY that covered it or after none.
#[tokio::test]
async fn a_cut_connection_resends_get_only() {
    for goaway in [false, true] {
        for (method, resent) in [(Method::GET, true), (Method::PUT, true), (Method::POST, false)] {
            let server = ScriptedServer::bind().await;
            let script = async {
                let mut conn = server.accept().await;
                let request = conn.request().await;
                conn.process(&request);
                if goaway {
                    conn.goaway(request.stream_id, reason::NO_ERROR).await;
                }
                conn.close().await;
                echo_if(resent, &server).await
            };
            let request = clients::request(method, server.uri("/"), "1", "a body");
            let (result, _conn) = tokio::join!(send(redial(), request), script);
            match result {
                Ok(response) => {
                    assert!(resent);
                    assert_eq!(fates(&response), [(Fate::Unknown, Cause::Closed)]);
                    assert_eq!(text(response).await, "a body");
                }
                Err(error) => {
                    assert!(!resent);
                    assert_eq!(Failure::of(&error, BodyUse::Polled).fate(), Fate::Unknown);
                    assert_eq!((server.ledger().times("1"), server.ledger().seen("1")), (1, 1));
                }
            }
        }
    }
}

/// C8, G2: streams above the last stream id are sent again on a new connection, POST too; those at or below it end where
/// they are. A first GOAWAY of 2^31-1 fails nothing.
#[tokio::test]
async fn streams_above_the_last_stream_id_move_and_the_others_stay() {
    let server = ScriptedServer::bind().await;
    let service = redial();
    let script = async {
        let mut old = server.accept().await;
        let requests = old.requests(6).await;
        for request in &requests {
            old.read_body(request.stream_id).await;
        }
        old.goaway(i32::MAX as u32, reason::NO_ERROR).await;
        old.round_trip().await;
        let (kept, dropped) = requests.split_at(3);
        old.goaway(kept[2].stream_id, reason::NO_ERROR).await;
        let mut new = server.accept().await;
        for _ in dropped {
            echo(&mut new).await;
        }
        for request in kept {
            old.process(request);
            old.respond(request.stream_id, 200, &[], "stayed").await;
        }
        (old, new)
    };
    let requests = join_all((0..6).map(|n| send(service.clone(), post(server.uri("/"), &n.to_string(), "moved"))));
    let (responses, _conns) = tokio::join!(requests, script);
    let (mut stayed, mut moved) = (0, 0);
    for response in responses {
        let response = response.unwrap();
        match &*fates(&response) {
            [] => {
                stayed += 1;
                assert_eq!(text(response).await, "stayed");
            }
            [(Fate::NotProcessed, Cause::GoAway { .. })] => {
                moved += 1;
                assert_eq!(text(response).await, "moved");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((stayed, moved), (3, 3));
    assert_eq!(server.ledger().doubled(), []);
    assert_eq!(server.ledger().total(), 6);
}

/// C6, by hand: a GOAWAY is no proof for a POST without a body, unless the caller says that it shall be.
#[tokio::test]
async fn a_goaway_resends_an_empty_post_only_where_trusted() {
    for (method, trusted, resent) in
        [(Method::GET, false, true), (Method::POST, false, false), (Method::POST, true, true)]
    {
        let server = ScriptedServer::bind().await;
        let script = async {
            let mut old = server.accept().await;
            old.request().await;
            old.goaway(0, reason::NO_ERROR).await;
            (old, echo_if(resent, &server).await)
        };
        let request = clients::request(method, server.uri("/"), "1", "");
        let service = layered(RetryOnCanceledLayer::new().trust_goaway(trusted));
        let (result, _conns) = tokio::join!(send(service, request), script);
        assert_eq!(result.is_ok(), resent);
    }
}

/// C13: a stream reset for a protocol error is not tried again.
#[tokio::test]
async fn a_protocol_error_is_final() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.reset(request.stream_id, reason::PROTOCOL_ERROR).await;
        conn
    };
    let (result, _conn) = tokio::join!(send(redial(), get(server.uri("/"), "1")), script);
    assert_eq!(Failure::of(&result.unwrap_err(), BodyUse::Untouched).fate(), Fate::Permanent);
    assert_eq!(server.ledger().seen("1"), 1);
}

/// C14: an unanswered keep-alive ping resends GET on a new connection, and never POST.
#[tokio::test]
async fn a_silent_connection_resends_get_only() {
    let short = Duration::from_millis(50);
    for (method, resent) in [(Method::GET, true), (Method::POST, false)] {
        let server = ScriptedServer::bind().await;
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(short)
            .http2_keep_alive_timeout(short)
            .build(clients::http_connector());
        let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(client);
        let script = async {
            let mut silent = server.accept().await;
            silent.manual();
            let request = silent.request().await;
            silent.process(&request);
            (silent, echo_if(resent, &server).await)
        };
        let request = clients::request(method, server.uri("/"), "1", "");
        let (result, _conns) = tokio::join!(send(service, request), script);
        match result {
            Ok(response) => assert_eq!(fates(&response), [(Fate::Unknown, Cause::Silent)]),
            Err(_) => assert!(!resent),
        }
        assert_eq!(server.ledger().times("1"), if resent { 2 } else { 1 });
    }
}

/// C15: what hyper-util does not send again by itself (there, a request on a fresh connection; here its resends are
/// switched off) comes back and is sent again: a one-shot stream whole, since nobody had polled it.
#[tokio::test]
async fn a_request_that_came_back_is_resent_with_its_stream() {
    let server = ScriptedServer::bind().await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .retry_canceled_requests(false)
        .build(clients::http_connector());
    // With nothing recorded at all: it is the untouched body itself that is taken back.
    let layer = RetryOnCanceledLayer::new().replay_limit(0);
    let service: Redial<Once> = ServiceBuilder::new().layer(layer).service(client);
    let (held, _) = once(1, 1);
    let holding = tokio::spawn(send(service.clone(), Request::post(server.uri("/")).body(held).unwrap()));
    let mut old = server.accept().await;
    let first = old.request().await;
    old.goaway(i32::MAX as u32, reason::NO_ERROR).await;
    // The client has read the GOAWAY: hyper still takes the connection for a good one, and fails the next request.
    old.round_trip().await;

    let (body, whole) = once(100, 10_000);
    let script = async {
        let mut new = server.accept().await;
        echo(&mut new).await;
        new
    };
    let (response, _new) = tokio::join!(send(service, Request::post(server.uri("/")).body(body).unwrap()), script);
    let response = response.unwrap();
    assert_eq!(fates(&response), [(Fate::NotSent, Cause::HandedBack)]);
    assert!(text(response).await == whole, "a megabyte, resent without a buffer");
    old.respond(first.stream_id, 200, &[], "").await;
    holding.await.unwrap().unwrap();
}

/// B2, B11: a one-shot stream that was refused half-way is replayed and goes on where the source is; beyond the limit the
/// first attempt is sent all the same, and its error is the client's own.
#[tokio::test]
async fn a_refused_stream_is_replayed_within_the_limit() {
    for (limit, resent) in [(64 * 1024, true), (5_000, false)] {
        let server = ScriptedServer::bind().await;
        let (body, whole) = once(20, 1_000);
        let script = async {
            let mut conn = server.accept().await;
            let first = conn.request().await;
            let mut read = 0;
            while read < 7_000 {
                read += conn.read_data(first.stream_id).await.0.len();
            }
            conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
            if resent {
                echo(&mut conn).await;
            }
            conn
        };
        let service = layered(RetryOnCanceledLayer::new().replay_limit(limit));
        let request = Request::post(server.uri("/")).body(body).unwrap();
        let (result, _conn) = tokio::join!(send(service, request), script);
        if resent {
            assert!(text(result.unwrap()).await == whole);
        } else {
            let error = result.unwrap_err();
            assert_eq!(Failure::of(&error, BodyUse::Polled).cause(), Cause::Refused, "the inner error, unchanged");
        }
    }
}

/// B1, B5, B10: a replayed request is the same on the wire: its content-length or none, its data, its trailers.
#[tokio::test]
async fn a_replayed_request_is_the_same_on_the_wire() {
    let trailers = || http::HeaderMap::from_iter([("x-checksum".parse().unwrap(), "42".parse().unwrap())]);
    for known in [true, false] {
        let server = ScriptedServer::bind().await;
        let request = Request::post(server.uri("/path?query")).header("x-signed", "yes");
        let frames = [Frame::data(Bytes::from("one")), Frame::data(Bytes::from("two")), Frame::trailers(trailers())];
        let body = if known {
            Full::new(Bytes::from("onetwo")).map_err(BoxError::from).boxed()
        } else {
            let frames = frames.map(Ok::<_, BoxError>);
            BodyExt::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(frames)))
        };
        let script = async {
            let mut conn = server.accept().await;
            let mut seen = Vec::new();
            for attempt in 0..2 {
                let request = conn.request().await;
                let body = conn.read_body(request.stream_id).await;
                if attempt == 0 {
                    conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
                } else {
                    conn.respond(request.stream_id, 200, &[], "").await;
                }
                seen.push((request.method, request.path, request.headers, body.data, body.trailers));
            }
            (conn, seen)
        };
        let (response, (_conn, seen)) = tokio::join!(send(redial(), request.body(body).unwrap()), script);
        response.unwrap();
        assert_eq!(seen[0], seen[1]);
        let (_, path, headers, data, seen_trailers) = &seen[1];
        assert_eq!((path.as_str(), &**data), ("/path?query", &b"onetwo"[..]));
        assert_eq!(headers.get("content-length").map(http::HeaderValue::as_bytes), known.then_some(&b"6"[..]));
        assert_eq!(*seen_trailers, if known { http::HeaderMap::new() } else { trailers() });
    }
}

/// B6, B15, M1: once the response's head is there nothing is resent; the request's body goes on, both ways at once.
#[tokio::test]
async fn a_response_before_the_end_of_the_request_is_left_in_peace() {
    let server = ScriptedServer::bind().await;
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(4);
    let request = Request::put(server.uri("/")).body(body).unwrap();
    sender.send_data(Bytes::from("before")).await.unwrap();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.read_data(request.stream_id).await;
        conn.head(request.stream_id, 200, &[]).await;
        conn.data(request.stream_id, "early", false).await;
        let after = conn.read_data(request.stream_id).await;
        assert_eq!(after.0, "after");
        conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
        conn
    };
    let client = async {
        let mut response = send(redial(), request).await.unwrap();
        assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "early");
        sender.send_data(Bytes::from("after")).await.unwrap();
        response.into_body().collect().await.expect_err("the caller's to see, whatever it would have proved before");
    };
    let (_conn, ()) = tokio::join!(script, client);
    assert_eq!(server.ledger().total_seen(), 1, "the script saw one request only");
}

/// M5: an interim response is no commitment and no proof.
#[tokio::test]
async fn an_interim_response_commits_to_nothing() {
    for (method, resent) in [(Method::GET, true), (Method::POST, false)] {
        let server = ScriptedServer::bind().await;
        let script = async {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            conn.head(request.stream_id, 103, &[("link", "</a.css>")]).await;
            conn.close().await;
            echo_if(resent, &server).await
        };
        let request = clients::request(method, server.uri("/"), "1", "");
        let (result, _conn) = tokio::join!(send(redial(), request), script);
        assert_eq!(result.is_ok(), resent);
    }
}

/// M3: a response is a response, whatever its status: it comes as it is, after one attempt.
#[tokio::test]
async fn a_status_is_not_a_failure() {
    for status in [408, 421, 425, 429, 500, 503] {
        let server = ScriptedServer::bind().await;
        let script = async {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            conn.respond(request.stream_id, status, &[("retry-after", "1")], "busy").await;
            conn
        };
        let (response, _conn) = tokio::join!(send(redial(), get(server.uri("/"), "1")), script);
        let response = response.unwrap();
        assert_eq!(response.status(), status);
        assert!(fates(&response).is_empty());
        assert_eq!(text(response).await, "busy");
        assert_eq!(server.ledger().seen("1"), 1);
    }
}

/// C18: a body that fails half-way ends in the client's own error, once; the event still knows the body's, which HTTP/2
/// does not tell.
#[tokio::test]
async fn a_failing_body_is_not_resent() {
    let server = ScriptedServer::bind().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let layer = RetryOnCanceledLayer::new().on_retry(move |event| {
        let error = event.body_error().map(|error: &SourceError| error.get_ref().to_string());
        told.lock().unwrap().push((event.failure().cause(), error));
    });
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(4);
    sender.send_data(Bytes::from("half")).await.unwrap();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.read_data(request.stream_id).await;
        sender.abort("the disk is gone".into());
        conn.expect_reset(request.stream_id).await;
        conn
    };
    let client = async {
        let request = Request::put(server.uri("/")).body(body).unwrap();
        send(layered(layer), request).await.unwrap_err()
    };
    let (_conn, error) = tokio::join!(script, client);
    assert!(!error.is_connect());
    assert_eq!(*seen.lock().unwrap(), [(Cause::Body, Some("the disk is gone".to_owned()))]);
}

/// C19: what our own HTTP/2 library found wrong is tried once more for GET, and never for POST.
#[tokio::test]
async fn a_local_error_is_resent_once() {
    for (method, attempts) in [(Method::GET, 2), (Method::POST, 1)] {
        let server = ScriptedServer::bind().await;
        let script = async {
            loop {
                let mut conn = server.accept().await;
                let request = conn.request().await;
                conn.process(&request);
                conn.data(request.stream_id + 100, "out of nowhere", false).await;
                conn.until_closed().await;
            }
        };
        let result = tokio::select! {
            result = send(redial(), clients::request(method, server.uri("/"), "1", "")) => result,
            () = script => unreachable!(),
        };
        result.unwrap_err();
        assert_eq!(server.ledger().times("1"), attempts);
    }
}

/// C21: a connect that fails and then does not; the request is a POST all the same.
#[tokio::test]
async fn a_failed_connect_is_resent() {
    let server = ScriptedServer::bind().await;
    let dials = Arc::new(AtomicUsize::new(0));
    let dialed = Arc::clone(&dials);
    let connector = tower::service_fn(move |uri: http::Uri| {
        let first = dialed.fetch_add(1, Ordering::SeqCst) == 0;
        let connect = clients::http_connector().oneshot(uri);
        Box::pin(async move {
            if first {
                return Err(BoxError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
            }
            connect.await.map_err(BoxError::from)
        })
    });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let mut service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(client);
    let script = async {
        let mut conn = server.accept().await;
        echo(&mut conn).await;
        conn
    };
    let request = async { service.ready().await?.call(post(server.uri("/"), "1", "a body")).await };
    let (response, _conn) = tokio::join!(request, script);
    assert_eq!(fates(&response.unwrap()), [(Fate::NotSent, Cause::Connect)]);
    assert_eq!(dials.load(Ordering::SeqCst), 2);
}

/// C21: a certificate that nobody vouches for is dialed once.
#[tokio::test]
async fn a_certificate_failure_is_not_resent() {
    let server = ScriptedServer::bind_tls().await;
    let client = clients::https(&Identity::new());
    let mut service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(client);
    let dials = AtomicUsize::new(0);
    let script = async {
        loop {
            let tcp = server.accept_tcp().await;
            dials.fetch_add(1, Ordering::SeqCst);
            let _ = support::Socket::accept_tls(tcp, server.identity(), &[support::tls::H2]).await;
        }
    };
    let request = async { service.ready().await?.call(post(server.uri("/"), "1", "a body")).await };
    let error = tokio::select! {
        result = request => result.unwrap_err(),
        () = script => unreachable!(),
    };
    assert!(error.is_connect());
    assert_eq!(dials.load(Ordering::SeqCst), 1);
}

/// C16: a request that waits behind the peer's stream limit fails as "dispatch task is gone" when the connection goes.
/// That proves nothing: GET is sent again, POST is not, and neither counts as the caller's own error.
#[tokio::test]
async fn a_request_behind_the_stream_limit_resends_get_only() {
    for (method, resent) in [(Method::GET, true), (Method::POST, false)] {
        let server = ScriptedServer::bind().await;
        let service = redial();
        let holding = tokio::spawn(send(service.clone(), post(server.uri("/"), "holding", "")));
        let mut old = server.accept_with(&[(support::setting::MAX_CONCURRENT_STREAMS, 1)]).await;
        old.request().await;
        old.round_trip().await;
        let waiting = clients::request(method, server.uri("/"), "waiting", "");
        let mut waiting = Box::pin(send(service, waiting));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        // The client has had every chance to send it.
        old.round_trip().await;
        assert_eq!(server.ledger().seen("waiting"), 0);
        let script = async {
            old.close().await;
            echo_if(resent, &server).await
        };
        let (result, _conn) = tokio::join!(waiting, script);
        match result {
            Ok(response) => {
                assert!(resent);
                let [(fate, _)] = *fates(&response) else { panic!("{:?}", fates(&response)) };
                assert!(matches!(fate, Fate::Unknown | Fate::NotSent));
            }
            Err(error) => {
                assert!(!resent, "{error:?}");
                assert_eq!(Failure::of(&error, BodyUse::Untouched).fate(), Fate::Unknown);
            }
        }
        holding.await.unwrap().unwrap_err();
    }
}

/// T7: two layers, one above the other, do not multiply their attempts: seven by the inner one for the first of the
/// outer one's, then one each for the outer one's six resends.
#[tokio::test]
async fn nested_layers_do_not_multiply() {
    let server = ScriptedServer::bind().await;
    let quick = || RetryOnCanceledLayer::new().transparent(Limits::transparent().without_budget());
    let client = clients::h2::<ReplayBody<ReplayBody<Full<Bytes>>>>();
    let mut service = ServiceBuilder::new().layer(quick()).layer(quick()).service(client);
    let script = async {
        let mut conn = server.accept().await;
        loop {
            let request = conn.request().await;
            conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
        }
    };
    let request = async { service.ready().await?.call(post(server.uri("/"), "1", "a body")).await };
    tokio::select! {
        result = request => result.unwrap_err(),
        () = script => unreachable!(),
    };
    assert_eq!(server.ledger().seen("1"), 7 + 6);
}

/// Bad input: a request that the client will not send comes back as the client's own error, at once, and is not tried
/// again.
#[tokio::test]
async fn a_bad_request_ends_in_the_clients_own_error() {
    let relative = post("/no/authority".parse().unwrap(), "1", "a body");
    let mut ancient = post("http://127.0.0.1:1/".parse().unwrap(), "1", "a body");
    *ancient.version_mut() = http::Version::HTTP_09;
    for request in [relative, ancient] {
        let bare = clients::h2::<Full<Bytes>>().request(request.clone()).await.unwrap_err();
        let error = send(redial(), request).await.unwrap_err();
        assert_eq!(format!("{error:?}"), format!("{bare:?}"));
        assert_eq!(error.source().map(ToString::to_string), bare.source().map(ToString::to_string));
    }
}

/// Bad input: a `Content-Length` that lies is the client's to notice, with the layer or without.
#[tokio::test]
async fn a_lying_content_length_changes_nothing() {
    for length in ["3", "100"] {
        let server = ScriptedServer::bind().await;
        let request = || {
            let mut request = post(server.uri("/"), "1", "a body");
            request.headers_mut().insert("content-length", length.parse().unwrap());
            request
        };
        let script = async || {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            assert_eq!(request.headers["content-length"], length);
            let body = conn.read_body(request.stream_id).await.data;
            // What a server makes of it: malformed (RFC 9113, section 8.1.1).
            conn.reset(request.stream_id, reason::PROTOCOL_ERROR).await;
            (conn, body)
        };
        let bare = clients::h2::<Full<Bytes>>();
        let (bare, (_conn, bare_body)) = tokio::join!(bare.request(request()), script());
        let (ours, (_conn, our_body)) = tokio::join!(send(redial(), request()), script());
        assert_eq!(bare_body, our_body);
        assert_eq!(format!("{:?}", bare.unwrap_err()), format!("{:?}", ours.unwrap_err()));
        assert_eq!(server.ledger().seen("1"), 2, "once each");
    }
}

/// Bad input: CONNECT is sent again only if it was not sent; refused, it goes to the caller.
#[tokio::test]
async fn a_connect_request_is_not_resent_once_sent() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        assert_eq!(request.method, Method::CONNECT);
        conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
        conn
    };
    let request = Request::connect(server.addr().to_string()).body(Full::new(Bytes::new())).unwrap();
    let (result, _conn) = tokio::join!(send(redial(), request), script);
    let failure = Failure::of(&result.unwrap_err(), BodyUse::Untouched);
    assert_eq!((failure.fate(), failure.cause()), (Fate::NotProcessed, Cause::Refused));
}

/// W7: a request that is dropped is canceled on the wire, once, as the bare client does it: no server counts it as a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_is_canceled_on_the_wire() {
    let server = ScriptedServer::bind().await;
    let service = redial();
    let warm_up = tokio::spawn(send(service.clone(), Request::post(server.uri("/")).body(pending_body()).unwrap()));
    let mut conn = server.accept().await;
    conn.request().await;
    for _ in 0..100 {
        let request = Request::post(server.uri("/")).body(pending_body()).unwrap();
        let dropped = tokio::spawn(send(service.clone(), request));
        let request = conn.request().await;
        conn.read_data(request.stream_id).await;
        dropped.abort();
        assert_eq!(conn.expect_reset(request.stream_id).await, reason::CANCEL);
    }
    warm_up.abort();
}

/// A body that gives a little and then nothing more.
fn pending_body() -> impl Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static {
    let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from("first")))]);
    http_body_util::StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
}

/// S3, X5: what the client adds to one attempt's head is not in the next; a request is given its own version again.
#[tokio::test]
async fn each_attempt_starts_from_the_callers_head() {
    let server = ScriptedServer::bind().await;
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let client = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new())
        .map_request(move |request: Request<ReplayBody<Full<Bytes>>>| {
            seen.lock().unwrap().push((request.uri().clone(), request.version(), request.headers().clone()));
            request
        })
        .service(clients::h2());
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
        echo(&mut conn).await;
        conn
    };
    let (response, _conn) = tokio::join!(client.oneshot(post(server.uri("/"), "1", "a body")), script);
    response.unwrap();
    let heads = heads.lock().unwrap();
    assert_eq!(heads[0], heads[1]);
}
