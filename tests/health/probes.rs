//! The default times, with a stopped clock.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout};
use tower::{BoxError, Service, ServiceExt, service_fn};
use tower_redial::ConnectionHealth;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
use tower_redial::health::{Close, EventKind, State};

use crate::peer::Peers;
use crate::setup::{Watched, fetch, only, until};

fn get() -> Request<Full<Bytes>> {
    Request::get("http://peer/").body(Full::default()).unwrap()
}

fn failure(error: &BoxError) -> (Fate, Cause) {
    let failure = Failure::of(&**error, BodyUse::Untouched);
    (failure.fate(), failure.cause())
}

async fn answered(client: &Watched) {
    fetch(client, get()).await.unwrap();
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// K2: a server that thinks for a minute is never cut off, and gets the probes of the schedule and no more.
#[tokio::test(start_paused = true)]
async fn a_server_that_thinks_keeps_its_connection() {
    let (peers, health) = (Peers::new(), ConnectionHealth::default());
    let client = peers.client(&health);
    peers.think(secs(60));
    answered(&client).await;
    assert_eq!(peers.pings(), [15, 45]);
    assert_eq!((only(&health).state, only(&health).probes, peers.connections()), (State::Open, 2, 1));
    assert_eq!(only(&health).round_trip, Some(Duration::ZERO), "the clock stands still");

    peers.think(secs(1_200));
    answered(&client).await;
    assert_eq!(peers.pings()[2..], [75, 105, 165, 495, 825, 1_155]);
    assert_eq!((peers.thrown_out(), peers.connections()), (0, 1));
}

/// K1, K10: a black hole admits nothing new after `probe_after + probe_timeout`, and fails what is on it at
/// `probe_after + dead_after`.
#[tokio::test(start_paused = true)]
async fn a_black_hole_is_left_and_given_up() {
    let (peers, health) = (Peers::new(), ConnectionHealth::default());
    let client = peers.client(&health);
    answered(&client).await;
    let mut events = health.subscribe();
    peers.answer(false);
    let lost = tokio::spawn({
        let client = client.clone();
        async move { (fetch(&client, get()).await, Instant::now()) }
    });
    let began = Instant::now();
    until(&mut events, |kind| *kind == EventKind::Silent).await;
    assert_eq!(began.elapsed().as_secs(), 20);
    // K3: what comes meanwhile goes to a new connection.
    assert_eq!(peers.connections(), 1);
    let next = tokio::spawn({
        let client = client.clone();
        async move { fetch(&client, get()).await }
    });
    let (error, at) = lost.await.unwrap();
    assert_eq!(at.duration_since(began).as_secs(), 30);
    assert_eq!(failure(&error.unwrap_err()), (Fate::Unknown, Cause::Silent));
    assert_eq!(peers.connections(), 2);
    let first = health.snapshot().ended[0].clone();
    assert_eq!((first.state, first.probes), (State::Closed(Close::Dead), 1));
    next.abort();
}

/// K9: the first request after idleness is accompanied by a probe, and a connection that died meanwhile is found by it
/// instead of by TCP.
#[tokio::test(start_paused = true)]
async fn the_first_request_after_idleness_is_verified() {
    let (peers, health) = (Peers::new(), ConnectionHealth::default());
    let client = peers.client(&health);
    answered(&client).await;
    sleep(secs(9)).await;
    answered(&client).await;
    assert_eq!(peers.pings(), [] as [u64; 0]);
    sleep(secs(60)).await;
    answered(&client).await;
    assert_eq!(peers.pings(), [69]);
    sleep(secs(60)).await;
    peers.answer(false);
    let began = Instant::now();
    let error = fetch(&client, get()).await.unwrap_err();
    assert_eq!((began.elapsed().as_secs(), failure(&error)), (15, (Fate::Unknown, Cause::Silent)));
    peers.answer(true);
    answered(&client).await;
    assert_eq!(peers.connections(), 2);
}

/// K7, W8: an idle connection is left alone, and no other clock than tokio's is asked. (A machine that sleeps stops that clock:
/// what `drain_all` is for.)
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_left_alone() {
    let (peers, health) = (Peers::new(), ConnectionHealth::default());
    let client = peers.client(&health);
    answered(&client).await;
    sleep(secs(80)).await;
    assert_eq!((peers.pings().len(), only(&health).state), (0, State::Open));
}

/// K6: ten minutes of idleness, work, long thought and callers who give up: gRPC's default enforcement never throws us out.
#[tokio::test(start_paused = true)]
async fn grpc_servers_put_up_with_it() {
    let (peers, health) = (Peers::new(), ConnectionHealth::default());
    let client = peers.client(&health);
    answered(&client).await;
    while peers.elapsed() < secs(1_200) {
        for thinks in [0, 0, 40, 200, 0] {
            peers.think(secs(thinks));
            answered(&client).await;
            sleep(secs(12)).await;
        }
        for _ in 0..20 {
            peers.think(secs(100));
            assert!(timeout(secs(3), fetch(&client, get())).await.is_err());
            sleep(secs(1)).await;
        }
    }
    assert!(peers.pings().len() > 10, "{:?}", peers.pings());
    assert_eq!((peers.thrown_out(), peers.connections()), (0, 1), "{:?}", peers.pings());
}

/// K14: a peer that never sends SETTINGS is given up.
#[tokio::test(start_paused = true)]
async fn a_peer_without_settings_is_given_up() {
    let (peers, health) = (Peers::new(), ConnectionHealth::default());
    let client = peers.client(&health);
    peers.greet(false);
    peers.answer(false);
    let began = Instant::now();
    let error = fetch(&client, get()).await.unwrap_err();
    assert_eq!((began.elapsed().as_secs(), failure(&error)), (10, (Fate::Unknown, Cause::Silent)));
    assert_eq!(health.snapshot().ended[0].state, State::Closed(Close::Handshake));
}

/// K14: a connect that never comes to an end does, and proves that nothing was sent.
#[tokio::test(start_paused = true)]
async fn a_connect_that_hangs_is_given_up() {
    let health = ConnectionHealth::default();
    let hangs = service_fn(|_: Uri| std::future::pending::<Result<(), BoxError>>());
    let mut connector = health.connector(hangs);
    let began = Instant::now();
    let error = connector.ready().await.unwrap().call(Uri::from_static("http://peer")).await.unwrap_err();
    assert_eq!((began.elapsed().as_secs(), failure(&error)), (10, (Fate::NotSent, Cause::Connect)));
}

/// Q8: a connection that got old is replaced while requests go on, and none fails.
#[tokio::test(start_paused = true)]
async fn a_connection_gets_old() {
    let peers = Peers::new();
    let health = ConnectionHealth::builder().max_age(secs(60)).max_age_jitter(0.5).build();
    let client = peers.client(&health);
    for _ in 0..600 {
        answered(&client).await;
        sleep(secs(1)).await;
    }
    let connections = peers.connections();
    assert!((11..=20).contains(&connections), "{connections}");
}

/// Q7, and `max_requests`: after so many requests the next goes elsewhere.
#[tokio::test(start_paused = true)]
async fn a_connection_has_had_enough() {
    let peers = Peers::new();
    let health = ConnectionHealth::builder().max_requests(10).build();
    let client = peers.client(&health);
    for _ in 0..100 {
        answered(&client).await;
    }
    assert_eq!(peers.connections(), 10);
}
