//! The two clients: bare, and with the layers around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::Connect, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tower::util::{BoxCloneSyncService, MapResponse};
use tower::{BoxError, Service, ServiceBuilder};
use tower_redial::retry::Limits;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::args::Args;
use crate::concurrency::{Concurrency, Places};
use crate::report::Resends;

/// Either client. Its clones share one connection pool.
pub(crate) type AnyClient = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, BoxError>;

/// A response's body, whichever client it is from.
type Body = BoxBody<Bytes, hyper::Error>;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 in the clear, and what ALPN says under TLS.
    Alpn,
    /// HTTP/1.1 always.
    Http1,
    /// HTTP/2 always.
    Http2,
}

/// How a client is made.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) tls: ClientConfig,
    pub(crate) protocol: Protocol,
    pub(crate) head_timeout: Duration,
    pub(crate) concurrency: Concurrency,
    /// Watches the connections of the client that has the layers.
    pub(crate) health: ConnectionHealth,
    /// Counts the connections made.
    pub(crate) connections: Arc<AtomicU64>,
}

impl Setup {
    pub(crate) fn new(tls: ClientConfig, protocol: Protocol, args: &Args, health: ConnectionHealth) -> Self {
        let (head_timeout, concurrency) = (args.head_timeout, args.concurrency);
        Self { tls, protocol, head_timeout, concurrency, health, connections: Arc::default() }
    }

    /// hyper-util's client with a timeout, as people have it before they add the layers.
    pub(crate) fn bare(&self) -> AnyClient {
        let stack = ServiceBuilder::new().map_response(boxed).timeout(self.head_timeout);
        BoxCloneSyncService::new(stack.service(self.client(self.connector())))
    }

    /// The same with the layers: two lines more, one around the connector, and one for the report.
    pub(crate) fn redial(&self, resends: &Resends, places: &Places) -> AnyClient {
        let (resends, places) = (resends.clone(), places.clone());
        // A connection takes down all that is open on it at once: so many resends there must be, however few the successes. The
        // default of 10 a second is good for 100 at once.
        let at_once = u32::try_from(self.concurrency.most()).unwrap_or(u32::MAX).max(10);
        let layer = RetryOnCanceledLayer::new()
            .after_loss(Limits::after_loss().budget_per_origin(0.2, at_once))
            // A GET that timed out may be sent again: it may just have met a slow server.
            .resend_timeouts(true)
            .on_retry(move |event| {
                resends.count(event);
                places.failed(event.uri(), event.failure().cause());
            });
        let stack = ServiceBuilder::new()
            .map_response(boxed)
            .layer(layer)
            .layer(self.health.layer())
            .timeout(self.head_timeout);
        // Around the connector that does TLS: inside of it there is nothing to be seen.
        BoxCloneSyncService::new(stack.service(self.client(self.health.connector(self.connector()))))
    }

    fn client<C, B>(&self, connector: C) -> Client<C, B>
    where
        C: Connect + Clone,
        B: http_body::Body + Send,
        B::Data: Send,
    {
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(self.protocol == Protocol::Http2)
            .build(connector)
    }

    fn connector(&self) -> Counted<impl Fn(Stream) -> Stream + Clone + Send + Sync + Unpin + 'static> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        // It would refuse https, which is not its business but that of the connector around it.
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.tls.clone()).https_or_http();
        let connector = match self.protocol {
            Protocol::Alpn => builder.enable_all_versions().wrap_connector(tcp),
            Protocol::Http1 => builder.enable_http1().wrap_connector(tcp),
            Protocol::Http2 => builder.enable_http2().wrap_connector(tcp),
        };
        let connections = Arc::clone(&self.connections);
        MapResponse::new(connector, move |connection| {
            connections.fetch_add(1, Ordering::Relaxed);
            connection
        })
    }
}

/// A connector that counts.
type Counted<F> = MapResponse<HttpsConnector<HttpConnector>, F>;

/// What it makes.
type Stream = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;

fn boxed<B>(response: Response<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error = hyper::Error> + Send + Sync + 'static,
{
    response.map(BodyExt::boxed)
}
