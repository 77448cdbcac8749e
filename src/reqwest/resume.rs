//! [`Resume`] around a `Service<reqwest::Request>`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use reqwest::{Body, Request, Response};
use tower::{BoxError, Service};

use super::over_http::OverHttp;
use super::request::uri;
use crate::resume::{ResponseFuture, Resume, ResumeBody};

impl<S> Service<Request> for Resume<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Resuming<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut asked = http::Request::new(());
        *asked.method_mut() = request.method().clone();
        *asked.uri_mut() = uri(&request);
        *asked.headers_mut() = request.headers().clone();
        let has_body = request.body().is_some();
        let over_http = self.take_ready(|service| OverHttp::new(service, request));
        Resuming { future: over_http.respond(asked, has_body) }
    }
}

pin_project! {
    /// The future of [`Resume`] around reqwest.
    pub struct Resuming<S>
    where
        S: Service<Request, Response = Response>,
    {
        #[pin]
        future: ResponseFuture<OverHttp<S>, ()>,
    }
}

impl<S> Future for Resuming<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Output = Result<Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().future.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| Body::wrap(Synced(Mutex::new(body)))).into()))
    }
}

/// reqwest asks bodies to be `Sync`, which a request's future is not. Nobody ever waits for this lock.
struct Synced<B>(Mutex<B>);

impl<S> http_body::Body for Synced<ResumeBody<OverHttp<S>, (), Body>>
where
    S: Service<Request, Response = Response> + Clone,
    S::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(self.0.get_mut().unwrap_or_else(PoisonError::into_inner)).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

impl<S> fmt::Debug for Resuming<S>
where
    S: Service<Request, Response = Response>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resuming").field(&self.future).finish()
    }
}
