//! What a failed request proves.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_redial::ConnectionHealth;
use tower_redial::connect::{Error, Http2Connection, Http2Settings, Unsent};
use tower_redial::fate::{BodyUse, Cause, Failure, Fate, Reason};
use tower_redial::health::{Close, Drain, State};

use crate::setup::{self, Connection, text, until, verdict};
use crate::support::bound::within;
use crate::support::script::DEFAULT_SETTINGS;
use crate::support::wire::MAX_STREAM_ID;
use crate::support::{Frame, H2Conn, Received, ScriptedServer, clients, reason};

/// Three requests on a new connection, and how the server saw them.
async fn three(
    server: &ScriptedServer,
    body: &'static str,
) -> (Vec<impl Future<Output = Outcome>>, H2Conn, Vec<Received>) {
    let (connection, mut conn) = setup::pair(server).await;
    let requests = (1..=3).map(|n| {
        let mut connection: Connection = connection.clone();
        let request = clients::post(server.uri("/"), &n.to_string(), body);
        tokio::spawn(async move { connection.ready().await?.call(request).await })
    });
    let requests = requests.map(|request| async { within("an outcome", request).await.unwrap() }).collect();
    let received = conn.requests(3).await;
    (requests, conn, received)
}

type Outcome = Result<http::Response<tower_redial::connect::ResponseBody>, Error>;

/// C8, C9: a GOAWAY proves of each stream above its last, and of no other, that it was not processed; body or not.
#[tokio::test]
async fn goaway_is_proof_of_the_streams_above() {
    for body in ["", "8 bytes."] {
        let server = ScriptedServer::bind().await;
        let (requests, mut conn, received) = three(&server, body).await;
        conn.goaway(3, reason::NO_ERROR).await;
        conn.respond(1, 200, &[], "first").await;
        conn.round_trip().await;
        conn.close().await;
        let mut outcomes: Vec<_> = join_all(requests).await;
        // Which of them had which stream, the ids tell.
        let at = |stream: u32| received.iter().position(|r| r.stream_id == stream).unwrap();
        let id = |stream: u32| received[at(stream)].id.parse::<usize>().unwrap() - 1;
        let (first, second, third) = (id(1), id(3), id(5));
        assert_eq!(
            verdict(outcomes[third].as_ref().unwrap_err()),
            (Fate::NotProcessed, Cause::GoAway { reason: Reason::NO_ERROR })
        );
        let (fate, _) = verdict(outcomes[second].as_ref().unwrap_err());
        assert_eq!(fate, Fate::Unknown, "its id is the last");
        assert_eq!(text(outcomes.swap_remove(first)).await, "first");
    }
}

/// C11: an error that meets a connection's first request is not tried again; a graceful shutdown is, and so are the others.
#[tokio::test]
async fn an_error_for_the_first_request_is_final() {
    for (last, code, fates) in [
        (0, reason::INTERNAL_ERROR, [Fate::Permanent, Fate::NotProcessed]),
        (0, reason::NO_ERROR, [Fate::NotProcessed, Fate::NotProcessed]),
        (0, reason::ENHANCE_YOUR_CALM, [Fate::NotProcessed, Fate::NotProcessed]),
        (1, reason::PROTOCOL_ERROR, [Fate::Unknown, Fate::NotProcessed]),
    ] {
        let server = ScriptedServer::bind().await;
        let (mut connection, mut conn): (Connection, _) = setup::pair(&server).await;
        let first = connection.ready().await.unwrap().call(clients::post(server.uri("/"), "1", ""));
        let first = tokio::spawn(first);
        conn.request().await;
        let second = connection.ready().await.unwrap().call(clients::post(server.uri("/"), "2", ""));
        let second = tokio::spawn(second);
        conn.request().await;
        conn.goaway(last, code).await;
        conn.close().await;
        let [first, second] = [first.await, second.await].map(|outcome| outcome.unwrap().unwrap_err());
        assert_eq!([&first, &second].map(|error| verdict(error).0), fates, "{code}");
        let cause = Cause::GoAway { reason: Reason::from_code(code) };
        assert_eq!(verdict(&second).1, cause);
    }
}

/// One POST and what the server does to it.
async fn post(script: impl AsyncFnOnce(H2Conn, Received)) -> (Outcome, State) {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair(&server).await;
    let response = connection.ready().await.unwrap().call(clients::post(server.uri("/"), "1", "body"));
    let script = async {
        let received = conn.request().await;
        script(conn, received).await;
    };
    let (outcome, ()) = within("both sides", async { tokio::join!(response, script) }).await;
    (outcome, connection.state())
}

/// C1: the server's word that it did nothing; C3: once is not held against the connection.
#[tokio::test]
async fn a_refused_stream_is_not_processed() {
    let (outcome, state) =
        post(async |mut conn, received| conn.reset(received.stream_id, reason::REFUSED_STREAM).await).await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::NotProcessed, Cause::Refused));
    assert!(state.admits() || matches!(state, State::Closed(_)));
}

/// M4, M5: who has begun to answer cannot say that it did nothing; and an interim response answers nothing.
#[tokio::test]
async fn an_interim_response_voids_a_refusal() {
    let (outcome, _) = post(async |mut conn, received| {
        conn.head(received.stream_id, 103, &[]).await;
        conn.reset(received.stream_id, reason::REFUSED_STREAM).await;
    })
    .await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Unknown, Cause::Refused));
    let (outcome, _) = post(async |mut conn, received| {
        conn.head(received.stream_id, 100, &[]).await;
        conn.close().await;
    })
    .await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Unknown, Cause::Closed));
}

/// Nor can who has reset a stream say so later, in a GOAWAY below it; but for a refusal, which says the same.
#[tokio::test]
async fn a_reset_voids_a_goaway_below() {
    for (code, fate) in [(reason::INTERNAL_ERROR, Fate::Unknown), (reason::REFUSED_STREAM, Fate::NotProcessed)] {
        let (outcome, _) = post(async |mut conn, received| {
            // In one write, so that both are read before the request is asked how it fares.
            let reset = Frame::Reset { stream: received.stream_id, reason: code };
            let goaway = Frame::GoAway { last_stream: 0, reason: reason::NO_ERROR, debug: Bytes::new() };
            conn.frames(&[reset, goaway]).await;
        })
        .await;
        assert_eq!(verdict(&outcome.unwrap_err()).0, fate, "{code}");
    }
}

/// C4, C13: other resets prove nothing, and PROTOCOL_ERROR ends the connection's use.
#[tokio::test]
async fn other_resets_prove_nothing() {
    let reset = async |code| {
        post(async move |mut conn: H2Conn, received: Received| {
            conn.reset(received.stream_id, code).await;
            conn.round_trip().await;
        })
        .await
    };
    let (outcome, _) = reset(reason::CANCEL).await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Unknown, Cause::Reset { reason: Reason::CANCEL }));
    let (outcome, state) = reset(reason::PROTOCOL_ERROR).await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Permanent, Cause::Reset { reason: Reason::PROTOCOL_ERROR }));
    assert!(!state.admits());
    let (outcome, _) = reset(reason::HTTP_1_1_REQUIRED).await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Permanent, Cause::Http11Required));
}

/// C5, C10: a cut proves nothing, also after a GOAWAY that covers the stream.
#[tokio::test]
async fn a_cut_proves_nothing() {
    let (outcome, _) = post(async |conn, _| conn.close().await).await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Unknown, Cause::Closed));
    let (outcome, _) = post(async |conn, _| conn.abort()).await;
    assert_eq!(verdict(&outcome.unwrap_err()).0, Fate::Unknown);
    let (outcome, _) = post(async |mut conn, received| {
        conn.goaway(received.stream_id, reason::NO_ERROR).await;
        conn.close().await;
    })
    .await;
    assert_eq!(verdict(&outcome.unwrap_err()).0, Fate::Unknown);
}

/// C19, G3: what this side finds wrong with the peer is no proof: a last-stream-id that grows, say.
#[tokio::test]
async fn a_broken_protocol_proves_nothing() {
    let (outcome, _) = post(async |mut conn, received| {
        conn.goaway(received.stream_id, reason::NO_ERROR).await;
        conn.goaway(received.stream_id + 2, reason::NO_ERROR).await;
        conn.until_closed().await;
    })
    .await;
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Unknown, Cause::Local { reason: Reason::PROTOCOL_ERROR }));
}

/// G2: the first of two GOAWAYs fails nothing; the second what lies above it.
#[tokio::test]
async fn only_the_second_of_two_goaways_fails_streams() {
    let server = ScriptedServer::bind().await;
    let (requests, mut conn, received) = three(&server, "").await;
    conn.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
    conn.round_trip().await;
    conn.goaway(1, reason::NO_ERROR).await;
    conn.round_trip().await;
    conn.respond(1, 200, &[], "first").await;
    let outcomes = join_all(requests).await;
    for (received, n) in received.iter().map(|received| (received, received.id.parse::<usize>().unwrap() - 1)) {
        let fate = outcomes[n].as_ref().err().map(|error| verdict(error).0);
        assert_eq!(fate, (received.stream_id > 1).then_some(Fate::NotProcessed));
    }
    drop(outcomes);
    conn.until_closed().await;
}

/// G11: a head that came with a reset counts.
#[tokio::test]
async fn a_head_wins_over_a_reset() {
    let (outcome, _) = post(async |mut conn, received| {
        let mut bytes = bytes::BytesMut::new();
        crate::support::message::encode_headers(received.stream_id, Some(200), [], true, &mut bytes);
        Frame::Reset { stream: received.stream_id, reason: reason::NO_ERROR }.encode(&mut bytes);
        conn.raw(bytes).await;
        conn.round_trip().await;
    })
    .await;
    assert_eq!(outcome.unwrap().status(), 200);
}

/// A connection whose transport takes nothing any more, with a request given to it.
async fn stuck(
    body: &'static str,
    keep_bodies: bool,
) -> (setup::Block, H2Conn, impl Future<Output = Outcome>, Connection, ScriptedServer) {
    let server = ScriptedServer::bind().await;
    let block = setup::Block::default();
    let health = ConnectionHealth::default();
    let client = async {
        let tcp = block.around(TcpStream::connect(server.addr()).await.unwrap());
        let io = health.monitor(TokioIo::new(tcp), &server.uri("/"));
        let settings = Http2Settings::default().keep_unsent_bodies(keep_bodies);
        Http2Connection::handshake(io, &settings).await.unwrap()
    };
    let (connection, mut conn): (Connection, _) = tokio::join!(client, server.accept());
    conn.round_trip().await;
    block.set(true);
    let mut handle = connection.clone();
    let request = clients::post(server.uri("/"), "1", body);
    let mut response = Box::pin(async move { handle.ready().await?.call(request).await });
    // It is given to h2, whose task tries to write it.
    assert!(futures_util::poll!(&mut response).is_pending());
    tokio::task::yield_now().await;
    assert!(futures_util::poll!(&mut response).is_pending());
    assert_eq!(connection.in_flight(), 1);
    (block, conn, response, connection, server)
}

/// C5: a request of which no byte went out comes back whole, and nothing of it goes out afterwards.
#[tokio::test]
async fn what_never_went_out_comes_back() {
    for body in ["", "the body"] {
        let (block, mut conn, response, connection, _server) = stuck(body, true).await;
        conn.half_close().await;
        let error = within("the outcome", response).await.unwrap_err();
        assert_eq!(verdict(&error), (Fate::NotSent, Cause::HandedBack));
        let request: Request<Full<Bytes>> = error.take_unsent().expect("it is here");
        assert_eq!((request.method().as_str(), request.headers()["x-request-id"].to_str().unwrap()), ("POST", "1"));
        let sent = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
        assert_eq!(sent, body);
        assert!(error.take_unsent::<Full<Bytes>>().is_none(), "once");
        // The transport takes bytes again, and the server still reads.
        block.set(false);
        until(&connection, |state| matches!(state, State::Closed(_))).await;
        conn.until_closed().await;
        assert!(conn.unheard().is_empty());
    }
}

/// C5: where its body was asked for already, the proof remains.
#[tokio::test]
async fn what_never_went_out_is_unsent_without_its_body() {
    let (block, mut conn, response, connection, _server) = stuck("the body", false).await;
    conn.half_close().await;
    let error = within("the outcome", response).await.unwrap_err();
    assert_eq!(verdict(&error), (Fate::NotSent, Cause::HandedBack));
    assert!(error.take_unsent::<Full<Bytes>>().is_none());
    block.set(false);
    until(&connection, |state| matches!(state, State::Closed(_))).await;
    conn.until_closed().await;
    assert!(conn.unheard().is_empty());
}

/// G5: one that waits behind a GOAWAY in h2's own queue too.
#[tokio::test]
async fn what_waits_behind_a_final_goaway_comes_back() {
    let (block, mut conn, response, connection, _server) = stuck("the body", true).await;
    conn.goaway(0, reason::NO_ERROR).await;
    let error = within("the outcome", response).await.unwrap_err();
    assert_eq!(verdict(&error), (Fate::NotSent, Cause::HandedBack));
    assert!(error.take_unsent::<Full<Bytes>>().is_some());
    block.set(false);
    until(&connection, |state| matches!(state, State::Closed(_))).await;
    conn.until_closed().await;
}

/// C22, S2: the request comes back through a timeout that boxes the error, and whatever else is around it.
#[tokio::test]
async fn unsent_requests_come_back_through_layers() {
    /// Neither `Clone` nor `Sync`.
    struct OneShot(Full<Bytes>, #[expect(dead_code, reason = "makes it what it is")] Cell<u8>);

    impl http_body::Body for OneShot {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(cx)
        }
    }

    let server = ScriptedServer::bind().await;
    let (connection, mut conn): (Connection<OneShot>, _) = setup::pair(&server).await;
    let handle = connection.clone();
    let mut service = TimeoutLayer::new(Duration::from_secs(5)).layer(connection);
    service.ready().await.unwrap();
    conn.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
    until(&handle, |state| !state.admits()).await;
    let request = Request::post(server.uri("/")).body(OneShot(Full::from("kept"), Cell::new(0))).unwrap();
    let error: BoxError = service.call(request).await.unwrap_err();
    let error: BoxError = Box::new(std::io::Error::other(std::sync::Arc::new(Wrapped(error))));
    let failure = Failure::of(&*error, BodyUse::Untouched);
    assert_eq!((failure.fate(), failure.cause()), (Fate::NotSent, Cause::HandedBack));
    assert!(Unsent::<Full<Bytes>>::take_from(&*error).is_none(), "another body");
    let request = Unsent::<OneShot>::take_from(&*error).expect("it is here");
    assert_eq!(http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes(), "kept");
}

/// A request that another one's body was made from, and that was not sent, is not the one that failed.
#[tokio::test]
async fn a_request_below_a_bodys_error_is_another() {
    type Parts = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection<Parts>, _) = setup::pair(&server).await;
    let other = ScriptedServer::bind().await;
    let (mut drained, mut its): (Connection<Parts>, _) = setup::pair(&other).await;
    its.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
    until(&drained, |state| !state.admits()).await;
    let empty = || Parts::new(http_body_util::BodyExt::map_err(Full::<Bytes>::default(), Into::into));
    let part = Request::get(other.uri("/")).body(empty()).unwrap();
    let unsent = drained.call(part).await.unwrap_err();
    assert!(unsent.is_unsent());

    let failing = futures_util::stream::iter([Err::<http_body::Frame<Bytes>, BoxError>(unsent.into())]);
    let body = Parts::new(http_body_util::StreamBody::new(failing));
    let request = Request::post(server.uri("/")).body(body).unwrap();
    let call = connection.ready().await.unwrap().call(request);
    let (error, _) = within("both sides", async { tokio::join!(call, conn.request()) }).await;
    let error = error.unwrap_err();
    assert_eq!(verdict(&error), (Fate::Permanent, Cause::Body));
    assert!(error.take_unsent::<Parts>().is_none() && Unsent::<Parts>::take_from(&error).is_none());
}

#[derive(Debug)]
struct Wrapped(BoxError);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// G4: a connection that was shut down while idle is closed by us, and says so to whoever asks.
#[tokio::test]
async fn an_idle_connection_that_drains_is_closed() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair(&server).await;
    conn.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
    conn.until_closed().await;
    until(&connection, |state| state == State::Closed(Close::Client)).await;
    let error = connection.ready().await.unwrap_err();
    assert_eq!(verdict(&error), (Fate::NotSent, Cause::HandedBack));
    assert!(error.is_unsent());
}

/// G1, Q9: an open stream survives a graceful shutdown, in both of its steps, and a new request is not sent there; also where the
/// same health gives other clients a GOAWAY of its own.
#[tokio::test]
async fn an_open_stream_survives_a_graceful_goaway() {
    for own_goaway in [false, true] {
        let health = ConnectionHealth::builder().own_goaway(own_goaway).build();
        let server = ScriptedServer::bind().await;
        let (mut connection, mut conn): (Connection, _) = setup::pair_of(&health, &server, DEFAULT_SETTINGS).await;
        let response = tokio::spawn(connection.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
        conn.request().await;
        conn.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
        // A server waits for this before it names the last stream.
        conn.round_trip().await;
        until(&connection, |state| state == State::Draining(Drain::GoAway { reason: Reason::NO_ERROR })).await;
        assert_eq!(verdict(&connection.ready().await.unwrap_err()).0, Fate::NotSent);
        let error = connection.call(clients::get(server.uri("/"), "2")).await.unwrap_err();
        assert!(error.take_unsent::<Full<Bytes>>().is_some());
        conn.goaway(1, reason::NO_ERROR).await;
        conn.respond(1, 200, &[], "late").await;
        assert_eq!(text(response.await.unwrap()).await, "late");
        conn.until_closed().await;
        assert!(conn.unheard().is_empty());
    }
}
