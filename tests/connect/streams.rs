//! The peer's stream limit: nobody is sent above it, nobody waits unseen.

use futures_util::future::join_all;
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};
use tower_redial::ConnectionHealth;
use tower_redial::connect::Http2Settings;
use tower_redial::fate::{Cause, Fate};
use tower_redial::health::State;

use crate::setup::{self, Connection, text, until, verdict};
use crate::support::bound::within;
use crate::support::wire::MAX_STREAM_ID;
use crate::support::{ScriptedServer, clients, reason, setting};

fn limit(streams: u32) -> [(u16, u32); 1] {
    [(setting::MAX_CONCURRENT_STREAMS, streams)]
}

/// Q1: a limit of one stream, a hundred requests: one at a time, in their order, and the limit used to the full.
#[tokio::test]
async fn a_limit_of_one_is_kept_in_order() {
    let server = ScriptedServer::bind().await;
    let (connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(1)).await;
    let requests =
        (0..100).map(|n| {
            let (mut connection, uri) = (connection.clone(), server.uri("/"));
            async move {
                text(connection.ready().await.unwrap().call(clients::post(uri, &n.to_string(), "body")).await).await
            }
        });
    let script = async {
        for n in 0..100 {
            let received = conn.request().await;
            assert_eq!(received.id, n.to_string());
            conn.read_body(received.stream_id).await;
            conn.round_trip().await;
            assert!(conn.unheard().is_empty(), "another while {n} is open");
            conn.respond(received.stream_id, 200, &[], received.id).await;
        }
    };
    let (answers, ()) = within("both sides", async { tokio::join!(join_all(requests), script) }).await;
    assert_eq!(answers, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// Q1: without `poll_ready` requests wait in their futures, in the order in which these are polled.
#[tokio::test]
async fn calls_wait_in_their_futures() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(2)).await;
    let requests: Vec<_> = (0..6).map(|n| connection.call(clients::get(server.uri("/"), &n.to_string()))).collect();
    let script = async {
        for n in 0..3 {
            for received in conn.requests(2).await {
                assert!(received.id == (2 * n).to_string() || received.id == (2 * n + 1).to_string());
                conn.round_trip().await;
                assert!(conn.unheard().len() < 2);
                conn.respond(received.stream_id, 200, &[], "").await;
            }
        }
    };
    let (answers, ()) = within("both sides", async { tokio::join!(join_all(requests), script) }).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
}

/// Q2, Q3: a limit that is lowered counts at once, one of 0 lets nobody in, and one that is raised wakes who waits.
#[tokio::test]
async fn a_limit_may_change() {
    let server = ScriptedServer::bind().await;
    let (connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(2)).await;
    let send = |n: &str| {
        let mut connection = connection.clone();
        let request = clients::get(server.uri("/"), n);
        tokio::spawn(async move { connection.ready().await?.call(request).await })
    };
    let first = send("1");
    conn.request().await;
    conn.settings(&limit(0)).await;
    conn.settings_acked(2).await;
    let second = send("2");
    conn.respond(1, 200, &[], "").await;
    first.await.unwrap().unwrap();
    conn.round_trip().await;
    assert!(conn.unheard().is_empty() && !second.is_finished());
    assert_eq!((connection.stream_limit(), connection.is_ready(), connection.in_flight()), (Some(0), false, 0));
    conn.settings(&limit(1)).await;
    let received = conn.request().await;
    conn.respond(received.stream_id, 200, &[], "").await;
    within("the second", second).await.unwrap().unwrap();
}

/// Q4, Q11: before the peer's SETTINGS one request goes out, as `health` has it; a hundred if it is told so, and no more.
#[tokio::test]
async fn few_are_sent_before_settings() {
    for (setting, sent) in [(1, 1), (1_000, 100)] {
        let server = ScriptedServer::bind().await;
        let health = ConnectionHealth::builder().streams_before_settings(setting).build();
        let client = setup::connect(&health, &server, Http2Settings::default());
        let (connection, mut conn): (Connection, _) = tokio::join!(client, server.accept_mute());
        let requests: Vec<_> = (0..150)
            .map(|n| {
                let mut connection = connection.clone();
                let request = clients::get(server.uri("/"), &n.to_string());
                tokio::spawn(async move { connection.ready().await?.call(request).await })
            })
            .collect();
        let mut received = conn.requests(sent).await;
        assert!(!connection.is_ready());
        conn.greet(&limit(200)).await;
        assert!(conn.unheard().is_empty());
        received.extend(conn.requests(150 - sent).await);
        for received in received {
            conn.respond(received.stream_id, 200, &[], "").await;
        }
        for request in requests {
            within("an answer", request).await.unwrap().unwrap();
        }
    }
}

/// G6: requests that wait for a stream when the connection drains are told at once, with the request; so are those who
/// wait to be ready.
#[tokio::test]
async fn a_drain_wakes_who_waits() {
    let server = ScriptedServer::bind().await;
    let (connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(1)).await;
    let mut first = connection.clone();
    let first = tokio::spawn(first.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
    conn.request().await;
    let calls: Vec<_> = (0..50)
        .map(|n| tokio::spawn(connection.clone().call(clients::post(server.uri("/"), &n.to_string(), "body"))))
        .collect();
    let readying: Vec<_> = (0..50)
        .map(|_| {
            let mut connection = connection.clone();
            tokio::spawn(async move { connection.ready().await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    conn.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
    for call in calls {
        let error = within("an answer", call).await.unwrap().unwrap_err();
        assert_eq!(verdict(&error), (Fate::NotSent, Cause::HandedBack));
        assert!(error.take_unsent::<http_body_util::Full<bytes::Bytes>>().is_some());
    }
    for ready in readying {
        assert!(within("an answer", ready).await.unwrap().unwrap_err().is_unsent());
    }
    conn.respond(1, 200, &[], "").await;
    first.await.unwrap().unwrap();
    conn.until_closed().await;
    assert!(conn.unheard().is_empty());
}

/// G6, C16: so are they when it ends, whichever way; and of a request that was sent nothing is claimed.
#[tokio::test]
async fn an_end_wakes_who_waits() {
    for cut in [false, true] {
        let server = ScriptedServer::bind().await;
        let (connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(1)).await;
        let calls: Vec<_> = (0..50)
            .map(|n| tokio::spawn(connection.clone().call(clients::post(server.uri("/"), &n.to_string(), ""))))
            .collect();
        let sent = conn.request().await;
        if cut {
            conn.abort();
        } else {
            conn.close().await;
        }
        for (n, call) in calls.into_iter().enumerate() {
            let error = within("an answer", call).await.unwrap().unwrap_err();
            let expected = if n.to_string() == sent.id { Fate::Unknown } else { Fate::NotSent };
            assert_eq!(verdict(&error).0, expected);
        }
        assert!(matches!(connection.state(), State::Closed(_)));
    }
}

/// Q6: whoever leaves while it waits takes no stream along; nor does a handle that is ready and never used.
#[tokio::test]
async fn who_leaves_takes_nothing_along() {
    let server = ScriptedServer::bind().await;
    let (connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(1)).await;
    let mut holder = connection.clone();
    holder.ready().await.unwrap();
    assert!(!connection.is_ready());
    let mut waiting: Vec<_> =
        (0..3).map(|n| Box::pin(connection.clone().call(clients::get(server.uri("/"), &n.to_string())))).collect();
    for call in &mut waiting {
        assert!(futures_util::poll!(call).is_pending());
    }
    drop(waiting.remove(0));
    drop(holder);
    // It was the second's turn, who leaves now.
    drop(waiting.remove(0));
    let last = tokio::spawn(waiting.remove(0));
    let received = conn.request().await;
    assert_eq!(received.id, "2");
    conn.respond(received.stream_id, 200, &[], "").await;
    last.await.unwrap().unwrap();
    conn.round_trip().await;
    assert_eq!((connection.in_flight(), connection.is_ready()), (0, true));
}

/// Q6, W7: a request that is dropped is reset, and its stream is free as soon as the peer is told.
#[tokio::test]
async fn a_dropped_request_is_reset() {
    let server = ScriptedServer::bind().await;
    let (connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(1)).await;
    let mut dropped = connection.clone();
    let dropped = tokio::spawn(dropped.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
    let received = conn.request().await;
    let mut next = connection.clone();
    let next = tokio::spawn(async move { next.ready().await?.call(clients::get(server.uri("/"), "2")).await });
    dropped.abort();
    assert_eq!(conn.expect_reset(received.stream_id).await, reason::CANCEL);
    let received = conn.request().await;
    conn.respond(received.stream_id, 200, &[], "").await;
    next.await.unwrap().unwrap();
    assert!(connection.state().admits(), "K12: a caller's leaving is not held against the connection");
}

/// Q6: a response that nobody reads holds no stream once it is all there.
#[tokio::test]
async fn an_unread_response_holds_no_stream() {
    let server = ScriptedServer::bind().await;
    let (mut connection, mut conn): (Connection, _) = setup::pair_with(&server, &limit(1)).await;
    let mut unread = Vec::new();
    for n in 0..3 {
        let response =
            tokio::spawn(connection.ready().await.unwrap().call(clients::get(server.uri("/"), &n.to_string())));
        let received = conn.request().await;
        conn.respond(received.stream_id, 200, &[], "here").await;
        unread.push(response.await.unwrap().unwrap());
    }
    for response in unread {
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "here");
    }
}

/// C17: a runtime that shuts down leaves nobody waiting.
#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (outer, inner) = (runtime(), runtime());
    outer.block_on(async {
        let server = ScriptedServer::bind().await;
        let uri = server.uri("/");
        let addr = server.addr();
        // The connection's task lives on the inner runtime.
        let connect = inner.spawn(async move {
            let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
            let io = ConnectionHealth::default().monitor(hyper_util::rt::TokioIo::new(tcp), &uri);
            tower_redial::connect::Http2Connection::handshake(io, &Http2Settings::default()).await.unwrap()
        });
        let mut conn = server.accept_with(&limit(1)).await;
        let connection = connect.await;
        let connection: Connection = connection.unwrap();
        let calls: Vec<_> = (0..3)
            .map(|n| tokio::spawn(connection.clone().call(clients::post(server.uri("/"), &n.to_string(), ""))))
            .collect();
        let sent = conn.request().await;
        inner.shutdown_background();
        for (n, call) in calls.into_iter().enumerate() {
            let error = within("an answer", call).await.unwrap().unwrap_err();
            let expected = if n.to_string() == sent.id { Fate::Unknown } else { Fate::NotSent };
            assert_eq!(verdict(&error).0, expected);
        }
        until(&connection, |state| matches!(state, State::Closed(_))).await;
    });
}
