//! The layer of [`health`](crate::health) around a `Service<reqwest::Request>`: it sees what errors show.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use reqwest::{Request, Response};
use tower::Service;

use super::request::uri;
use crate::health::WatchConnection;
use crate::health::watched::Watched;

impl<S> Service<Request> for WatchConnection<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Error + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Watching<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let watched = self.watch(&uri(&request));
        Watching { future: self.get_mut().call(request), watched }
    }
}

pin_project! {
    /// The future of [`WatchConnection`] around reqwest.
    pub struct Watching<F> {
        #[pin]
        future: F,
        watched: Watched,
    }
}

impl<F, E> Future for Watching<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Error + 'static,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        this.watched.note(&result);
        Poll::Ready(result)
    }
}

impl Watched {
    /// Takes note of how an attempt through reqwest ended.
    pub(super) fn note<E: Error + 'static>(&self, result: &Result<Response, E>) {
        match result {
            Ok(response) => self.answered(response.status()),
            // reqwest's own timeouts do not say which connection it was.
            Err(error) => self.fail(error, None, false),
        }
    }
}

impl<F> fmt::Debug for Watching<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}
