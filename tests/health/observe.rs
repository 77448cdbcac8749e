//! What can be seen: snapshots, events, and what the features make of them.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tower_redial::ConnectionHealth;
use tower_redial::fate::Fate;
use tower_redial::health::{Close, EventKind, Notice, Protocol, State};

use crate::setup::{self, fetch};
use crate::support::bound::within;
use crate::support::{Fault, FaultyServer, clients};

/// O2: a connection and its origin, from beginning to end.
#[tokio::test]
async fn a_snapshot_tells_all() {
    let server = FaultyServer::builder().announced_streams(10).every(5, Fault::Refuse).start().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    for n in 1..=9 {
        let response = fetch(&client, clients::post(server.uri("/"), &n.to_string(), "body")).await;
        assert_eq!(response.is_err(), n == 5);
    }
    let snapshot = health.snapshot();
    let [connection] = &snapshot.connections[..] else { panic!("{snapshot:?}") };
    assert_eq!((connection.id.get(), connection.requests, connection.open_streams), (1, 9, 0));
    assert_eq!((connection.protocol, connection.state), (Protocol::Http2, State::Open));
    assert_eq!(connection.max_concurrent_streams, Some(10));
    assert!(connection.bytes_received > 100 && connection.bytes_sent > 100 && connection.age >= connection.idle);
    let [origin] = &snapshot.origins[..] else { panic!("{snapshot:?}") };
    assert_eq!((origin.connections, origin.answered, origin.in_flight, origin.waiting), (1, 8, 0, 0));
    let [failure] = &origin.failures[..] else { panic!("{origin:?}") };
    assert_eq!((failure.fate, failure.cause, failure.count), (Fate::NotProcessed, "refused", 1));

    drop(client);
    within("its end", async {
        while !health.snapshot().connections.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(health.snapshot().ended[0].state, State::Closed(Close::Client));
}

/// A slow reader loses the oldest events and is told how many; the stream ends when nothing can happen any more.
#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let server = FaultyServer::builder().start().await;
    let health = ConnectionHealth::builder().max_requests(1).event_capacity(4).build();
    let client = setup::h2(&health);
    let events = health.subscribe();
    for n in 0..20 {
        fetch(&client, clients::get(server.uri("/"), &n.to_string())).await.unwrap();
    }
    drop((client, health));
    let notices: Vec<_> = within("the end", events.collect()).await;
    let Notice::Missed(missed) = notices[0] else { panic!("{notices:?}") };
    // Each of twenty connections is opened, drained and closed; the last one's end may come later.
    assert!((50..=56).contains(&missed), "{missed}");
    let kept = notices.iter().filter(|notice| matches!(notice, Notice::Event(_))).count();
    assert_eq!(missed as usize + kept, 60);
}

/// O1: the order in which things happen to one connection.
#[tokio::test]
async fn events_come_in_order() {
    let server = FaultyServer::builder().silent_after(2).start().await;
    let health = setup::quick().build();
    let client = setup::h2(&health);
    let mut events = health.subscribe();
    fetch(&client, clients::get(server.uri("/"), "1")).await.unwrap();
    fetch(&client, clients::get(server.uri("/"), "2")).await.unwrap_err();
    let mut kinds = Vec::new();
    while !matches!(kinds.last(), Some(EventKind::Closed { .. })) {
        kinds.push(setup::until(&mut events, |_| true).await);
    }
    let labels: Vec<_> = kinds.iter().map(EventKind::label).collect();
    assert_eq!(labels, ["opened", "probed", "silent", "closed"]);
    let Some(EventKind::Closed { reason: Close::Dead, silent_for }) = kinds.last() else { panic!("{kinds:?}") };
    assert!(*silent_for >= Duration::from_millis(800), "{silent_for:?}");
}

/// Nothing that is shown holds a secret of the request's.
#[tokio::test]
async fn no_secret_is_shown() {
    let server = FaultyServer::builder().start().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    let uri = server.uri("/path?token=secret").to_string().replace("http://", "http://user:secret@");
    let mut request = clients::get(uri.parse().unwrap(), "1");
    request.headers_mut().insert("authorization", "secret".parse().unwrap());
    let mut events = health.subscribe();
    let future = Box::pin(fetch(&client, request));
    join_all([future]).await.remove(0).unwrap();
    let event = events.next().await;
    let shown = format!("{:?} {event:?} {health:?}", health.snapshot());
    assert!(!shown.contains("secret"), "{shown}");
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn a_snapshot_can_be_serialized() {
    let server = FaultyServer::builder().every(2, Fault::Refuse).start().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    fetch(&client, clients::get(server.uri("/"), "1")).await.unwrap();
    fetch(&client, clients::get(server.uri("/"), "2")).await.unwrap_err();
    let json = serde_json::to_value(health.snapshot()).unwrap();
    assert_eq!(json["connections"][0]["id"], 1);
    assert_eq!(json["connections"][0]["protocol"], "http2");
    assert_eq!(json["connections"][0]["state"], "open");
    assert_eq!(json["origins"][0]["origin"], server.uri("/").to_string().trim_end_matches('/'));
    let failure = serde_json::json!([{ "fate": "not_processed", "cause": "refused", "count": 1 }]);
    assert_eq!(json["origins"][0]["failures"], failure);
    health.drain_all();
    let json = serde_json::to_value(health.snapshot()).unwrap();
    assert_eq!(json["connections"][0]["state"], serde_json::json!({ "draining": "asked" }));
}

/// What is counted, under the names of OpenTelemetry where it has some.
#[cfg(feature = "metrics")]
#[test]
fn metrics_are_counted() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let server = FaultyServer::builder().every(3, Fault::Refuse).start().await;
            let health = ConnectionHealth::default();
            let client = setup::h2(&health);
            for n in 1..=3 {
                let response = fetch(&client, clients::get(server.uri("/"), &n.to_string())).await;
                assert_eq!(response.is_err(), n == 3);
            }
            drop(client);
            within("its end", async {
                while !health.snapshot().connections.is_empty() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        });
    });
    let (mut counters, mut gauges, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> = key.key().labels().map(|label| (label.key(), label.value())).collect();
        let label = |name: &str| labels.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value).to_owned();
        assert_eq!((label("server.address"), label("url.scheme")), ("127.0.0.1".to_owned(), "http".to_owned()));
        let name = key.key().name().to_owned();
        match value {
            DebugValue::Counter(count) => counters.push((name, label("event"), count)),
            DebugValue::Gauge(value) => gauges.push((name, label("http.connection.state"), value.0)),
            DebugValue::Histogram(values) => {
                let outcome = label("http.response.status_code") + &label("error.type") + &label("reason");
                histograms.push((name, outcome, values.len()));
            }
        }
    }
    counters.sort();
    let events = |event: &str| ("tower_redial.connection.events".to_owned(), event.to_owned(), 1);
    assert_eq!(counters, [events("closed"), events("opened")]);
    gauges.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    assert!(gauges.iter().all(|(_, _, value)| *value == 0.0), "all that went up came down: {gauges:?}");
    let names: Vec<_> = gauges.iter().map(|(name, state, _)| (&name[..], &state[..])).collect();
    let open = "http.client.open_connections";
    assert_eq!(names, [("http.client.active_requests", ""), (open, "active"), (open, "idle")]);
    histograms.sort();
    let histograms: Vec<_> = histograms.iter().map(|(name, label, count)| (&name[..], &label[..], *count)).collect();
    assert_eq!(
        histograms,
        [
            ("http.client.connection.duration", "client", 1),
            ("http.client.request.duration", "200", 2),
            ("http.client.request.duration", "refused", 1),
        ]
    );
}
