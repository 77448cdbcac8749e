//! The two clients: bare, and with the layer around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{Client, connect::Connect, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tower::util::{BoxCloneSyncService, MapResponse};
use tower::{BoxError, ServiceBuilder};
use tower_redial::RetryOnCanceledLayer;

use crate::report::Resends;

/// Either client. Its clones share one connection pool.
pub(crate) type AnyClient = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Incoming>, BoxError>;

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
    /// Counts the connections made.
    pub(crate) connections: Arc<AtomicU64>,
}

impl Setup {
    pub(crate) fn new(tls: ClientConfig, protocol: Protocol, head_timeout: Duration) -> Self {
        Self { tls, protocol, head_timeout, connections: Arc::default() }
    }

    /// hyper-util's client with a timeout, as people have it before they add the layer.
    pub(crate) fn bare(&self) -> AnyClient {
        BoxCloneSyncService::new(ServiceBuilder::new().timeout(self.head_timeout).service(self.client()))
    }

    /// The same with the layer: one line more, and one for the report.
    pub(crate) fn redial(&self, resends: &Resends) -> AnyClient {
        let resends = resends.clone();
        let layer = RetryOnCanceledLayer::new()
            // A GET that timed out may be sent again. That also gets a request out of the rare hang in which hyper never
            // answers, because its connection's task ended as the request was handed to it (hyper #4122).
            .resend_timeouts(true)
            .on_retry(move |event| resends.count(event));
        BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).timeout(self.head_timeout).service(self.client()))
    }

    fn client<B>(&self) -> Client<impl Connect + Clone + Send + Sync + 'static, B>
    where
        B: http_body::Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
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
        let counted = MapResponse::new(connector, move |connection| {
            connections.fetch_add(1, Ordering::Relaxed);
            connection
        });
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(self.protocol == Protocol::Http2)
            .build(counted)
    }
}
