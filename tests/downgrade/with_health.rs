//! Together with the health of connections, whichever connector is inside.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::downgrade::{DowngradeLayer, EventKind};
use tower_redial::health::{Connection, Protocol, ResponseBody};
use tower_redial::{ConnectionHealth, Downgrade, RetryOnCanceledLayer};

use crate::setup::{Ill, after, both, is_over_http1, quiet, until};
use crate::support::tls::Identity;
use crate::support::tls::Trusting as _;
use crate::support::{Fault, ScriptedServer, clients, reason, setting};

type Watched = BoxCloneSyncService<Request<Full<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>;

fn stack(downgrade: &Downgrade, health: &ConnectionHealth, identity: &Identity, health_inside: bool) -> Watched {
    let (http2, http1) = (identity.connector(), identity.connector_h1());
    let stack = |layer: DowngradeLayer| {
        ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(layer).layer(health.layer())
    };
    if health_inside {
        let connector = downgrade.connector(health.connector(http2)).fallback(health.connector(http1));
        BoxCloneSyncService::new(stack(connector.layer()).service(clients::builder().build(connector)))
    } else {
        let connector = downgrade.connector(http2).fallback(http1);
        let stack = stack(connector.layer());
        BoxCloneSyncService::new(stack.service(clients::builder().build(health.connector(connector))))
    }
}

#[tokio::test]
async fn both_see_the_same_connections() {
    for health_inside in [true, false] {
        let ill = Ill::yes();
        let required = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };
        let server = both().choose(ill.with(required)).start().await;
        let lasting = Duration::from_millis(100);
        let (downgrade, health) = (quiet().lasting(lasting).build(), ConnectionHealth::default());
        let service = stack(&downgrade, &health, server.identity(), health_inside);
        for protocol in [Protocol::Other, Protocol::Other, Protocol::Http2] {
            if protocol == Protocol::Http2 {
                ill.cure();
                tokio::time::sleep(lasting).await;
            }
            // A probe has to be a request that may be sent again.
            let request = match protocol {
                Protocol::Http2 => clients::get(server.uri("/"), "1"),
                _ => clients::post(server.uri("/"), "1", "body"),
            };
            let response = service.clone().oneshot(request).await.unwrap();
            let connection = response.extensions().get::<Connection>().expect("a watched connection").clone();
            assert_eq!(connection.snapshot().protocol, protocol, "inside: {health_inside}");
            response.into_body().collect().await.unwrap();
        }
        let origins = health.snapshot().origins;
        assert_eq!(origins.len(), 1, "one origin, whatever it speaks: {origins:?}");
        assert_eq!(origins[0].answered, 3);
    }
}

/// X2: a connection that falls silent before it is of use has died, whoever finds that out.
#[tokio::test]
async fn silence_is_a_death() {
    for health_inside in [true, false] {
        let server = both().choose(Ill::yes().with(Fault::Silence { processed: false })).start().await;
        let health = ConnectionHealth::builder()
            .probe_after(Duration::from_millis(50))
            .probe_timeout(Duration::from_millis(50))
            .dead_after(Duration::from_millis(100))
            .build();
        let downgrade = after(2).build();
        let service = stack(&downgrade, &health, server.identity(), health_inside);
        for n in 0..5 {
            let request = clients::get(server.uri("/"), &n.to_string());
            let response = crate::support::bound::within("a response", service.clone().oneshot(request)).await;
            assert_eq!(response.unwrap().status(), 200, "inside: {health_inside}");
        }
        assert!(is_over_http1(&downgrade), "inside: {health_inside}");
        assert_eq!((server.counters().streams, server.counters().http1_requests), (2, 5));
    }
}

/// X2: and so it is where every caller gives up before that, and the probe's too.
#[tokio::test]
async fn silence_is_a_death_that_no_caller_waits_for() {
    let server = both().choose(Ill::yes().with(Fault::Silence { processed: false })).start().await;
    let health = ConnectionHealth::builder()
        .probe_after(Duration::from_millis(100))
        .probe_timeout(Duration::from_millis(50))
        .dead_after(Duration::from_millis(100))
        .build();
    let downgrade = after(1).lasting(Duration::from_millis(500)).build();
    let mut events = downgrade.subscribe();
    let service = stack(&downgrade, &health, server.identity(), true);
    for is_probed in [false, true] {
        // What the first heard after it went out were the peer's SETTINGS: the second makes the connection suspicious.
        for _ in 0..2 {
            let request = clients::get(server.uri("/"), "given-up");
            tokio::time::timeout(Duration::from_millis(50), service.clone().oneshot(request)).await.unwrap_err();
            // After a probe that showed nothing the next has to wait.
            if is_probed {
                tokio::time::sleep(Duration::from_millis(70)).await;
            }
        }
        until(&mut events, |kind| matches!(kind, EventKind::Downgraded { .. })).await;
        service.clone().oneshot(clients::get(server.uri("/"), "served")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(510)).await;
    }
    assert_eq!((server.counters().streams, server.counters().http1_requests), (4, 2));
}

/// Requests over HTTP/1.1 do not wait for room on an HTTP/2 connection, which others need.
#[tokio::test]
async fn the_peers_stream_limit_does_not_hold_http1_back() {
    for health_inside in [true, false] {
        let server = ScriptedServer::bind_tls().await;
        let (downgrade, health) = (quiet().build(), ConnectionHealth::default());
        let service = stack(&downgrade, &health, server.identity(), health_inside);
        let call = |grpc: bool| {
            let mut request = clients::post(server.uri("/"), "1", "body");
            if grpc {
                request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            }
            service.clone().oneshot(request)
        };
        let script = async {
            let mut conn = server.accept_with(&[(setting::MAX_CONCURRENT_STREAMS, 2)]).await;
            let request = conn.request().await;
            conn.reset(request.stream_id, reason::HTTP_1_1_REQUIRED).await;
            let mut http1 = server.accept_h1().await;
            let request = http1.request().await;
            http1.read_body(&request).await;
            http1.respond(200, &[("connection", "close")], "").await;
            http1.close().await;
        };
        let (response, ()) = tokio::join!(call(false), script);
        response.unwrap().into_body().collect().await.unwrap();
        // A call that fills what may be used of the limit, and no connection of HTTP/1.1 there.
        let grpc = tokio::spawn(call(true));
        let mut conn = server.accept_with(&[(setting::MAX_CONCURRENT_STREAMS, 2)]).await;
        conn.request().await;
        conn.round_trip().await;
        let script = async {
            let mut http1 = server.accept_h1().await;
            let request = http1.request().await;
            http1.read_body(&request).await;
            http1.respond(200, &[], "").await;
        };
        let (response, ()) = tokio::join!(call(false), script);
        assert_eq!(response.unwrap().status(), 200, "inside: {health_inside}");
        grpc.abort();
    }
}
