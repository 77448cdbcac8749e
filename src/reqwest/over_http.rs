//! A `Service<reqwest::Request>` as one of `http::Request`s, for what is written for those: requests that differ from one of reqwest's
//! in their fields only.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use reqwest::{Body, Request, Response};
use tower::Service;

use super::request::{clone, into_http};
use crate::resume::CameFrom;

/// Sends the request that it was made with, and after it copies of it.
#[derive(Debug)]
pub struct OverHttp<S> {
    service: S,
    /// With its body, and reqwest's own settings.
    first: Option<Request>,
    /// The same without a body.
    template: Request,
}

impl<S> OverHttp<S> {
    pub(super) fn new(service: S, mut request: Request) -> Self {
        let body = request.body_mut().take();
        let template = clone(&request);
        *request.body_mut() = body;
        Self { service, first: Some(request), template }
    }
}

impl<S: Clone> Clone for OverHttp<S> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), first: None, template: clone(&self.template) }
    }
}

impl<S> Service<http::Request<()>> for OverHttp<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Answered<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<()>) -> Self::Future {
        let mut sent = self.first.take().unwrap_or_else(|| clone(&self.template));
        *sent.headers_mut() = request.into_parts().0.headers;
        Answered { future: self.service.call(sent) }
    }
}

pin_project! {
    /// The future of [`OverHttp`].
    #[derive(Debug)]
    pub struct Answered<F> {
        #[pin]
        future: F,
    }
}

impl<F, E> Future for Answered<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<http::Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map_ok(|response| {
            let came_from = response.url().as_str().parse().map(CameFrom);
            let mut response = into_http(response);
            if let Ok(came_from) = came_from {
                response.extensions_mut().insert(came_from);
            }
            response
        })
    }
}
