//! Clients that are watched, with and without resends.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::health::ResponseBody;
use tower_redial::health::{Builder, Connection, ConnectionSnapshot, EventKind, Events, MonitoredConnector, Notice};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer, retry};

use crate::support::bound::within;
use crate::support::clients;
use crate::support::tls::Identity;
use crate::support::tls::Trusting as _;

pub(crate) type WatchedResponse = Response<ResponseBody<Incoming>>;
pub(crate) type Watched = BoxCloneSyncService<Request<Full<Bytes>>, WatchedResponse, BoxError>;

/// Times that a test can wait for.
pub(crate) fn quick() -> Builder {
    ConnectionHealth::builder()
        .probe_after(Duration::from_millis(300))
        .verify_idle(Duration::from_millis(500))
        .probe_timeout(Duration::from_millis(200))
        .dead_after(Duration::from_millis(500))
}

/// hyper-util's client over a watched connector.
pub(crate) fn client<C, B>(
    health: &ConnectionHealth,
    connector: C,
    prior_knowledge: bool,
) -> Client<MonitoredConnector<C>, B>
where
    C: Clone,
    MonitoredConnector<C>: Connect + Clone,
    B: Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .http2_only(prior_knowledge)
        .timer(TokioTimer::new())
        .build(health.connector(connector))
}

/// HTTP/2 with prior knowledge, without resends.
pub(crate) fn h2(health: &ConnectionHealth) -> Watched {
    watched(health, clients::http_connector(), true)
}

/// HTTP/1.1, without resends.
pub(crate) fn h1(health: &ConnectionHealth) -> Watched {
    watched(health, clients::http_connector(), false)
}

/// What ALPN says, without resends.
pub(crate) fn https(health: &ConnectionHealth, identity: &Identity) -> Watched {
    let connector: HttpsConnector<HttpConnector> = identity.connector();
    watched(health, connector, false)
}

fn watched<C>(health: &ConnectionHealth, connector: C, prior_knowledge: bool) -> Watched
where
    C: Clone + Send + Sync + 'static,
    MonitoredConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let client = client(health, connector, prior_knowledge);
    BoxCloneSyncService::new(ServiceBuilder::new().layer(health.layer()).service(client))
}

/// HTTP/2 with prior knowledge, and resends.
pub(crate) fn h2_resent(health: &ConnectionHealth) -> Watched {
    resent(health, clients::http_connector(), true, RetryOnCanceledLayer::new())
}

/// What ALPN says, and resends.
pub(crate) fn https_resent(health: &ConnectionHealth, identity: &Identity) -> Watched {
    resent(health, identity.connector(), false, RetryOnCanceledLayer::new())
}

pub(crate) fn resent<C>(
    health: &ConnectionHealth,
    connector: C,
    prior_knowledge: bool,
    layer: RetryOnCanceledLayer<retry::Boxed>,
) -> Watched
where
    C: Clone + Send + Sync + 'static,
    MonitoredConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let client = client(health, connector, prior_knowledge);
    BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).layer(health.layer()).service(client))
}

/// The whole body of the response to a request.
pub(crate) async fn fetch(client: &Watched, request: Request<Full<Bytes>>) -> Result<Bytes, BoxError> {
    let response = client.clone().oneshot(request).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

/// Which connection a response came on.
pub(crate) fn connection(response: &WatchedResponse) -> Connection {
    response.extensions().get::<Connection>().expect("the connection's handle").clone()
}

/// The only connection that lives.
pub(crate) fn only(health: &ConnectionHealth) -> ConnectionSnapshot {
    let mut connections = health.snapshot().connections;
    assert_eq!(connections.len(), 1, "{connections:?}");
    connections.remove(0)
}

/// Waits until something happens to a connection.
pub(crate) async fn until(events: &mut Events, wanted: impl Fn(&EventKind) -> bool) -> EventKind {
    within("a connection's event", async {
        loop {
            match events.next().await.expect("the health is there") {
                Notice::Event(event) if wanted(&event.kind) => return event.kind,
                Notice::Event(_) => {}
                Notice::Missed(missed) => panic!("{missed} events missed"),
            }
        }
    })
    .await
}
