//! [`WholeBody`] around a `Service<reqwest::Request>`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Method;
use pin_project_lite::pin_project;
use reqwest::{Body, Request, Response};
use tower::Service;

use super::request::into_http;
use crate::body::{Whole, WholeBody};

impl<S> Service<Request> for WholeBody<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Checking<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let method = request.method().clone();
        Checking { future: self.get_mut().call(request), method }
    }
}

/// The response with a body that is checked. Where reqwest decoded it there is no length to check it against.
pub(super) fn whole(response: Response, method: &Method) -> Response {
    Whole::of(into_http(response), method).map(Body::wrap).into()
}

pin_project! {
    /// The future of [`WholeBody`] around reqwest.
    pub struct Checking<F> {
        #[pin]
        future: F,
        method: Method,
    }
}

impl<F, E> Future for Checking<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(whole(response, this.method)))
    }
}

impl<F> fmt::Debug for Checking<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checking").field("method", &self.method).finish_non_exhaustive()
    }
}
