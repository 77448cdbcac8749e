//! The three clients.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::connect::Pool;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

/// Any of the three: from a request to the whole of its response.
pub(crate) type AnyClient = BoxCloneSyncService<Request<Full<Bytes>>, Bytes, BoxError>;

/// hyper-util's: one connection, on which requests wait that it cannot open a stream for.
pub(crate) fn hyper_util() -> AnyClient {
    boxed(Client::builder(TokioExecutor::new()).http2_only(true).build(connector()))
}

/// The pool by itself: what could not be sent comes back in the error.
pub(crate) fn pool() -> AnyClient {
    boxed(Pool::builder(&ConnectionHealth::default(), connector()).build())
}

/// The pool, and above it the layer that sends again what was provably not processed.
pub(crate) fn pool_with_resends() -> AnyClient {
    let pool = Pool::builder(&ConnectionHealth::default(), connector()).build();
    boxed(ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool))
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

fn boxed<S, R>(client: S) -> AnyClient
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let whole = client.map_err(Into::into).and_then(|response: Response<R>| async {
        Ok(response.into_body().collect().await.map_err(Into::into)?.to_bytes())
    });
    BoxCloneSyncService::new(whole)
}
