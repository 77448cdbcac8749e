use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use tower::{BoxError, Service};

use super::ResumeBody;
use super::future::{Kept, Reader, ResponseFuture};
use super::layer::Config;
use super::range::Asked;

/// Goes on with downloads that break.
///
/// Made by [`ResumeLayer`](super::ResumeLayer); see the [module](super) for what it does.
///
/// # Clone
///
/// The inner service must be `Clone`, as clients are: each download keeps the one that it came by, to ask for the rest.
#[derive(Clone)]
pub struct Resume<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> Resume<S> {
    pub(super) const fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Resume<S> {
    /// The service that was asked whether it is ready, which is the one that may be called, as it is to be called.
    pub(crate) fn take_ready<T>(&mut self, to: impl FnOnce(S) -> T) -> Ready<T> {
        let clone = self.inner.clone();
        Ready { service: to(mem::replace(&mut self.inner, clone)), config: Arc::clone(&self.config) }
    }
}

/// A service that may be called once.
pub(crate) struct Ready<S> {
    service: S,
    config: Arc<Config>,
}

impl<S> Ready<S> {
    /// Sends a request that has a body, or has none.
    pub(crate) fn respond<B>(self, mut request: Request<B>, has_body: bool) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        let Self { mut service, config } = self;
        let asked = Asked::of(request.headers());
        if has_body || *request.method() != Method::GET || asked == Asked::Other {
            let reader = Reader::Plain(request.method().clone());
            return ResponseFuture::new(service.call(request), reader);
        }
        let identity = HeaderValue::from_static("identity");
        let is_identity = *request.headers_mut().entry(ACCEPT_ENCODING).or_insert_with(|| identity.clone()) == identity;
        let (head, body) = request.into_parts();
        let future = service.call(Request::from_parts(head.clone(), body));
        let kept = Kept { service, head, asked, is_identity, config };
        ResponseFuture::new(future, Reader::Resuming(Box::new(kept)))
    }
}

impl<S, B, R> Service<Request<B>> for Resume<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body + Default,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResumeBody<S, B, R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let has_body = !request.body().is_end_stream();
        self.take_ready(|service| service).respond(request, has_body)
    }
}

impl<S: fmt::Debug> fmt::Debug for Resume<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("inner", &self.inner).field("config", &self.config).finish()
    }
}
