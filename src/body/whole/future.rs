use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Method, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::Whole;

pin_project! {
    /// The future of [`WholeBody`](super::WholeBody).
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        method: Method,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(future: F, method: Method) -> Self {
        Self { future, method }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<Whole<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(Whole::of(response, this.method)))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("method", &self.method).finish_non_exhaustive()
    }
}
