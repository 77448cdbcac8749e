use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::BoxError;

use super::attempt::{Attempt, Way};
use crate::retry::NextOverHttp1;

pin_project! {
    /// The future of [`PreferHttp2`](super::PreferHttp2).
    pub struct ResponseFuture<F, G> {
        #[pin]
        state: State<F, G>,
        // Whom to tell that the next attempt goes over HTTP/1.1.
        above: Option<NextOverHttp1>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, G> {
        Http2 { #[pin] future: F, attempt: Option<Attempt> },
        Http1 { #[pin] future: G },
    }
}

impl<F, G> ResponseFuture<F, G> {
    pub(super) fn http1(future: G) -> Self {
        Self { state: State::Http1 { future }, above: None }
    }

    pub(super) fn http2<B>(way: Way, request: Request<B>, send: impl FnOnce(Request<B>) -> F) -> Self {
        let attempt = match way {
            Way::Http2(attempt) => Some(attempt),
            Way::Unseen | Way::Http1 => None,
        };
        let above = request.extensions().get::<NextOverHttp1>().filter(|_| attempt.is_some()).cloned();
        Self { state: State::Http2 { future: send(request), attempt }, above }
    }
}

impl<F, G, R, E, X> Future for ResponseFuture<F, G>
where
    F: Future<Output = Result<Response<R>, E>>,
    G: Future<Output = Result<Response<R>, X>>,
    E: Into<BoxError>,
    X: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (future, attempt) = match this.state.project() {
            StateProj::Http2 { future, attempt } => (future, attempt),
            StateProj::Http1 { future } => return future.poll(cx).map_err(Into::into),
        };
        let result = ready!(future.poll(cx)).map_err(Into::into);
        match (&result, attempt.take()) {
            (Ok(response), Some(attempt)) => attempt.answered(response.extensions()),
            (Err(error), Some(attempt)) => {
                if let (true, Some(above)) = (attempt.failed(&**error), this.above) {
                    above.say();
                }
            }
            (_, None) => {}
        }
        Poll::Ready(result)
    }
}

impl<F, G> fmt::Debug for ResponseFuture<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match &self.state {
            State::Http2 { .. } => "Http2",
            State::Http1 { .. } => "Http1",
        };
        f.debug_struct("ResponseFuture").field("over", &over).finish_non_exhaustive()
    }
}
