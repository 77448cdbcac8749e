use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tower::BoxError;

use super::{StatusBody, code};
use crate::timer::can_wait;

/// tonic ends an attempt by the same `grpc-timeout`. It goes first, so that the layers below learn of it.
const GRACE: Duration = Duration::from_millis(10);

pin_project! {
    /// The future of [`WithStatus`](super::WithStatus).
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        #[pin]
        deadline: Option<Sleep>,
        over: Option<Instant>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(future: F, timeout: Option<Duration>) -> Self {
        let deadline = timeout.filter(|_| can_wait()).map(|timeout| sleep(timeout.saturating_add(GRACE)));
        Self { future, deadline, over: timeout.and_then(|timeout| Instant::now().checked_add(timeout)) }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<StatusBody<R>>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.future.poll(cx) {
            let late = this.over.is_some_and(|over| Instant::now() >= over);
            let status = |error: E| if late { code::late_status(error.into()) } else { code::status(error.into()) };
            return Poll::Ready(result.map(|response| response.map(StatusBody::new)).map_err(status));
        }
        if this.deadline.as_pin_mut().is_some_and(|deadline| deadline.poll(cx).is_ready()) {
            return Poll::Ready(Err(Status::deadline_exceeded("the call's time was over before its response began")));
        }
        Poll::Pending
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("over", &self.over).finish_non_exhaustive()
    }
}
