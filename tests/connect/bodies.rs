//! Bodies in both directions.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Channel, Full, StreamBody};
use tower::{Service, ServiceExt};
use tower_redial::ConnectionHealth;
use tower_redial::connect::{Error, Http2Settings};
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};

use crate::setup::{self, Connection, text, verdict};
use crate::support::bound::within;
use crate::support::{H2Conn, Received, ScriptedServer, clients, reason, setting};

/// Both bodies go their way at once, with trailers at the end of each; the rest of the request's after the response began.
#[tokio::test]
async fn bodies_stream_both_ways() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection<Channel<Bytes>>, _) = setup::pair(&server).await;
    let (mut up, body) = Channel::<Bytes>::new(1);
    let request = Request::post(server.uri("/")).body(body).unwrap();
    let client = async {
        let response = connection.ready().await.unwrap().call(request);
        up.send_data("one".into()).await.unwrap();
        let mut down = response.await.unwrap().into_body();
        for (n, expected) in ["first", "second"].into_iter().enumerate() {
            assert_eq!(down.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
            up.send_data(["two", "three"][n].into()).await.unwrap();
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-up", HeaderValue::from_static("done"));
        up.send_trailers(trailers).await.unwrap();
        drop(up);
        assert_eq!(down.frame().await.unwrap().unwrap().into_trailers().unwrap()["x-down"], "done");
        assert!(down.frame().await.is_none() && down.is_end_stream());
    };
    let script = async {
        let received = conn.request().await;
        assert!(!received.headers.contains_key("content-length"));
        assert_eq!(conn.read_data(1).await.0, "one");
        conn.head(1, 200, &[]).await;
        conn.data(1, "first", false).await;
        assert_eq!(conn.read_data(1).await.0, "two");
        conn.data(1, "second", false).await;
        let rest = conn.read_body(1).await;
        assert_eq!((&rest.data[..], rest.trailers["x-up"].to_str().unwrap()), (&b"three"[..], "done"));
        conn.trailers(1, &[("x-down", "done")]).await;
    };
    within("both sides", async { tokio::join!(client, script) }).await;
}

/// Trailers that HTTP/2 does not allow are left out, and the body ends all the same.
#[tokio::test]
async fn trailers_of_the_connection_are_left_out() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection<Channel<Bytes>>, _) = setup::pair(&server).await;
    let (mut up, body) = Channel::<Bytes>::new(2);
    let mut trailers = HeaderMap::new();
    trailers.insert("connection", HeaderValue::from_static("close"));
    trailers.insert("x-up", HeaderValue::from_static("done"));
    up.send_data("data".into()).await.unwrap();
    up.send_trailers(trailers).await.unwrap();
    drop(up);
    let response = connection.ready().await.unwrap().call(Request::post(server.uri("/")).body(body).unwrap());
    let script = async {
        conn.request().await;
        let body = conn.read_body(1).await;
        assert_eq!((body.trailers.len(), body.trailers["x-up"].to_str().unwrap()), (1, "done"));
        conn.respond(1, 200, &[], "").await;
    };
    let (response, ()) = within("both sides", async { tokio::join!(response, script) }).await;
    response.unwrap();
}

/// A body that panics after the response has begun leaves no peer waiting for its rest.
#[tokio::test]
async fn a_body_that_panics_is_reset() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn) = setup::pair(&server).await;
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let body = StreamBody::new(futures_util::stream::once(async move {
        let _ = gone.await;
        if true {
            panic!("on purpose");
        }
        Ok::<_, Infallible>(Frame::data(Bytes::new()))
    }));
    let request = Request::post(server.uri("/")).body(Box::pin(body)).unwrap();
    let response = tokio::spawn(connection.ready().await.unwrap().call(request));
    conn.request().await;
    conn.head(1, 200, &[]).await;
    let _response = response.await.unwrap().unwrap();
    go.send(()).unwrap();
    assert_eq!(conn.expect_reset(1).await, reason::CANCEL);
}

/// What goes out keeps within the peer's windows, however large the pieces of the body.
#[tokio::test]
async fn the_peers_windows_are_kept() {
    let server = ScriptedServer::bind().await;
    let settings = [(setting::MAX_CONCURRENT_STREAMS, 10), (setting::INITIAL_WINDOW_SIZE, 10)];
    let (mut connection, mut conn): (Connection, _) = setup::pair_with(&server, &settings).await;
    conn.manual();
    let request = clients::post(server.uri("/"), "1", "0123456789abcdefghij");
    let response = tokio::spawn(connection.ready().await.unwrap().call(request));
    let received = conn.request().await;
    assert_eq!(received.headers["content-length"], "20");
    assert_eq!(conn.read_data(1).await, ("0123456789".into(), false));
    conn.window_update(1, 4).await;
    assert_eq!(conn.read_data(1).await, ("abcd".into(), false));
    // What is left waits; the response does not.
    conn.head(1, 200, &[]).await;
    let response = response.await.unwrap().unwrap();
    conn.window_update(1, 100).await;
    assert_eq!(conn.read_data(1).await, ("efghij".into(), true));
    conn.data(1, "done", true).await;
    assert_eq!(text(Ok(response)).await, "done");
}

/// A peer may send no more than is read.
#[tokio::test]
async fn our_windows_open_as_the_body_is_read() {
    let server = ScriptedServer::bind().await;
    let settings = Http2Settings::default().initial_stream_window_size(70_000);
    let health = ConnectionHealth::default();
    let client = setup::connect(&health, &server, settings);
    let (mut connection, mut conn): (Connection, _) = tokio::join!(client, server.accept());
    let response = tokio::spawn(connection.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
    conn.request().await;
    conn.head(1, 200, &[("content-length", "300000")]).await;
    let response = response.await.unwrap().unwrap();
    let mut sending = Box::pin(async {
        conn.data(1, vec![7; 300_000], true).await;
        conn
    });
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut sending).await.is_err(), "it waits for window");
    let mut body = response.into_body();
    assert_eq!(body.size_hint().exact(), Some(300_000));
    let read = async {
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().into_data().unwrap().len() as u64;
            assert_eq!(body.size_hint().exact(), Some(300_000 - read));
        }
        read
    };
    let (read, _conn) = within("both sides", async { tokio::join!(read, sending) }).await;
    assert_eq!(read, 300_000);
}

/// Large bodies, both ways at once on several streams.
#[tokio::test]
async fn large_bodies_arrive_whole() {
    let server = crate::support::FaultyServer::builder()
        .windows(100_000, 200_000)
        .handler(|_, body| crate::support::Reply::ok(body))
        .start()
        .await;
    let health = ConnectionHealth::default();
    let tcp = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let io = health.monitor(hyper_util::rt::TokioIo::new(tcp), &server.uri("/"));
    let connection: Connection =
        tower_redial::connect::Http2Connection::handshake(io, &Http2Settings::default()).await.unwrap();
    let exchanges = (0..4u8).map(|n| {
        let mut connection = connection.clone();
        let data: Bytes = (0..3 << 20).map(|at: u32| (at as u8).wrapping_mul(31).wrapping_add(n)).collect();
        let request = clients::post(server.uri("/"), &n.to_string(), data.clone());
        async move {
            let response = connection.ready().await.unwrap().call(request).await.unwrap();
            assert!(response.into_body().collect().await.unwrap().to_bytes() == data);
        }
    });
    within("all of them", futures_util::future::join_all(exchanges)).await;
}

async fn exchange(method: Method, script: impl AsyncFnOnce(&mut H2Conn, Received)) -> Result<Bytes, Error> {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair(&server).await;
    let request = clients::request(method, server.uri("/"), "1", "");
    let client = async {
        let response = connection.ready().await.unwrap().call(request).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    };
    let script = async {
        let received = conn.request().await;
        script(&mut conn, received).await;
    };
    within("both sides", async { tokio::join!(client, script) }).await.0
}

/// M1: a body that is cut is an error, by NO_ERROR or a GOAWAY too; one that is whole is not, whatever comes after it.
#[tokio::test]
async fn a_cut_body_is_an_error() {
    let length = [("content-length", "8")];
    let cut = async |length: &'static [(&'static str, &'static str)], code| {
        exchange(Method::GET, async move |conn: &mut H2Conn, _| {
            conn.head(1, 200, length).await;
            conn.data(1, "half", false).await;
            conn.round_trip().await;
            conn.reset(1, code).await;
        })
        .await
    };
    for code in [reason::NO_ERROR, reason::CANCEL] {
        for length in [&[("content-length", "8")][..], &[]] {
            assert_eq!(cut(length, code).await.unwrap_err().failure().fate(), Fate::Unknown, "{code} {length:?}");
        }
    }
    let goaway = exchange(Method::GET, async |conn, _| {
        conn.head(1, 200, &length).await;
        conn.data(1, "half", false).await;
        conn.goaway(0, reason::NO_ERROR).await;
    });
    assert!(goaway.await.is_err());
    let short = exchange(Method::GET, async |conn, _| {
        conn.head(1, 200, &length).await;
        conn.data(1, "half", true).await;
    });
    assert!(short.await.is_err());
    let fin = exchange(Method::GET, async |conn, _| {
        conn.head(1, 200, &[]).await;
        conn.data(1, "half", false).await;
        conn.half_close().await;
    });
    assert!(fin.await.is_err());
    let whole = exchange(Method::GET, async |conn, _| {
        conn.head(1, 200, &length).await;
        conn.data(1, "all of i", false).await;
        conn.reset(1, reason::NO_ERROR).await;
    });
    assert_eq!(whole.await.unwrap(), "all of i");
}

/// G10: a response that has ended is whole, whatever becomes of its connection.
#[tokio::test]
async fn a_whole_response_survives_its_connection() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair(&server).await;
    let response = tokio::spawn(connection.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
    conn.request().await;
    conn.respond(1, 200, &[], "whole").await;
    conn.round_trip().await;
    let response = response.await.unwrap();
    conn.abort();
    setup::until(&connection, |state| !state.admits()).await;
    assert_eq!(text(response).await, "whole");
}

/// A length that is not this body's own promises nothing.
#[tokio::test]
async fn a_head_has_no_body() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 304)] {
        let answer = exchange(method, async |conn, _| conn.respond(1, status, &[("content-length", "8")], "").await);
        assert_eq!(answer.await.unwrap(), "");
    }
}

/// C18: a request's body that fails resets its stream, with the code of its error if it has one, and its error is kept.
#[tokio::test]
async fn a_body_that_fails_resets_its_stream() {
    #[derive(Debug)]
    struct Upstream(h2::Error);

    impl std::fmt::Display for Upstream {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("upstream")
        }
    }

    impl std::error::Error for Upstream {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn) = setup::pair(&server).await;
    for (n, (error, code)) in [
        (tower::BoxError::from("no more"), reason::INTERNAL_ERROR),
        (Box::new(Upstream(h2::Reason::CANCEL.into())), reason::CANCEL),
    ]
    .into_iter()
    .enumerate()
    {
        let message = error.to_string();
        let frames = [Ok(Frame::data(Bytes::from_static(b"some"))), Err(error)];
        let body = StreamBody::new(futures_util::stream::iter(frames).boxed());
        let request = Request::post(server.uri("/")).body(body).unwrap();
        let response = connection.ready().await.unwrap().call(request);
        let stream = n as u32 * 2 + 1;
        let (error, reset) = tokio::join!(response, async {
            conn.request().await;
            conn.expect_reset(stream).await
        });
        let error = error.unwrap_err();
        assert_eq!((verdict(&error), reset), ((Fate::Permanent, Cause::Body), code));
        let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        assert!(chain.map(ToString::to_string).any(|error| error == message));
    }
}

/// W7: whoever drops a response's body before its end has the stream reset.
#[tokio::test]
async fn a_dropped_body_is_reset() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair(&server).await;
    let response = tokio::spawn(connection.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
    conn.request().await;
    conn.head(1, 200, &[]).await;
    conn.data(1, "some", false).await;
    let mut body = response.await.unwrap().unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "some");
    drop(body);
    assert_eq!(conn.expect_reset(1).await, reason::CANCEL);
}

/// The same while the request's body is still being sent.
#[tokio::test]
async fn a_body_that_is_dropped_takes_the_upload_along() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection<Channel<Bytes>>, _) = setup::pair(&server).await;
    let (mut up, body) = Channel::<Bytes>::new(1);
    let request = Request::post(server.uri("/")).body(body).unwrap();
    let client = async {
        let response = connection.ready().await.unwrap().call(request);
        up.send_data("one".into()).await.unwrap();
        drop(response.await.unwrap());
    };
    let script = async {
        conn.request().await;
        conn.read_data(1).await;
        conn.head(1, 200, &[]).await;
        assert_eq!(conn.expect_reset(1).await, reason::CANCEL);
    };
    within("both sides", async { tokio::join!(client, script) }).await;
    drop(up);
}

/// C4: a reset while the request's body is sent.
#[tokio::test]
async fn a_reset_while_the_body_is_sent() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn) = setup::pair::<Channel<Bytes>>(&server).await;
    for (code, fate) in [(reason::REFUSED_STREAM, Fate::NotProcessed), (reason::CANCEL, Fate::Unknown)] {
        let (mut up, body) = Channel::<Bytes, Infallible>::new(1);
        let request = Request::post(server.uri("/")).body(body).unwrap();
        let response = tokio::spawn(connection.ready().await.unwrap().call(request));
        up.send_data("some".into()).await.unwrap();
        let received = conn.request().await;
        conn.read_data(received.stream_id).await;
        conn.reset(received.stream_id, code).await;
        assert_eq!(within("an answer", response).await.unwrap().unwrap_err().failure().fate(), fate);
    }
}

/// CONNECT is its two bodies; extended CONNECT too, once the peer has said that it takes it.
#[tokio::test]
async fn a_connect_is_two_bodies() {
    let server = ScriptedServer::bind().await;
    let settings = [(setting::MAX_CONCURRENT_STREAMS, 10), (setting::ENABLE_CONNECT_PROTOCOL, 1)];
    let (mut connection, mut conn) = setup::pair_with::<Channel<Bytes>>(&server, &settings).await;
    for n in 0..2 {
        let (mut up, body) = Channel::<Bytes, Infallible>::new(1);
        let request = if n == 0 {
            Request::connect("example.com:443").body(body).unwrap()
        } else {
            let mut request = Request::connect(server.uri("/chat")).body(body).unwrap();
            request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
            request
        };
        let stream = n * 2 + 1;
        let response = tokio::spawn(connection.ready().await.unwrap().call(request));
        let received = conn.request().await;
        assert_eq!((received.method, received.end_stream), (Method::CONNECT, false));
        conn.head(stream, 200, &[]).await;
        let mut down = response.await.unwrap().unwrap().into_body();
        up.send_data("ping".into()).await.unwrap();
        assert_eq!(conn.read_data(stream).await.0, "ping");
        conn.data(stream, "pong", true).await;
        assert_eq!(down.frame().await.unwrap().unwrap().into_data().unwrap(), "pong");
        drop(up);
        conn.read_body(stream).await;
    }
}

/// X3: what cannot be carried fails for good, and says so.
#[tokio::test]
async fn what_cannot_be_carried_fails_for_good() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair(&server).await;
    let extended = {
        let mut request = Request::connect(server.uri("/chat")).body(Full::default()).unwrap();
        request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
        request
    };
    let content = Request::connect("example.com:443").header("content-length", "4").body(Full::from("body")).unwrap();
    let relative = Request::get("/").version(http::Version::HTTP_2).body(Full::default()).unwrap();
    for request in [extended, content, relative] {
        let error = connection.ready().await.unwrap().call(request).await.unwrap_err();
        assert_eq!(verdict(&error), (Fate::Permanent, Cause::Request));
        let failure = Failure::of(&error, BodyUse::Untouched);
        assert!(!failure.connection_is_dead());
    }
    // It goes on, and holds nothing for them.
    let response = tokio::spawn(connection.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
    let received = conn.request().await;
    conn.respond(received.stream_id, 200, &[], "").await;
    response.await.unwrap().unwrap();
    conn.round_trip().await;
    assert_eq!(connection.in_flight(), 0);
}
