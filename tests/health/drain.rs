//! Connections are replaced under load without failing one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Uri;
use tower_redial::ConnectionHealth;
use tower_redial::health::{Drain, State};

use crate::setup::{self, Watched, fetch};
use crate::support::bound::within;
use crate::support::faulty_server::Builder;
use crate::support::tls::Identity;
use crate::support::{FaultyServer, clients};

const WORKERS: usize = 64;

/// The requests of each worker.
const REQUESTS: usize = 60;

fn server() -> Builder {
    FaultyServer::builder().delay(Duration::from_millis(1)).addresses(8)
}

/// 64 workers send GETs and POSTs, with bodies and without, while connections are replaced. No request fails, and each is
/// processed once.
async fn nothing_is_lost(
    server: FaultyServer,
    client: Watched,
    drain: impl Fn() + Send + Sync + 'static,
) -> FaultyServer {
    let done = Arc::new(AtomicBool::new(false));
    let draining = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            while !done.load(Ordering::Relaxed) {
                drain();
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    let failed = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|worker| {
        let (client, uri, failed) = (client.clone(), server.uri_at(worker, "/"), Arc::clone(&failed));
        tokio::spawn(async move {
            for n in 0..REQUESTS {
                let id = format!("{worker}-{n}");
                let request = match n % 3 {
                    0 => clients::get(uri.clone(), &id),
                    1 => clients::post(uri.clone(), &id, "body"),
                    _ => clients::post(uri.clone(), &id, ""),
                };
                if let Err(error) = within("a response", fetch(&client, request)).await {
                    println!("{id}: {error:?}");
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    join_all(workers).await.into_iter().for_each(|worker| worker.unwrap());
    done.store(true, Ordering::Relaxed);
    draining.await.unwrap();
    assert_eq!(failed.load(Ordering::Relaxed), 0);
    assert_eq!((server.ledger().distinct(), server.ledger().doubled()), ((WORKERS * REQUESTS) as u64, vec![]));
    assert_eq!(server.violations(), Vec::<String>::new());
    let counters = server.counters();
    assert_eq!(counters.answered, (WORKERS * REQUESTS) as u64, "every stream finished");
    assert!(counters.connections >= 40, "{counters:?}");
    server
}

/// G5, Q8: `drain_all` every few milliseconds, HTTP/2 with prior knowledge, and no resends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drain_all_fails_nothing() {
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    let draining = health.clone();
    nothing_is_lost(server().start().await, client, move || draining.drain_all()).await;
}

/// The same with HTTP/2 by ALPN over TLS. Here resends are needed: while two connects race to find out what ALPN says,
/// hyper-util's own pool hands requests back, unsent ("ALPN upgraded to HTTP/2", `CheckedOutClosedValue`), drained or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drain_all_fails_nothing_over_tls() {
    let identity = Identity::new();
    let health = ConnectionHealth::default();
    let client = setup::https_resent(&health, &identity);
    let draining = health.clone();
    nothing_is_lost(server().tls(identity).start().await, client, move || draining.drain_all()).await;
}

/// Q8: connections that get old within milliseconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn max_age_fails_nothing() {
    let health = ConnectionHealth::builder().max_age(Duration::from_millis(5)).build();
    let client = setup::h2(&health);
    nothing_is_lost(server().start().await, client, || ()).await;
}

/// Q8: the same with HTTP/2 by ALPN over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn max_age_fails_nothing_over_tls() {
    let identity = Identity::new();
    let health = ConnectionHealth::builder().max_age(Duration::from_millis(20)).build();
    let client = setup::https_resent(&health, &identity);
    nothing_is_lost(server().tls(identity).start().await, client, || ()).await;
}

/// Q7: connections that have had enough after five requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn max_requests_fails_nothing() {
    let health = ConnectionHealth::builder().max_requests(5).build();
    let client = setup::h2(&health);
    nothing_is_lost(server().start().await, client, || ()).await;
}

/// One origin's connections are drained, and no other's.
#[tokio::test]
async fn one_origin_is_drained_by_itself() {
    let server = server().start().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    let uris: Vec<Uri> = (0..2).map(|n| server.uri_at(n, "/")).collect();
    let mut n = 0;
    let mut ask = async |uri: &Uri| {
        n += 1;
        fetch(&client, clients::get(uri.clone(), &n.to_string())).await.unwrap();
    };
    ask(&uris[0]).await;
    ask(&uris[1]).await;
    health.drain(&uris[0]);
    health.drain(&Uri::from_static("/no-origin"));
    let states: Vec<_> = health.snapshot().connections.iter().map(|connection| connection.state).collect();
    assert_eq!(states, [State::Draining(Drain::Asked), State::Open]);
    ask(&uris[0]).await;
    ask(&uris[1]).await;
    assert_eq!(server.counters().connections, 3);
}
