//! The layer of `health` around reqwest: what errors show.

use http::Method;
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::ConnectionHealth;

use crate::setup::{client, request};
use crate::support::bound::within;
use crate::support::{Fault, FaultyServer, reason};

/// K13: after PROTOCOL_ERROR reqwest goes on using the connection; the layer takes it out of reqwest's pool, which the error
/// shows the way to.
#[tokio::test]
async fn evidence_evicts() {
    for layered in [false, true] {
        let reset = Fault::Reset { reason: reason::PROTOCOL_ERROR, processed: false };
        let server = FaultyServer::builder().choose(move |_, nth| (nth == 2).then_some(reset)).start().await;
        let health = ConnectionHealth::default();
        let client = client();
        for n in 1..=3 {
            let get = request(Method::GET, &server.uri("/"), &n.to_string());
            let result = match layered {
                true => ServiceBuilder::new().layer(health.layer()).service(client.clone()).oneshot(get).await,
                false => client.execute(get).await,
            };
            assert_eq!(result.is_ok(), n != 2, "{result:?}");
        }
        assert_eq!(server.counters().connections, if layered { 2 } else { 1 });
        if layered {
            let origin = &health.snapshot().origins[0];
            assert_eq!((origin.answered, origin.failures[0].cause, origin.failures[0].count), (2, "reset", 1));
        }
    }
}

/// The same as middleware.
#[tokio::test]
async fn evidence_evicts_as_middleware() {
    let reset = Fault::Reset { reason: reason::PROTOCOL_ERROR, processed: false };
    let server = FaultyServer::builder().choose(move |_, nth| (nth == 2).then_some(reset)).start().await;
    let health = ConnectionHealth::default();
    let client = reqwest_middleware::ClientBuilder::new(client()).with(health.layer()).build();
    for n in 1..=3 {
        let get = request(Method::GET, &server.uri("/"), &n.to_string());
        let result = within("an end", client.execute(get)).await;
        assert_eq!(result.is_ok(), n != 2, "{result:?}");
    }
    assert_eq!((server.counters().connections, health.snapshot().origins[0].answered), (2, 2));
}
