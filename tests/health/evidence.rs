//! What the half at the request does by itself, without one at the socket; and requests whose client does not tell their end.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_redial::ConnectionHealth;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
use tower_redial::health::{Builder, EventKind};

use crate::setup::{self, until};
use crate::support::bound::within;
use crate::support::{Fault, FaultyServer, clients, reason};

/// A reset that says that one side has a wrong idea of the other: the connection is not used again.
fn misunderstood() -> crate::support::faulty_server::Builder {
    let reset = Fault::Reset { reason: reason::PROTOCOL_ERROR, processed: false };
    FaultyServer::builder().choose(move |_, nth| (nth == 2).then_some(reset))
}

/// C13: hyper-util goes on using the connection; under the layer it does not, although nobody watches its socket.
#[tokio::test]
async fn evidence_evicts() {
    for (layered, connections) in [(false, 1), (true, 2)] {
        let server = misunderstood().start().await;
        let client = clients::h2();
        let health = ConnectionHealth::default();
        let watched = ServiceBuilder::new().layer(health.layer()).service(client.clone());
        for n in 1..=3 {
            let request: Request<Full<Bytes>> = clients::get(server.uri("/"), &n.to_string());
            let failed = if layered {
                watched.clone().oneshot(request).await.is_err()
            } else {
                client.clone().oneshot(request).await.is_err()
            };
            assert_eq!(failed, n == 2);
        }
        assert_eq!(server.counters().connections, connections);
    }
}

/// The same where the client below drops request extensions, as reqwest does: the error itself knows the connection.
#[tokio::test]
async fn the_error_knows_its_connection() {
    let server = misunderstood().start().await;
    let client = clients::h2();
    let health = ConnectionHealth::default();
    let forgetful = ServiceBuilder::new()
        .layer(health.layer())
        .map_request(|mut request: Request<Full<Bytes>>| {
            request.extensions_mut().clear();
            request
        })
        .service(client);
    for n in 1..=3 {
        let response = forgetful.clone().oneshot(clients::get(server.uri("/"), &n.to_string())).await;
        assert_eq!(response.is_err(), n == 2);
    }
    assert_eq!(server.counters().connections, 2);
}

async fn connections_after_a_timeout(health: Builder) -> u64 {
    let silence = |nth| (nth == 2).then_some(Fault::Silence { processed: false });
    let server = FaultyServer::builder().choose(move |_, nth| silence(nth)).start().await;
    let health = health.build();
    let client = ServiceBuilder::new()
        .layer(health.layer())
        .timeout(Duration::from_millis(100))
        .service(clients::h2::<Full<Bytes>>());
    for n in 1..=3 {
        let response = client.clone().oneshot(clients::get(server.uri("/"), &n.to_string())).await;
        assert_eq!(response.is_ok(), n == 1 || (n == 3 && server.counters().connections == 2));
    }
    server.counters().connections
}

/// K1 without a socket half: after a timeout the next request goes to a new connection, unless that is switched off.
#[tokio::test]
async fn a_timeout_evicts_where_nobody_watches() {
    assert_eq!(connections_after_a_timeout(ConnectionHealth::builder()).await, 2);
    assert_eq!(connections_after_a_timeout(ConnectionHealth::builder().retire_on_timeout(false)).await, 1);
}

/// G7: a client that never tells the end of a request whose connection has ended, as hyper does not when it loses one: the
/// request is ended after the grace, and proves nothing.
#[tokio::test]
async fn a_request_does_not_outlive_its_connection() {
    let cut = Fault::Cut { how: crate::support::Cut::Fin, processed: true };
    let server = FaultyServer::builder().every(1, cut).start().await;
    let health = ConnectionHealth::builder().grace(Duration::from_millis(50)).build();
    let client = setup::client::<_, Full<Bytes>>(&health, clients::http_connector(), true);
    let secretive = service_fn(move |request| {
        let client = client.clone();
        async move {
            match client.oneshot(request).await {
                Ok(response) => Ok::<_, BoxError>(response),
                Err(_) => pending().await,
            }
        }
    });
    let client = ServiceBuilder::new().layer(health.layer()).service(secretive);
    let mut events = health.subscribe();
    let request = clients::post(server.uri("/"), "1", "body");
    let error = within("its end", client.oneshot(request)).await.unwrap_err();
    let failure = Failure::of(&*error, BodyUse::Polled);
    assert_eq!((failure.fate(), failure.cause()), (Fate::Unknown, Cause::Closed));
    until(&mut events, |kind| *kind == EventKind::Rescued).await;
    let origin = &health.snapshot().origins[0];
    assert_eq!((origin.in_flight, origin.failures[0].cause), (0, "closed"));
}
