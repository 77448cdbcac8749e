//! The layers around a `Service<reqwest::Request>`, reqwest's own client for instance.

use std::task::{Context, Poll};

use reqwest::{Request, Response};
use tower::Service;

use crate::RetryOnCanceled;
use crate::retry::{AsError, ResponseFuture};

impl<S, M> Service<Request> for RetryOnCanceled<S, M>
where
    S: Service<Request, Response = Response> + Clone,
    S::Error: AsError<M>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.respond(request)
    }
}
