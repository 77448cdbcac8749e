//! The pool: as many connections as it takes, replaced before they go, and nobody lost in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_redial::connect::{Pool, PoolBuilder};
use tower_redial::fate::{Cause, Fate};
use tower_redial::health::{Connection, ConnectionId, Drain, EventKind, Notice};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::setup::{text, verdict};
use crate::support::bound::{checked, within};
use crate::support::tls::Trusting as _;
use crate::support::wire::MAX_STREAM_ID;
use crate::support::{
    Fault, FaultyServer, GoAway, NobodyListens, Reply, ScriptedServer, clients, reason, setting, tls,
};

type Plain<B = Full<Bytes>> = Pool<HttpConnector, B>;

fn builder(health: &ConnectionHealth) -> PoolBuilder<HttpConnector, Full<Bytes>> {
    Pool::builder(health, clients::http_connector())
}

async fn post(pool: &Plain, uri: Uri, id: impl AsRef<str>) -> (String, ConnectionId) {
    let response = pool.clone().oneshot(clients::post(uri, id.as_ref(), "")).await.unwrap();
    let connection = response.extensions().get::<Connection>().unwrap().id();
    (text(Ok(response)).await, connection)
}

/// Watches a number until it is dropped, and gives the highest.
fn highest(read: impl Fn() -> usize + Send + 'static) -> (Arc<AtomicBool>, tokio::task::JoinHandle<usize>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let watch = tokio::spawn(async move {
        let mut most = 0;
        while !stopped.load(Ordering::Relaxed) {
            most = most.max(read());
            tokio::task::yield_now().await;
        }
        most
    });
    (stop, watch)
}

/// Q5, Q8, G9: 10,000 requests, ten streams a connection, GOAWAY after each hundred, a second to live: nothing surfaces, nothing
/// is doubled, the connections share evenly, and there are never more than allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_requests_lose_nothing() {
    const REQUESTS: u64 = 10_000;
    const CEILING: usize = 6;
    let server = FaultyServer::builder()
        .announced_streams(10)
        .goaway(GoAway::every(100))
        .delay(Duration::from_millis(10))
        .start()
        .await;
    let health = ConnectionHealth::builder().max_age(Duration::from_secs(1)).event_capacity(4_096).build();
    let mut events = health.subscribe();
    let client = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new())
        .service(Pool::builder(&health, clients::http_connector()).max_connections(CEILING).build());
    // On this side: the server learns of an end later.
    let (stop, open) = highest({
        let health = health.clone();
        move || health.snapshot().connections.len()
    });
    let ids = Arc::new(AtomicU64::new(0));
    let workers = (0..50).map(|_| {
        let (mut client, ids, uri) = (client.clone(), Arc::clone(&ids), server.uri("/"));
        tokio::spawn(async move {
            let mut served: BTreeMap<ConnectionId, u64> = BTreeMap::new();
            loop {
                let id = ids.fetch_add(1, Ordering::Relaxed);
                if id >= REQUESTS {
                    return served;
                }
                let request: Request<Full<Bytes>> = clients::post(uri.clone(), &id.to_string(), "");
                let response = checked(Duration::from_secs(20), client.ready().await.unwrap().call(request)).await;
                let response = response.expect("it hangs").unwrap_or_else(|error| panic!("{error:?}"));
                *served.entry(response.extensions().get::<Connection>().unwrap().id()).or_default() += 1;
                checked(Duration::from_secs(20), response.into_body().collect()).await.expect("it hangs").unwrap();
            }
        })
    });
    let mut served: BTreeMap<ConnectionId, u64> = BTreeMap::new();
    for worker in join_all(workers).await {
        for (connection, count) in worker.unwrap() {
            *served.entry(connection).or_default() += count;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let open = open.await.unwrap();
    let counters = server.counters();
    println!("{} connections, {open} at most; served {:?}", counters.connections, served.values().collect::<Vec<_>>());
    // Those that lived for as many requests as the server lets them have had as many, and no other got more.
    drop((client, health));
    let mut shut_down = 0;
    while let Some(notice) = within("the events", events.next()).await {
        let Notice::Event(event) = notice else { panic!("{notice:?}") };
        if let EventKind::Draining { reason: Drain::GoAway { .. } } = event.kind {
            let count = served.get(&event.connection).copied().unwrap_or_default();
            assert!((100..=120).contains(&count), "{} had {count}", event.connection);
            shut_down += 1;
        }
    }
    assert!(shut_down >= 50 && served.values().all(|count| *count <= 120), "{shut_down}");
    assert_eq!(server.ledger().doubled(), []);
    assert_eq!(server.ledger().distinct(), REQUESTS);
    assert_eq!(server.violations(), Vec::<String>::new());
    assert!(open <= CEILING, "{open}");
    assert_eq!((counters.over_limit, counters.refused), (0, 0));
    assert!(counters.max_open <= 10);
}

/// Requests spread within a fifth of even over connections that live as long.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_spread_evenly() {
    let server = FaultyServer::builder().announced_streams(10).delay(Duration::from_millis(2)).start().await;
    let pool = builder(&ConnectionHealth::default()).max_connections(4).min_connections(4).build();
    let workers = |number: u64, each: u64| {
        join_all((0..number).map(|worker| {
            let (pool, uri) = (pool.clone(), server.uri("/"));
            tokio::spawn(async move {
                let mut served = Vec::new();
                for n in 0..each {
                    served.push(post(&pool, uri.clone(), format!("{number}-{worker}-{n}")).await.1);
                }
                served
            })
        }))
    };
    // Until all are there.
    while server.counters().open_connections < 4 {
        post(&pool, server.uri("/"), "").await;
    }
    // Where all streams are taken there is no choice.
    for number in [2, 8, 32] {
        let mut served: BTreeMap<ConnectionId, u64> = BTreeMap::new();
        for worker in workers(number, 1_600 / number).await {
            worker.unwrap().into_iter().for_each(|connection| *served.entry(connection).or_default() += 1);
        }
        println!("{number} workers: {served:?}");
        assert!(served.len() == 4 && served.values().all(|count| (320..=480).contains(count)), "{served:?}");
    }
    assert_eq!(server.counters().connections, 4);
}

/// Q11: a hundred requests on a cold pool share one connect; it goes on when those who asked for it first leave.
#[tokio::test]
async fn a_cold_start_is_one_connect() {
    let server = FaultyServer::builder().start().await;
    let pool = builder(&ConnectionHealth::default()).build();
    let mut leaving: Vec<_> = (0..10).map(|n| Box::pin(post(&pool, server.uri("/"), format!("left-{n}")))).collect();
    for request in &mut leaving {
        assert!(futures_util::poll!(request).is_pending());
    }
    let staying = (0..100).map(|n| post(&pool, server.uri("/"), n.to_string()));
    let staying = join_all(staying);
    tokio::pin!(staying);
    assert!(futures_util::poll!(&mut staying).is_pending());
    drop(leaving);
    assert_eq!(within("the answers", staying).await.len(), 100);
    assert_eq!(server.counters().connections, 1);
    assert_eq!(server.ledger().total(), 100, "nothing of those who left");
}

/// Q8: before a connection has reached its age another is there; the old one finishes what is open.
#[tokio::test]
async fn a_replacement_comes_first() {
    let server = FaultyServer::builder().delay(Duration::from_millis(5)).start().await;
    let health = ConnectionHealth::builder().max_age(Duration::from_secs(1)).max_age_jitter(0.0).build();
    let mut events = health.subscribe();
    let pool = builder(&health).build();
    let began = Instant::now();
    let mut n = 0;
    while began.elapsed() < Duration::from_millis(2_500) {
        post(&pool, server.uri("/"), n.to_string()).await;
        n += 1;
    }
    drop(pool);
    drop(health);
    let mut open = 0;
    let mut drained = 0;
    while let Some(Notice::Event(event)) = within("an event", events.next()).await {
        match event.kind {
            EventKind::Opened => open += 1,
            EventKind::Draining { reason } => {
                assert_eq!((reason, open), (Drain::Asked, 2), "another is there");
                (open, drained) = (open - 1, drained + 1);
            }
            EventKind::Closed { .. } if drained >= 2 => break,
            _ => {}
        }
    }
    assert!(drained >= 2);
}

/// Idle connections are closed, and an origin that nobody asks for is forgotten.
#[tokio::test]
async fn what_is_idle_is_closed_and_forgotten() {
    let server = FaultyServer::builder().start().await;
    let pool = builder(&ConnectionHealth::default()).idle_timeout(Duration::from_millis(100)).build();
    post(&pool, server.uri("/"), "1").await;
    assert_eq!((pool.origins(), server.counters().open_connections), (1, 1));
    let forgotten = async {
        while pool.origins() > 0 || server.counters().open_connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the end of it", forgotten).await;
    post(&pool, server.uri("/"), "2").await;
    assert_eq!(server.counters().connections, 2);
}

/// A stream that stays open is idle to nobody.
#[tokio::test]
async fn an_open_stream_keeps_its_connection() {
    let server = ScriptedServer::bind().await;
    let pool = builder(&ConnectionHealth::default()).idle_timeout(Duration::from_millis(50)).build();
    let response = tokio::spawn(pool.clone().oneshot(clients::get(server.uri("/"), "1")));
    let mut conn = server.accept().await;
    conn.request().await;
    conn.head(1, 200, &[]).await;
    let response = response.await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    conn.data(1, "late", true).await;
    assert_eq!(text(response).await, "late");
    conn.until_closed().await;
}

/// G1, G6: those who wait for a stream of a connection that is shut down get the next one's, in their order.
#[tokio::test]
async fn who_waits_is_handed_over() {
    let server = ScriptedServer::bind().await;
    let pool = builder(&ConnectionHealth::default()).max_connections(1).build();
    let requests: Vec<_> = (0..5)
        .map(|n| tokio::spawn(pool.clone().oneshot(clients::post(server.uri("/"), &n.to_string(), "body"))))
        .collect();
    let limit = [(setting::MAX_CONCURRENT_STREAMS, 1)];
    let mut first = server.accept_with(&limit).await;
    let received = first.request().await;
    assert_eq!(received.id, "0");
    first.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
    first.respond(received.stream_id, 200, &[], "first").await;
    let mut second = server.accept_with(&limit).await;
    for n in 1..5 {
        let received = second.request().await;
        assert_eq!(received.id, n.to_string());
        second.respond(received.stream_id, 200, &[], "second").await;
    }
    first.until_closed().await;
    assert!(first.unheard().is_empty());
    for (n, request) in requests.into_iter().enumerate() {
        assert_eq!(text(request.await.unwrap()).await, if n == 0 { "first" } else { "second" });
    }
}

/// G1: a stream that stays open on a connection that was shut down does not keep the origin from its requests, even where
/// only one connection is allowed.
#[tokio::test]
async fn a_long_stream_blocks_nobody() {
    let server = ScriptedServer::bind().await;
    let pool = builder(&ConnectionHealth::default()).max_connections(1).build();
    let long = tokio::spawn(pool.clone().oneshot(clients::get(server.uri("/"), "long")));
    let mut first = server.accept().await;
    first.request().await;
    first.head(1, 200, &[]).await;
    let long = long.await.unwrap();
    first.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
    first.round_trip().await;
    let next = tokio::spawn(pool.clone().oneshot(clients::post(server.uri("/"), "next", "")));
    let mut second = server.accept().await;
    let received = second.request().await;
    second.respond(received.stream_id, 200, &[], "next").await;
    assert_eq!(text(next.await.unwrap()).await, "next");
    first.data(1, "long", true).await;
    assert_eq!(text(long).await, "long");
}

/// K1, K3: a silent connection gets no request.
#[tokio::test]
async fn a_silent_connection_gets_nothing() {
    let server = FaultyServer::builder().silent_once(3).start().await;
    let health = ConnectionHealth::builder()
        .probe_after(Duration::from_millis(50))
        .probe_timeout(Duration::from_millis(50))
        .dead_after(Duration::from_millis(400))
        .build();
    let pool = builder(&health).build();
    for n in 1..=2 {
        post(&pool, server.uri("/"), n.to_string()).await;
    }
    let silenced = tokio::spawn(pool.clone().oneshot(clients::post(server.uri("/"), "3", "")));
    let silent = async {
        while health.snapshot().connections.iter().all(|connection| connection.state.admits()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("the silence", silent).await;
    for n in 4..=6 {
        post(&pool, server.uri("/"), n.to_string()).await;
    }
    assert_eq!(server.counters().connections, 2);
    let error = within("its end", silenced).await.unwrap().unwrap_err();
    assert_eq!(verdict(&error), (Fate::Unknown, Cause::Silent));
}

/// C21, T14: a connect that fails fails all who wait for it, each with its request; the next waits a while.
#[tokio::test]
async fn a_failed_connect_is_shared_and_backed_off() {
    let nobody = NobodyListens::bind();
    let uri = nobody.uri("/");
    let pool =
        builder(&ConnectionHealth::default()).backoff(Duration::from_millis(200), Duration::from_secs(1)).build();
    for round in 0..2 {
        let began = Instant::now();
        let requests = (0..20).map(|n| pool.clone().oneshot(clients::post(uri.clone(), &n.to_string(), "body")));
        for outcome in within("the errors", join_all(requests)).await {
            let error = outcome.unwrap_err();
            assert_eq!(verdict(&error), (Fate::NotSent, Cause::Connect));
            assert!(error.take_unsent::<Full<Bytes>>().is_some());
            let mut chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            assert!(chain.any(<dyn std::error::Error>::is::<std::io::Error>), "{error:?}");
        }
        assert!(round == 0 || began.elapsed() >= Duration::from_millis(80));
    }
}

/// G12: connections that are closed before they had a request: an error after a few, and no dialing without end.
#[tokio::test]
async fn useless_connections_are_few() {
    let server = ScriptedServer::bind().await;
    let pool =
        builder(&ConnectionHealth::default()).backoff(Duration::from_millis(20), Duration::from_millis(50)).build();
    let request = pool.clone().oneshot(clients::post(server.uri("/"), "1", "body"));
    let mut dials = 0;
    let outcome = within("the error", async {
        tokio::pin!(request);
        loop {
            tokio::select! {
                outcome = &mut request => return outcome,
                tcp = server.accept_tcp() => {
                    drop(tcp);
                    dials += 1;
                }
            }
        }
    });
    let error = outcome.await.unwrap_err();
    println!("{dials} dials: {error:?}");
    assert_ne!(error.failure().fate(), Fate::Permanent);
    assert!(dials <= 4);
}

/// Q3, W4: a peer that allows no stream: the wait is bounded, nothing spins, and the error holds the request.
#[tokio::test]
async fn a_limit_of_nothing_is_waited_for() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder().max_wait(Duration::from_millis(300)).build();
    let pool = builder(&health).build();
    let limit = [(setting::MAX_CONCURRENT_STREAMS, 0)];
    let first = tokio::spawn(pool.clone().oneshot(clients::post(server.uri("/"), "1", "")));
    let mut conn = server.accept_with(&limit).await;
    // It was sent before the SETTINGS had come.
    let received = conn.request().await;
    conn.reset(received.stream_id, reason::REFUSED_STREAM).await;
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(verdict(&error), (Fate::NotProcessed, Cause::Refused));
    let began = Instant::now();
    let error = within("the end", pool.clone().oneshot(clients::post(server.uri("/"), "2", ""))).await.unwrap_err();
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(verdict(&error), (Fate::NotSent, Cause::HandedBack));
    assert!(error.take_unsent::<Full<Bytes>>().is_some());
    conn.round_trip().await;
    assert!(conn.unheard().is_empty());
    assert_eq!(health.snapshot().connections.len(), 1);
}

/// Q6: whoever leaves the queue, or a stream, lets the next in.
#[tokio::test]
async fn leaving_lets_the_next_in() {
    let server = FaultyServer::builder().announced_streams(1).delay(Duration::from_millis(20)).start().await;
    let pool = builder(&ConnectionHealth::default()).max_connections(1).build();
    post(&pool, server.uri("/"), "first").await;
    let requests: Vec<_> = (0..40)
        .map(|n| {
            let request = tokio::spawn(pool.clone().oneshot(clients::post(server.uri("/"), &n.to_string(), "")));
            (n, request)
        })
        .collect();
    // One has its stream, and the others wait.
    within("the second request", async {
        while server.counters().streams < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for (n, request) in &requests {
        if n % 2 == 0 {
            request.abort();
        }
    }
    for (n, request) in requests {
        let outcome = within("its end", request).await;
        assert!(outcome.is_ok_and(|outcome| outcome.is_ok()) || n % 2 == 0);
    }
    assert_eq!(server.counters().max_open, 1);
}

/// C8, C1: what the server says that it did not process is sent again, POST or not, with a body or without; and what it may have,
/// is not.
#[tokio::test]
async fn what_was_not_processed_is_resent() {
    for body in ["", "the body"] {
        let server = ScriptedServer::bind().await;
        let pool = Pool::<HttpConnector, _>::builder(&ConnectionHealth::default(), clients::http_connector()).build();
        let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool);
        let send = |id: &str| {
            let request: Request<Full<Bytes>> = clients::post(server.uri("/"), id, body);
            tokio::spawn(client.clone().oneshot(request))
        };
        let covered = send("covered");
        let mut first = server.accept().await;
        let received = first.request().await;
        let above = send("above");
        first.request().await;
        first.goaway(received.stream_id, reason::NO_ERROR).await;

        let mut second = server.accept().await;
        let resent = second.request().await;
        assert_eq!(resent.id, "above");
        second.reset(resent.stream_id, reason::REFUSED_STREAM).await;
        let again = second.request().await;
        assert_eq!(again.id, "above");
        if !body.is_empty() {
            assert_eq!(second.read_body(again.stream_id).await.data, body);
        }
        second.respond(again.stream_id, 200, &[], "above").await;
        assert_eq!(text(within("an answer", above).await.unwrap()).await, "above");

        first.abort();
        let error = within("an answer", covered).await.unwrap().unwrap_err();
        assert_eq!(error.failure().fate(), Fate::Unknown);
        second.round_trip().await;
        assert!(second.unheard().is_empty());
    }
}

/// C2: one that is refused for ever ends in the refusal, after a bounded number of attempts.
#[tokio::test]
async fn a_refusal_for_ever_ends() {
    let server = FaultyServer::builder().every(1, Fault::Refuse).start().await;
    let pool = Pool::<HttpConnector, _>::builder(&ConnectionHealth::default(), clients::http_connector()).build();
    let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool);
    let request: Request<Full<Bytes>> = clients::post(server.uri("/"), "1", "body");
    let error = within("an answer", client.oneshot(request)).await.unwrap_err();
    assert_eq!(verdict(&error), (Fate::NotProcessed, Cause::Refused));
    assert_eq!(server.counters().streams, 7);
}

/// G8: refused requests that come back do not tear the pool down.
#[tokio::test]
async fn refused_requests_come_back() {
    let server = FaultyServer::builder().every(5, Fault::Refuse).start().await;
    let pool = Pool::<HttpConnector, _>::builder(&ConnectionHealth::default(), clients::http_connector()).build();
    let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool.clone());
    for n in 0..100 {
        let request: Request<Full<Bytes>> = clients::post(server.uri("/"), &n.to_string(), "body");
        within("an answer", client.clone().oneshot(request)).await.unwrap();
    }
    assert_eq!((server.ledger().distinct(), server.ledger().doubled()), (100, vec![]));
    assert_eq!(pool.origins(), 1);
}

/// A peer that does not speak HTTP/2, and a URI that says nothing.
#[tokio::test]
async fn what_cannot_be_served_fails_for_good() {
    let identity = tls::Identity::new();
    let server = ScriptedServer::bind_tls_with(&identity, &[tls::HTTP_1_1]).await;
    let pool = Pool::builder(&ConnectionHealth::default(), identity.connector()).build();
    let request: Request<Full<Bytes>> = clients::post(server.uri("/"), "1", "");
    let (outcome, _socket) = tokio::join!(pool.clone().oneshot(request), server.accept_socket());
    assert_eq!(verdict(&outcome.unwrap_err()), (Fate::Permanent, Cause::Http11Required));
    let error = pool.clone().oneshot(clients::post(Uri::from_static("/"), "1", "")).await.unwrap_err();
    assert_eq!(verdict(&error), (Fate::Permanent, Cause::Request));
}

/// S2: within a timeout and a limit of concurrency, and without either being held up.
#[tokio::test]
async fn it_composes() {
    let server = FaultyServer::builder()
        .goaway(GoAway::every(7))
        .handler(|received, _| Reply::ok(received.id.clone()))
        .start()
        .await;
    let pool = Pool::<HttpConnector, _>::builder(&ConnectionHealth::default(), clients::http_connector()).build();
    let client = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new())
        .concurrency_limit(5)
        .timeout(Duration::from_secs(10))
        .service(pool);
    let requests = (0..100).map(|n| {
        let request: Request<Full<Bytes>> = clients::post(server.uri("/"), &n.to_string(), "body");
        client.clone().oneshot(request)
    });
    for outcome in within("the answers", join_all(requests)).await {
        outcome.unwrap();
    }
    assert_eq!((server.ledger().distinct(), server.ledger().doubled()), (100, vec![]));
}

/// A pool outlives the runtime of its first request: a static one in tests, for instance.
#[test]
fn a_pool_outlives_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let servers = runtime();
    let server = servers.block_on(FaultyServer::builder().start());
    let pool = builder(&ConnectionHealth::default()).build();
    for n in 0..3 {
        runtime().block_on(post(&pool, server.uri("/"), n.to_string()));
    }
    assert_eq!(server.ledger().distinct(), 3);
}

/// Odd settings are brought within what serves requests, and no connections are made for nobody.
#[tokio::test]
async fn odd_settings_serve() {
    let server = FaultyServer::builder().start().await;
    let health = ConnectionHealth::builder().max_requests(0).build();
    let pool = builder(&health).idle_timeout(Duration::ZERO).build();
    for n in 0..5 {
        within("a response", post(&pool, server.uri("/"), n.to_string())).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let counters = server.counters();
    assert!((1..=11).contains(&counters.connections), "{counters:?}");
}

/// Connections that nobody uses do not replace each other for ever.
#[tokio::test]
async fn what_nobody_uses_is_not_replaced_for_ever() {
    let server = FaultyServer::builder().start().await;
    let health = ConnectionHealth::builder().max_age(Duration::from_millis(100)).build();
    let pool = builder(&health).idle_timeout(Duration::from_millis(350)).build();
    post(&pool, server.uri("/"), "1").await;
    within("all connections to go", async {
        while server.counters().open_connections > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let connections = server.counters().connections;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((server.counters().connections, server.counters().open_connections), (connections, 0));
}
