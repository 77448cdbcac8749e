//! The body type that tonic's channel takes.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use tonic::body::Body;
use tower::{BoxError, Layer, Service};

/// The layer that puts [`WithBody`] around a channel: below all layers that change the request's body type.
#[derive(Clone, Copy, Debug, Default)]
pub struct BodyLayer(());

impl BodyLayer {
    /// The layer. It has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for BodyLayer {
    type Service = WithBody<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithBody { inner }
    }
}

/// Lets a service that takes tonic's `Body`, a `Channel` for instance, take any body of bytes:
/// [`ReplayBody`](crate::ReplayBody) is one.
///
/// The body is boxed, once for each attempt; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct WithBody<S> {
    inner: S,
}

impl<S> WithBody<S> {
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

impl<S, B> Service<Request<B>> for WithBody<S>
where
    S: Service<Request<Body>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.inner.call(request.map(Body::new))
    }
}
