//! A connection's end as the status that gRPC has for it.

mod body;
mod code;
mod future;

use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tower::{BoxError, Layer, Service};

pub use self::body::StatusBody;
pub use self::future::ResponseFuture;

use crate::retry::grpc;

/// The layer that puts [`WithStatus`] around a stack of layers and a channel: outermost, below a generated client.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusLayer(());

impl StatusLayer {
    /// The layer. It has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for StatusLayer {
    type Service = WithStatus<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithStatus { inner }
    }
}

/// Tells a connection's end by the status code that gRPC has for it.
///
/// tonic 0.14 makes a status of an error by itself (`Status::from_error`), and calls a request that its connection's end handed back,
/// or that ran into a timeout, `Cancelled`; most other ends are `Unknown` or `Internal` to it. Here
///
/// | what the error [says](crate::fate) | code |
/// |---|---|
/// | not sent, refused, GOAWAY; the connection was lost, silent or never came to be | `Unavailable` |
/// | a timeout; any of the above when the call's `grpc-timeout` is over | `DeadlineExceeded` |
/// | the server reset the stream | as in gRPC's "HTTP2 Transport Mapping": CANCEL is `Cancelled`, ENHANCE_YOUR_CALM `ResourceExhausted`, INADEQUATE_SECURITY `PermissionDenied`, most others `Internal` |
/// | this side's HTTP/2 library found an error in what the server sent; the server wants HTTP/1.1 | `Internal` |
/// | anything else, and a status that says more than `Cancelled`, `Unknown` or `Internal` | what tonic makes of it |
///
/// The same goes for errors of the response's body, whose time is not looked at. The error itself is the status's `source()`:
/// [`Failure::of`](crate::Failure::of) reads the status as it would the error. A call that its caller cancels is still canceled.
///
/// A call whose `grpc-timeout` is over before its response's head has come is ended here with `DeadlineExceeded`, whether it is
/// on its way, waits for a backoff, or is held back.
///
/// # Errors
///
/// Always a [`Status`], which generated clients give to their caller as it is.
#[derive(Clone, Copy, Debug)]
pub struct WithStatus<S> {
    inner: S,
}

impl<S> WithStatus<S> {
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

impl<S, B, R> Service<Request<B>> for WithStatus<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<StatusBody<R>>;
    type Error = Status;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(|error| code::status(error.into()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let timeout = grpc::timeout(&head);
        ResponseFuture::new(self.inner.call(Request::from_parts(head, body)), timeout)
    }
}
