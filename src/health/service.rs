use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(feature = "reqwest")]
use http::Uri;
use http::{Request, Response};
use http_body::Body;
use tower::{BoxError, Service};

use super::future::ResponseFuture;
use super::registry::Hub;
#[cfg(feature = "reqwest")]
use super::watched::Watched;
use super::{Origin, ResponseBody};

/// Keeps requests from connections that will not serve them.
///
/// Made by [`ConnectionHealthLayer`](super::ConnectionHealthLayer); see the [module](super) for what it does.
///
/// # Errors
///
/// The inner service's, boxed and otherwise unchanged; and [`Verdict`](crate::fate::Verdict)s of its own:
///
/// - not sent: the peer's stream limit was used up for [`max_wait`](super::Builder::max_wait);
/// - connection lost: the request's connection had ended, and its client did not say so.
///
/// # Clone
///
/// The inner service must be `Clone`, as clients are: a request that waits keeps the one that is ready for it.
#[derive(Clone)]
pub struct WatchConnection<S> {
    inner: S,
    hub: Arc<Hub>,
    origin: Option<Origin>,
}

impl<S> WatchConnection<S> {
    pub(super) fn new(inner: S, hub: Arc<Hub>, origin: Option<Origin>) -> Self {
        Self { inner, hub, origin }
    }

    /// Watches a request of a client that tells nothing of its connections but in its errors.
    #[cfg(feature = "reqwest")]
    pub(crate) fn watch(&self, uri: &Uri) -> Watched {
        Watched::new(self.hub.site_of(uri, self.origin.as_ref()))
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for WatchConnection<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let site = self.hub.site_of(request.uri(), self.origin.as_ref());
        ResponseFuture::new(&mut self.inner, request, &self.hub, site)
    }
}

impl<S: fmt::Debug> fmt::Debug for WatchConnection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchConnection").field("inner", &self.inner).finish_non_exhaustive()
    }
}
