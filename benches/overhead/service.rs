//! The service at the bottom: ready at once, done when it has read the request's body.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use tower::Service;

#[derive(Clone, Copy, Debug)]
pub(crate) struct InMemory;

impl<B: Body + Unpin> Service<Request<B>> for InMemory {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Drain<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Drain<B> {
        Drain { request }
    }
}

/// Reads a request's body to its end, and answers.
#[derive(Debug)]
pub(crate) struct Drain<B> {
    request: Request<B>,
}

impl<B: Body + Unpin> Future for Drain<B> {
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let body = self.get_mut().request.body_mut();
        // As hyper does: a body that is at its end is not polled.
        while !body.is_end_stream() {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => drop(std::hint::black_box(frame)),
                Some(Err(_)) => unreachable!("no body of this bench fails"),
                None => break,
            }
        }
        Poll::Ready(Ok(Response::new(Empty::new())))
    }
}
