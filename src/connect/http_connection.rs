//! A connection of either protocol.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tower::{BoxError, Service};

use super::{Error, Http1Connection, Http1Future, Http2Connection, ResponseBody, ResponseFuture};
use crate::body_use::BodyUse;
use crate::fate::{Failure, Verdict};
use crate::health::{self, State};

/// What [`MakeConnection`](super::MakeConnection) makes: the connection that the peer agreed to.
#[derive(Debug)]
pub enum HttpConnection<B> {
    /// HTTP/1.1.
    Http1(Http1Connection<B>),
    /// HTTP/2.
    Http2(Http2Connection<B>),
}

impl<B> HttpConnection<B> {
    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.handle().state()
    }

    /// The connection's handle in [`health`].
    #[must_use]
    pub fn handle(&self) -> &health::Connection {
        match self {
            Self::Http1(connection) => connection.handle(),
            Self::Http2(connection) => connection.handle(),
        }
    }
}

impl<B> Service<Request<B>> for HttpConnection<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<HttpBody>;
    type Error = Error;
    type Future = HttpFuture<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self {
            Self::Http1(connection) => connection.poll_ready(cx),
            Self::Http2(connection) => connection.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<B>) -> HttpFuture<B> {
        HttpFuture(match self {
            Self::Http1(connection) => Either::Http1(connection.call(request)),
            Self::Http2(connection) => Either::Http2(connection.call(request)),
        })
    }
}

/// The future of [`HttpConnection`].
#[derive(Debug)]
pub struct HttpFuture<B>(Either<B>);

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the one in use")]
enum Either<B> {
    Http1(Http1Future),
    Http2(ResponseFuture<B>),
}

impl<B> Future for HttpFuture<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<HttpBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Either::Http1(future) => Pin::new(future).poll(cx).map_ok(|response| response.map(HttpBody::Http1)),
            Either::Http2(future) => Pin::new(future).poll(cx).map_ok(|response| response.map(HttpBody::Http2)),
        }
    }
}

/// The body of a response of either protocol.
#[derive(Debug)]
pub enum HttpBody {
    /// hyper's, of HTTP/1.1.
    Http1(Incoming),
    /// Ours, of HTTP/2.
    Http2(ResponseBody),
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body).poll_frame(cx).map_err(|error| {
                let failure = Failure::of(&error, BodyUse::Untouched);
                Error::new(Verdict::new(failure, "the response's body was cut").because(error))
            }),
            Self::Http2(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
