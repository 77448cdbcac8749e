//! A client as the crate's documentation builds it: resends above health above a watched client.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::Connect},
    rt::{TokioExecutor, TokioTimer},
};
use tower::{BoxError, ServiceBuilder, ServiceExt as _, util::BoxCloneSyncService};
use tower_redial::{
    ConnectionHealth, RetryOnCanceledLayer,
    health::{
        Builder, Connection, ConnectionId, ConnectionSnapshot, Event, Events, MonitoredConnector, Notice, ResponseBody,
    },
    retry::Boxed,
};

use crate::{attempts::Attempts, backend::REQUEST_ID, support::bound::within};

pub(crate) type Watched = BoxCloneSyncService<Request<Full<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>;

/// When silence becomes suspicious, in these tests.
pub(crate) const PROBE_AFTER: Duration = Duration::from_millis(500);

/// When a probe without an answer ends its connection, in these tests.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(1);

/// Times that a test can wait for. Only silence under a request is suspicious.
pub(crate) fn quick() -> Builder {
    ConnectionHealth::builder()
        .probe_after(PROBE_AFTER)
        .probe_timeout(Duration::from_millis(300))
        .dead_after(DEAD_AFTER)
        .verify_idle(Duration::from_secs(60))
}

/// The whole stack. What goes into the health layer is entered into `attempts`.
pub(crate) fn client<C>(
    health: &ConnectionHealth,
    connector: C,
    prior_knowledge: bool,
    layer: RetryOnCanceledLayer<Boxed>,
    attempts: &Attempts,
) -> Watched
where
    C: Clone + Send + Sync + 'static,
    MonitoredConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let attempts = attempts.clone();
    let client = Client::builder(TokioExecutor::new())
        .http2_only(prior_knowledge)
        .timer(TokioTimer::new())
        .build(health.connector(connector));
    let stack = ServiceBuilder::new()
        .layer(layer)
        .map_request(move |request| attempts.watch(request))
        .layer(health.layer())
        .service(client);
    BoxCloneSyncService::new(stack)
}

/// Sends a request, and reads the whole answer.
pub(crate) async fn send(client: Watched, method: Method, uri: Uri, id: &'static str) -> Result<Answer, BoxError> {
    let body = if method == Method::POST { Bytes::from_static(b"body") } else { Bytes::new() };
    let request = Request::builder().method(method).uri(uri).header(REQUEST_ID, id).body(Full::new(body))?;
    let (head, body) = client.oneshot(request).await?.into_parts();
    assert_eq!(head.status, StatusCode::OK, "{id}");
    body.collect().await?;
    Ok(Answer { extensions: head.extensions })
}

/// An answer of a server's, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) extensions: http::Extensions,
}

impl Answer {
    /// Which connection it came on.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.extensions.get::<Connection>().expect("the connection's handle").id()
    }
}

/// All that is known of a connection, whether it lives or has ended.
pub(crate) fn look_up(health: &ConnectionHealth, id: ConnectionId) -> ConnectionSnapshot {
    let snapshot = health.snapshot();
    snapshot
        .connections
        .into_iter()
        .chain(snapshot.ended)
        .find(|of| of.id == id)
        .expect("a connection of this client's")
}

/// The next thing that happens to this connection.
pub(crate) async fn next(events: &mut Events, connection: ConnectionId) -> Event {
    within("something to happen to the connection", async {
        loop {
            match events.next().await.expect("the health is there") {
                Notice::Event(event) if event.connection == connection => return event,
                Notice::Event(_) => {}
                Notice::Missed(missed) => panic!("{missed} events missed"),
            }
        }
    })
    .await
}
