use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use tower::util::Oneshot;
use tower::{BoxError, Service, ServiceExt};

use super::OneClient;
use super::attempt::{Way, with_alpn};
use super::future::ResponseFuture;
use super::registry::Hub;
use super::request::{Need, need, prepare};
use crate::health::Origin;
use crate::over_http1;

/// Sends requests as its client does, but those to a downgraded origin over HTTP/1.1.
///
/// Made by [`DowngradeLayer`](super::DowngradeLayer); see the [module](super) for what it does.
///
/// # Errors
///
/// The clients' own, boxed and otherwise unchanged; around reqwest not even boxed.
///
/// # Clone
///
/// The clients must be `Clone`: the first is let go of, where it was ready for a request that the second gets.
#[derive(Clone)]
pub struct PreferHttp2<S, F = OneClient> {
    inner: S,
    fallback: F,
    hub: Arc<Hub>,
    origin: Option<Origin>,
}

impl<S, F> PreferHttp2<S, F> {
    pub(super) fn new(inner: S, fallback: F, hub: Arc<Hub>, origin: Option<Origin>) -> Self {
        Self { inner, fallback, hub, origin }
    }

    /// The client that speaks HTTP/2.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The client that speaks HTTP/2.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The client that speaks HTTP/2.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// How a request goes of the first of two clients.
    pub(crate) fn way(&self, uri: &Uri, need: Need) -> Way {
        let origin = Origin::of(uri).or_else(|| self.origin.clone());
        Way::of(&self.hub, origin, need)
    }

    /// Hands a request to the second client.
    pub(crate) fn fall_back<Q>(&mut self, request: Q) -> Oneshot<F, Q>
    where
        S: Clone,
        F: Service<Q> + Clone,
    {
        // What the first holds ready for a request, a permit for instance, is not for this one.
        self.inner = self.inner.clone();
        self.fallback.clone().oneshot(request)
    }
}

fn needs<B>(request: &Request<B>) -> Need {
    need(request.method(), request.version(), request.headers(), request.extensions())
}

impl<S, B, R> Service<Request<B>> for PreferHttp2<S, OneClient>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let need = needs(&request);
        // Whose connector does not know the mark gets none: it would go to the server.
        let origin = with_alpn(request.uri()).filter(|_| self.fallback.falls_back);
        match Way::of(&self.hub, origin, need) {
            Way::Http1 => {
                // hyper-util finds the connection by the URI, and hands that to the connector.
                if let Some(marked) = over_http1::mark(request.uri()) {
                    *request.uri_mut() = marked;
                    prepare(request.headers_mut());
                }
                ResponseFuture::http1(self.inner.call(request))
            }
            way => ResponseFuture::http2(way, request, |request| self.inner.call(request)),
        }
    }
}

impl<S, F, B, R> Service<Request<B>> for PreferHttp2<S, F>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    F: Service<Request<B>, Response = S::Response> + Clone,
    F::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, Oneshot<F, Request<B>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.way(request.uri(), needs(&request)) {
            Way::Http1 => {
                prepare(request.headers_mut());
                ResponseFuture::http1(self.fall_back(request))
            }
            way => ResponseFuture::http2(way, request, |request| self.inner.call(request)),
        }
    }
}

impl<S: fmt::Debug, F: fmt::Debug> fmt::Debug for PreferHttp2<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreferHttp2")
            .field("inner", &self.inner)
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};

    use futures_util::FutureExt;
    use tower::limit::ConcurrencyLimit;
    use tower::{Layer, service_fn};

    use super::super::machine::Settings;
    use super::*;

    /// A permit that the first client was given waits for nobody while the second has the request.
    #[tokio::test]
    async fn the_first_is_let_go_of_where_the_second_gets_the_request() {
        let hub = Arc::new(Hub::new(Settings::default(), 16));
        hub.fall_back();
        let uri = Uri::from_static("https://example.com/");
        hub.required(&Origin::of(&uri).unwrap());
        let http2 = ConcurrencyLimit::new(service_fn(|_| ready(Ok::<_, Infallible>(Response::new(())))), 1);
        let http1 = service_fn(|_| pending::<Result<Response<()>, Infallible>>());
        let mut service = PreferHttp2::new(http2.clone(), http1, hub, None);
        let request = Request::get(uri).body(()).unwrap();
        let response = service.ready().await.unwrap().call(request.clone());
        let other = http2.oneshot(request).now_or_never();
        assert!(other.is_some_and(|other| other.is_ok()));
        drop(response);
    }

    /// Where a request's URI does not say where it goes, the layer was told.
    #[tokio::test]
    async fn clients_of_one_server_are_told_its_origin() {
        let downgrade = super::super::Downgrade::default();
        let uri = Uri::from_static("https://example.com/");
        let says = |version| service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(Response::new(version))));
        let layer = downgrade.layer().fallback(says("HTTP/1.1"));
        let told = layer.clone().origin(&uri).layer(says("HTTP/2"));
        told.hub.required(&Origin::of(&uri).unwrap());
        let answers = |service: PreferHttp2<_, _>| service.oneshot(Request::new(()));
        assert_eq!(answers(told).await.unwrap().into_body(), "HTTP/1.1");
        assert_eq!(answers(layer.layer(says("HTTP/2"))).await.unwrap().into_body(), "HTTP/2");
    }
}
