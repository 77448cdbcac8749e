//! The two clients: bare, and with the layers around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::Connect, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tower::util::{BoxCloneSyncService, MapResponse};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::resume::ResumeLayer;
use tower_redial::retry::Limits;
use tower_redial::{ConnectionHealth, Downgrade, RetryOnCanceledLayer};

use crate::args::Args;
use crate::concurrency::{Concurrency, Places};
use crate::counts::{Protocols, Repairs};

/// Either client. Its clones share one connection pool.
#[derive(Clone, Debug)]
pub(crate) struct AnyClient {
    service: BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, BoxError>,
    /// How long a body may stand still, where no layer minds that.
    pub(crate) stall_timeout: Option<Duration>,
    protocols: Protocols,
}

/// A response's body, whichever client it is from.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

impl AnyClient {
    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Empty<Bytes>>) -> Result<Response<Body>, BoxError> {
        let uri = request.uri().clone();
        let response = self.service.clone().oneshot(request).await?;
        self.protocols.count(&uri, response.version());
        Ok(response)
    }
}

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

/// So many connections of HTTP/2 may die in a row, within so long, before an origin gets HTTP/1.1.
const DEATHS: (u32, Duration) = (3, Duration::from_secs(60));

/// How a client is made.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) tls: ClientConfig,
    pub(crate) protocol: Protocol,
    /// How long a whole download may take.
    pub(crate) timeout: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) resume_max: u32,
    pub(crate) concurrency: Concurrency,
    /// Watches the connections of the client that has the layers.
    pub(crate) health: ConnectionHealth,
    /// Knows which origins that client speaks HTTP/1.1 with, though they would speak HTTP/2.
    pub(crate) downgrade: Downgrade,
    /// Counts the connections made.
    pub(crate) connections: Arc<AtomicU64>,
}

impl Setup {
    pub(crate) fn new(tls: ClientConfig, protocol: Protocol, args: &Args, health: ConnectionHealth) -> Self {
        let Args { timeout, head_timeout, stall_timeout, resume_max, concurrency, .. } = *args;
        Self {
            tls,
            protocol,
            timeout,
            head_timeout,
            stall_timeout,
            resume_max,
            concurrency,
            health,
            downgrade: Downgrade::builder().after(DEATHS.0, DEATHS.1).build(),
            connections: Arc::default(),
        }
    }

    /// hyper-util's client with timeouts, as people have it before they add the layers.
    pub(crate) fn bare(&self, protocols: &Protocols) -> AnyClient {
        let stack = ServiceBuilder::new().map_response(boxed).timeout(self.head_timeout);
        let service = BoxCloneSyncService::new(stack.service(self.client(self.connector(self.protocol))));
        AnyClient { service, stall_timeout: Some(self.stall_timeout), protocols: protocols.clone() }
    }

    /// The same with the layers: four lines more, some around the connector, and some for the report.
    pub(crate) fn redial(&self, repairs: &Repairs, places: &Places, protocols: &Protocols) -> AnyClient {
        // A connection takes down all that is open on it at once: so many resends there must be, however few the successes. The
        // default of 10 a second is good for 100 at once.
        let at_once = u32::try_from(self.concurrency.most()).unwrap_or(u32::MAX).max(10);
        let (counts, losses) = (repairs.clone(), places.clone());
        let resume = ResumeLayer::new()
            .limits(Limits::after_loss().max_resends(8).budget_per_origin(1.0, at_once))
            .max_resumes(self.resume_max)
            .stall_timeout(self.stall_timeout)
            .on_resume(move |event| {
                counts.count_resume(event);
                losses.broke(event.uri(), event.broke());
            });
        let (counts, losses) = (repairs.clone(), places.clone());
        let retry = RetryOnCanceledLayer::new()
            // Where connections of HTTP/2 keep dying, the last of these goes over HTTP/1.1.
            .after_loss(Limits::after_loss().max_resends(DEATHS.0).budget_per_origin(0.2, at_once))
            // A GET that timed out may be sent again: it may just have met a slow server.
            .resend_timeouts(true)
            // The default of 30 s is over when the first attempt has timed out.
            .retry_for(self.timeout)
            .on_retry(move |event| {
                counts.count_resend(event);
                losses.failed(event.uri(), event.failure().cause());
            });
        // Around the connectors that do TLS: inside of them there is nothing to be seen.
        let watched = |protocol| self.health.connector(self.connector(protocol));
        let mut connector = self.downgrade.connector(watched(self.protocol));
        if self.protocol == Protocol::Alpn {
            // Without this nothing is downgraded: who asks for one version gets no other.
            connector = connector.fallback(watched(Protocol::Http1));
        }
        let stack = ServiceBuilder::new()
            .map_response(boxed)
            .layer(resume)
            .layer(retry)
            .layer(connector.layer())
            .layer(self.health.layer())
            .timeout(self.head_timeout);
        let service = BoxCloneSyncService::new(stack.service(self.client(connector)));
        AnyClient { service, stall_timeout: None, protocols: protocols.clone() }
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

    fn connector(
        &self,
        protocol: Protocol,
    ) -> Counted<impl Fn(Stream) -> Stream + Clone + Send + Sync + Unpin + 'static> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        // It would refuse https, which is not its business but that of the connector around it.
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.tls.clone()).https_or_http();
        let connector = match protocol {
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
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}
