//! The layer of [`downgrade`](crate::downgrade) around a `Service<reqwest::Request>`, with a second one that speaks HTTP/1.1.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Extensions;
use pin_project_lite::pin_project;
use reqwest::{Request, Response};
use tower::Service;
use tower::util::Oneshot;

use super::request::uri;
use crate::downgrade::{self, Attempt, PreferHttp2, Way, prepare};

impl<S, F> Service<Request> for PreferHttp2<S, F>
where
    S: Service<Request, Response = Response> + Clone,
    S::Error: Error + 'static,
    F: Service<Request, Response = Response, Error = S::Error> + Clone,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Preferring<S::Future, Oneshot<F, Request>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let state = match self.way(&uri(&request), need(&request)) {
            Way::Http1 => {
                prepare(request.headers_mut());
                State::Http1 { future: self.fall_back(request) }
            }
            Way::Http2(attempt) => State::Http2 { future: self.get_mut().call(request), attempt: Some(attempt) },
            Way::Unseen => State::Http2 { future: self.get_mut().call(request), attempt: None },
        };
        Preferring { state }
    }
}

pin_project! {
    /// The future of [`PreferHttp2`] around reqwest.
    pub struct Preferring<F, G> {
        #[pin]
        state: State<F, G>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, G> {
        Http2 { #[pin] future: F, attempt: Option<Attempt> },
        Http1 { #[pin] future: G },
    }
}

impl<F, G, E> Future for Preferring<F, G>
where
    F: Future<Output = Result<Response, E>>,
    G: Future<Output = Result<Response, E>>,
    E: Error + 'static,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (future, attempt) = match self.project().state.project() {
            StateProj::Http2 { future, attempt } => (future, attempt),
            StateProj::Http1 { future } => return future.poll(cx),
        };
        let result = ready!(future.poll(cx));
        if let Some(attempt) = attempt.take() {
            attempt.note(&result);
        }
        Poll::Ready(result)
    }
}

impl Attempt {
    /// Takes note of how an attempt through reqwest ended.
    pub(super) fn note<E: Error + 'static>(self, result: &Result<Response, E>) {
        match result {
            Ok(response) => self.answered(response.extensions()),
            Err(error) => {
                // A retry layer above was told beforehand whether to send it again: here is no place to tell it.
                self.failed(error);
            }
        }
    }
}

pub(super) fn need(request: &Request) -> downgrade::Need {
    downgrade::need(request.method(), request.version(), request.headers(), &Extensions::new())
}

impl<F, G> fmt::Debug for Preferring<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preferring").finish_non_exhaustive()
    }
}
