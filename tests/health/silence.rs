//! A silent connection, over real sockets and with small times.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::timeout;
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
use tower_redial::health::{Close, EventKind, State};

use crate::setup::{self, fetch, only, until};
use crate::support::bound::within;
use crate::support::{Fault, FaultyServer, Received, ScriptedServer, clients, reason};

/// Far longer than any answer here takes, and far shorter than `probe_after`.
const PATIENCE: Duration = Duration::from_millis(100);

/// K1, K5: the first request that its caller gives up probes; when no answer comes, nothing more is sent there.
#[tokio::test]
async fn the_first_abandoned_request_finds_a_dead_connection() {
    let server = ScriptedServer::bind().await;
    let health = setup::quick().probe_after(Duration::from_secs(60)).build();
    let client = setup::h2(&health);
    let mut events = health.subscribe();
    let uri = server.uri("/");

    let script = async {
        let mut first = server.accept().await;
        let request = first.request().await;
        first.respond(request.stream_id, 200, &[], "").await;
        first.manual();
        let given_up = first.request().await;
        assert_eq!(first.expect_reset(given_up.stream_id).await, reason::CANCEL);
        first.expect_ping().await;
        let mut second = server.accept().await;
        for _ in 0..5 {
            let request = second.request().await;
            second.respond(request.stream_id, 200, &[], "").await;
        }
        first.until_closed().await;
        assert!(first.unheard().is_empty());
        second
    };
    let requests = async {
        fetch(&client, clients::get(uri.clone(), "1")).await.unwrap();
        assert!(timeout(PATIENCE, fetch(&client, clients::get(uri.clone(), "2"))).await.is_err());
        until(&mut events, |kind| *kind == EventKind::Silent).await;
        for n in 3..8 {
            fetch(&client, clients::post(uri.clone(), &n.to_string(), "")).await.unwrap();
        }
        // By its client, since nothing was open on it any more, before it was given up.
        until(&mut events, |kind| matches!(kind, EventKind::Closed { reason: Close::Client, .. })).await;
    };
    within("both sides", async { tokio::join!(requests, script) }).await;
    assert_eq!(only(&health).requests, 5);
}

/// K2, K12: the same caller and a server that is just slow: the probe is answered, and the connection kept.
#[tokio::test]
async fn a_slow_server_keeps_its_connection() {
    let server = ScriptedServer::bind().await;
    let health = setup::quick().probe_after(Duration::from_secs(60)).build();
    let client = setup::h2(&health);
    let mut events = health.subscribe();
    let uri = server.uri("/");
    let script = async {
        let mut conn = server.accept().await;
        for _ in 0..2 {
            let given_up = conn.request().await;
            conn.expect_reset(given_up.stream_id).await;
        }
        let request = conn.request().await;
        conn.respond(request.stream_id, 200, &[], "").await;
        conn
    };
    let requests = async {
        for n in 1..3 {
            assert!(timeout(PATIENCE, fetch(&client, clients::get(uri.clone(), &n.to_string()))).await.is_err());
        }
        until(&mut events, |kind| matches!(kind, EventKind::Answered { .. })).await;
        fetch(&client, clients::get(uri.clone(), "3")).await.unwrap();
    };
    within("both sides", async { tokio::join!(requests, script) }).await;
    let connection = only(&health);
    assert_eq!((connection.state, connection.requests), (State::Open, 3));
    assert!(connection.round_trip.is_some());
}

/// K1 in numbers: of requests that are sent one after the other to a server whose connection falls silent at the fiftieth, the
/// bare client loses every later one; a watched one loses those that it gave up before the probe was overdue.
#[tokio::test]
async fn a_watched_client_wastes_few_requests_on_a_dead_connection() {
    let silent_once =
        || FaultyServer::builder().choose(|_, nth| (nth == 50).then_some(Fault::Silence { processed: false }));
    let server = silent_once().start().await;
    let bare = ServiceBuilder::new().timeout(PATIENCE).service(clients::h2());
    let mut lost = 0;
    for n in 0..70 {
        let response = bare.clone().oneshot(clients::get(server.uri("/"), &n.to_string())).await;
        lost += usize::from(response.is_err());
    }
    assert_eq!((lost, server.counters().connections), (21, 1));

    let server = silent_once().start().await;
    let health = setup::quick().build();
    let client = setup::client(&health, clients::http_connector(), true);
    let client = ServiceBuilder::new().layer(health.layer()).timeout(PATIENCE).service(client);
    let mut lost = 0;
    for n in 0..200 {
        let response = client.clone().oneshot(clients::get(server.uri("/"), &n.to_string())).await;
        match response {
            Ok(response) => drop(response.into_body().collect().await.unwrap()),
            Err(_) => lost += 1,
        }
    }
    // As many as fit into the 200 ms of `probe_timeout`, and one more on either side.
    assert!((1..=4).contains(&lost), "{lost}");
    assert_eq!(server.counters().connections, 2);
}

/// K2, for once in real time: a server that thinks for several times `probe_after` is probed, and not cut off.
#[tokio::test]
async fn a_server_that_thinks_is_not_cut_off() {
    let server = FaultyServer::builder().delay(Duration::from_millis(1_500)).start().await;
    let health = setup::quick().build();
    let client = setup::h2(&health);
    fetch(&client, clients::post(server.uri("/"), "1", "body")).await.unwrap();
    let connection = only(&health);
    // The next after the first is due in 30 s, whatever the settings: see the schedule.
    assert_eq!((connection.state, connection.probes), (State::Open, 1));
    assert_eq!(server.counters().client_pings, 1);
    assert_eq!(server.violations(), Vec::<String>::new());
}

/// K10, K13: what is on a dead connection fails, with an error that names its silence; an idempotent request is resent and
/// succeeds elsewhere, another is not.
#[tokio::test]
async fn a_dead_connection_fails_over() {
    let silence = |received: &Received| (received.id == "post").then_some(Fault::Silence { processed: true });
    let server = FaultyServer::builder().choose(move |received, _| silence(received)).start().await;
    let health = setup::quick().build();
    let client = setup::h2_resent(&health);
    fetch(&client, clients::get(server.uri("/"), "first")).await.unwrap();
    let post = fetch(&client, clients::post(server.uri("/"), "post", "body"));
    let get = async {
        while server.ledger().times("post") == 0 {
            tokio::task::yield_now().await;
        }
        fetch(&client, clients::get(server.uri("/"), "get")).await
    };
    let (post, get) = within("both", async { tokio::join!(post, get) }).await;
    let failure = Failure::of(&*post.unwrap_err(), BodyUse::Polled);
    assert_eq!((failure.fate(), failure.cause()), (Fate::Unknown, Cause::Silent));
    get.unwrap();
    assert_eq!((server.ledger().times("post"), server.ledger().doubled()), (1, vec![]));
    assert_eq!(server.counters().connections, 2);
}

/// A peer that falls silent in the middle of a frame is found the same way.
#[tokio::test]
async fn silence_within_a_frame_is_silence() {
    let server = ScriptedServer::bind().await;
    let health = setup::quick().build();
    let client = setup::h2(&health);
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.head(request.stream_id, 200, &[]).await;
        conn.raw(b"\0\0\x10\0\0\0\0\0\x01half").await;
        conn.manual();
        conn.expect_ping().await;
        conn.until_closed().await;
    };
    let request = async {
        let response = client.clone().oneshot(clients::get(server.uri("/"), "1")).await.unwrap();
        response.into_body().collect().await.unwrap_err();
    };
    within("both sides", async { tokio::join!(request, script) }).await;
    assert_eq!(health.snapshot().ended[0].state, State::Closed(Close::Dead));
}

/// K8: a peer that reads nothing any more, so that nothing can be written: the PING can neither, and time runs all the same.
#[tokio::test]
async fn a_peer_that_stops_reading_is_found() {
    let server = ScriptedServer::bind().await;
    let health = setup::quick().build();
    let client = setup::h2(&health);
    let script = async {
        let mut conn = server.accept_with(&[(4, 0x7fff_ffff)]).await;
        conn.window_update(0, 0x7000_0000).await;
        let _ = conn.request().await;
        // From here on nothing is read: the socket's buffers fill.
        conn
    };
    let body = vec![0; 64 << 20];
    let request = fetch(&client, clients::post(server.uri("/"), "1", body));
    let (conn, result) = within("both sides", async { tokio::join!(script, request) }).await;
    let failure = Failure::of(&*result.unwrap_err(), BodyUse::Polled);
    assert_eq!((failure.fate(), failure.cause()), (Fate::Unknown, Cause::Silent));
    drop(conn);
}

/// K14: a server that takes TCP and never says a word of TLS.
#[tokio::test]
async fn a_tls_handshake_that_hangs_is_given_up() {
    let server = ScriptedServer::bind_tls().await;
    let health = setup::quick().connect_timeout(PATIENCE).build();
    let client = setup::https(&health, server.identity());
    let (tcp, result) = within("an error", async {
        tokio::join!(server.accept_tcp(), fetch(&client, clients::post(server.uri("/"), "1", "body")))
    })
    .await;
    let failure = Failure::of(&*result.unwrap_err(), BodyUse::Untouched);
    assert_eq!((failure.fate(), failure.cause()), (Fate::NotSent, Cause::Connect));
    drop(tcp);
}
