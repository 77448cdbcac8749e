//! tonic has no pool that could be told not to use a connection: there a GOAWAY of our own drains it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::fate::{BodyUse, Failure, Fate};
use tower_redial::health::{Drain, EventKind, Protocol, ResponseBody};
use tower_redial::{ConnectionHealth, ReplayBody, RetryOnCanceledLayer};

use crate::setup::until;
use crate::support::bound::within;
use crate::support::tls::Trusting as _;
use crate::support::{FaultyServer, GoAway, REQUEST_ID, ScriptedServer, clients};

const WORKERS: usize = 64;
const REQUESTS: usize = 60;

async fn channel(health: &ConnectionHealth, uri: &Uri) -> Channel {
    let endpoint = Endpoint::from(uri.clone());
    within("tonic to connect", endpoint.connect_with_connector(health.connector(clients::http_connector())))
        .await
        .unwrap()
}

fn post(id: &str, body: &str) -> Request<Body> {
    let request = Request::post("/service/method").header(REQUEST_ID, id);
    request.body(Body::new(http_body_util::Full::from(body.to_owned()))).unwrap()
}

/// The open stream finishes on the old connection, and the next request goes to a new one.
#[tokio::test]
async fn our_goaway_moves_requests() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder().own_goaway(true).build();
    let mut events = health.subscribe();
    let script = async {
        let mut first = server.accept().await;
        let open = first.request().await;
        first.head(open.stream_id, 200, &[]).await;
        let mut second = server.accept().await;
        let request = second.request().await;
        second.respond(request.stream_id, 200, &[], "second").await;
        assert!(first.unheard().is_empty());
        first.data(open.stream_id, "first", true).await;
        first.until_closed().await;
        second
    };
    let requests = async {
        let channel = channel(&health, &server.uri("/")).await;
        let client = ServiceBuilder::new().layer(health.layer().origin(&server.uri("/"))).service(channel);
        let response = client.clone().oneshot(post("1", "")).await.unwrap();
        health.drain_all();
        until(&mut events, |kind| *kind == EventKind::Draining { reason: Drain::Asked }).await;
        let next = client.clone().oneshot(post("2", "")).await;
        // Without a retry layer the one that finds out may come back unsent.
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                assert_eq!(Failure::of(&*error, BodyUse::Untouched).fate(), Fate::NotSent, "{error:?}");
                client.clone().oneshot(post("2", "")).await.unwrap()
            }
        };
        assert_eq!(next.into_body().collect().await.unwrap().to_bytes(), "second");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "first");
    };
    within("both sides", async { tokio::join!(requests, script) }).await;
}

/// A peer that stopped within a frame leaves no place for our GOAWAY: requests are not held back for it for ever.
#[tokio::test]
async fn our_goaway_that_finds_no_place_holds_nobody() {
    let server = ScriptedServer::bind().await;
    // Nothing else would end the wait.
    let never = Duration::MAX;
    let health = ConnectionHealth::builder().own_goaway(true).probe_after(never).verify_idle(never).build();
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        conn.head(first.stream_id, 200, &[]).await;
        conn.raw(b"\0\0\x04\0\x01\0\0\0\x01ha").await;
        let second = conn.request().await;
        conn.raw(b"lf").await;
        conn.respond(second.stream_id, 200, &[], "second").await;
        conn
    };
    let requests = async {
        let channel = channel(&health, &server.uri("/")).await;
        let client = ServiceBuilder::new().layer(health.layer().origin(&server.uri("/"))).service(channel);
        let response = client.clone().oneshot(post("1", "")).await.unwrap();
        health.drain_all();
        let next = client.clone().oneshot(post("2", "")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "half");
        assert_eq!(next.into_body().collect().await.unwrap().to_bytes(), "second");
    };
    within("both sides", async { tokio::join!(requests, script) }).await;
}

/// tonic does its own TLS above the connector, where frames could not be seen: so the connector does it, and tonic is told
/// `http://` and the origin.
#[tokio::test]
async fn tls_that_ends_in_the_connector_is_seen_through() {
    let server = ScriptedServer::bind_tls().await;
    let health = ConnectionHealth::default();
    let connector = server.identity().connector_for_http_uris();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.respond(request.stream_id, 200, &[], "").await;
        (conn, request)
    };
    let ask = async {
        let plain = server.uri("/").to_string().replace("https://", "http://");
        let endpoint = Endpoint::from_shared(plain).unwrap().origin(server.uri("/"));
        let channel = endpoint.connect_with_connector(health.connector(connector)).await.unwrap();
        ServiceBuilder::new().layer(health.layer()).service(channel).oneshot(post("1", "")).await.unwrap();
    };
    let ((_conn, request), ()) = within("both sides", async { tokio::join!(script, ask) }).await;
    assert_eq!(request.authority, server.uri("/").authority().unwrap().as_str());
    let ended = health.snapshot();
    let connection = ended.connections.first().or(ended.ended.first()).unwrap();
    assert_eq!((connection.protocol, connection.requests), (Protocol::Http2, 1));
}

/// What became of requests, 64 at a time.
struct Load {
    /// What the GOAWAY race of hyper's took.
    raced: u64,
}

/// Half of the requests have a body. The client resends.
async fn load<S>(server: &FaultyServer, client: S, drive: impl Future<Output = ()> + Send + 'static) -> Load
where
    S: Service<Request<Body>, Response: Send, Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let raced = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|worker| {
        let (client, raced) = (client.clone(), Arc::clone(&raced));
        tokio::spawn(async move {
            for n in 0..REQUESTS {
                let id = format!("{worker}-{n}");
                let body = if n % 2 == 0 { "body" } else { "" };
                if let Err(error) = within("a response", client.clone().oneshot(post(&id, body))).await {
                    let failure = Failure::of(&*error, BodyUse::Untouched);
                    assert_eq!((failure.fate(), failure.cause().label()), (Fate::Unknown, "goaway"), "{error:?}");
                    raced.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    let driving = tokio::spawn(drive);
    join_all(workers).await.into_iter().for_each(|worker| worker.unwrap());
    driving.abort();
    let raced = raced.load(Ordering::Relaxed);
    let counters = server.counters();
    println!("{raced} of {} requests met the race, on {} connections", WORKERS * REQUESTS, counters.connections);
    assert_eq!(server.ledger().doubled(), []);
    assert!(server.ledger().distinct() >= (WORKERS * REQUESTS) as u64 - raced);
    assert!(counters.connections >= 20, "{counters:?}");
    assert_eq!(server.violations(), Vec::<String>::new());
    Load { raced }
}

async fn resent(uri: &Uri, health: &ConnectionHealth) -> Resent {
    let channel = channel(health, uri).await;
    let client = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new())
        .layer(health.layer().origin(uri))
        .map_request(wrap as fn(Request<ReplayBody<Body>>) -> Request<Body>)
        .service(channel);
    BoxCloneSyncService::new(client)
}

type Resent = BoxCloneSyncService<Request<Body>, Response<ResponseBody<Body>>, BoxError>;

fn wrap(request: Request<ReplayBody<Body>>) -> Request<Body> {
    request.map(Body::new)
}

/// Under `RetryOnCanceled`, drained every few milliseconds: nothing is lost, nothing is done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn our_goaway_fails_nothing_under_load() {
    let server = FaultyServer::builder().delay(Duration::from_millis(1)).start().await;
    let health = ConnectionHealth::builder().own_goaway(true).build();
    let client = resent(&server.uri("/"), &health).await;
    let draining = async move {
        loop {
            health.drain_all();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let load = load(&server, client, draining).await;
    assert!(load.raced <= 5, "{}", load.raced);
}

/// G9, C7: the peer's own notice waits for the requests that are on their way; without that, each is a chance to lose one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_peers_notice_waits_for_what_is_on_its_way() {
    let server = FaultyServer::builder().delay(Duration::from_millis(1)).goaway(GoAway::every(50)).start().await;
    let health = ConnectionHealth::builder().own_goaway(true).build();
    let client = resent(&server.uri("/"), &health).await;
    let load = load(&server, client, std::future::pending()).await;
    assert!(load.raced <= 5, "{}", load.raced);
}

/// The client is given a notice of ours once the request that was on its way is out; what names a last stream follows at once.
#[tokio::test]
async fn the_peers_notice_is_passed_on() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder().own_goaway(true).build();
    let mut events = health.subscribe();
    let script = async {
        let mut first = server.accept().await;
        let open = first.request().await;
        first.head(open.stream_id, 200, &[]).await;
        first.goaway_two_step().await;
        let mut second = server.accept().await;
        let request = second.request().await;
        second.respond(request.stream_id, 200, &[], "second").await;
        first.data(open.stream_id, "first", true).await;
        first.until_closed().await;
        second
    };
    let requests = async {
        let client = resent(&server.uri("/"), &health).await;
        let response = client.clone().oneshot(post("1", "")).await.unwrap();
        until(&mut events, |kind| matches!(kind, EventKind::Draining { reason: Drain::GoAway { .. } })).await;
        let next = client.clone().oneshot(post("2", "")).await.unwrap();
        assert_eq!(next.into_body().collect().await.unwrap().to_bytes(), "second");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "first");
    };
    within("both sides", async { tokio::join!(requests, script) }).await;
}

/// Q8: a connection gets too old, or has had enough, while nothing goes by on it: the next request goes to a new one at once.
#[tokio::test]
async fn what_is_retired_in_silence_holds_nobody() {
    const AGE: Duration = Duration::from_millis(300);
    for by_age in [true, false] {
        let server = ScriptedServer::bind().await;
        let health = ConnectionHealth::builder().own_goaway(true);
        let health = if by_age { health.max_age(AGE) } else { health.max_requests(1) }.build();
        let mut events = health.subscribe();
        let script = async {
            let mut first = server.accept().await;
            let request = first.request().await;
            if by_age {
                first.respond(request.stream_id, 200, &[], "first").await;
            }
            let mut second = server.accept().await;
            let next = second.request().await;
            second.respond(next.stream_id, 200, &[], "second").await;
            if !by_age {
                first.respond(request.stream_id, 200, &[], "first").await;
            }
            (first, second)
        };
        let requests = async {
            let client = resent(&server.uri("/"), &health).await;
            let first = tokio::spawn(client.clone().oneshot(post("1", "body")));
            until(&mut events, |kind| matches!(kind, EventKind::Draining { .. })).await;
            let next = within("the next request, at once", client.oneshot(post("2", "body"))).await.unwrap();
            assert_eq!(next.into_body().collect().await.unwrap().to_bytes(), "second");
            assert_eq!(first.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "first");
        };
        within("both sides", async { tokio::join!(requests, script) }).await;
    }
}
