use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, Service};

use super::members::Ticket;
use super::site::Site;
use crate::connect::{Error, ResponseBody, ResponseFuture};
use crate::fate::Verdict;
use crate::timer::can_wait;

/// How often a request that a connection gave back unsent is moved to another, before its error says so.
const MOVES: u32 = 3;

/// The future of [`Pool`](super::Pool).
///
/// Dropping it gives up its place in the queue, or resets its stream. A connect that it waited for goes on for the others.
pub struct PoolFuture<B: 'static> {
    state: State<B>,
}

enum State<B: 'static> {
    /// For a connection with a stream free.
    Waiting {
        request: Request<B>,
        lease: Lease<B>,
        deadline: Deadline,
        moves: u32,
    },
    /// A connection has it.
    Sent {
        future: ResponseFuture<B>,
        lease: Lease<B>,
        deadline: Deadline,
        moves: u32,
    },
    Failed(Error),
    Done,
}

/// Until when it may wait.
struct Deadline {
    /// Until it is first asked for.
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let (Some(at), None) = (self.at.take(), &self.sleep) {
            self.sleep = can_wait().then(|| Box::pin(sleep_until(at)));
        }
        self.sleep.as_mut().map_or(Poll::Pending, |sleep| sleep.as_mut().poll(cx))
    }
}

/// A request's hold on its origin, and its place in the queue.
pub(super) struct Lease<B: 'static> {
    site: Arc<Site<B>>,
    ticket: Option<Ticket>,
}

impl<B: 'static> Lease<B> {
    pub(super) fn new(site: Arc<Site<B>>) -> Self {
        site.join();
        Self { site, ticket: None }
    }
}

impl<B: 'static> Drop for Lease<B> {
    fn drop(&mut self) {
        self.site.leave(self.ticket);
    }
}

// A body is not polled before it is boxed.
impl<B: 'static> Unpin for PoolFuture<B> {}

impl<B: 'static> PoolFuture<B> {
    pub(super) fn new(request: Request<B>, lease: Lease<B>, max_wait: Duration) -> Self {
        let deadline = Deadline { at: Instant::now().checked_add(max_wait), sleep: None };
        Self { state: State::Waiting { request, lease, deadline, moves: 0 } }
    }

    pub(super) const fn failed(error: Error) -> Self {
        Self { state: State::Failed(error) }
    }
}

impl<B> Future for PoolFuture<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Waiting { request, mut lease, mut deadline, moves } => {
                    match lease.site.poll_ready(&mut lease.ticket, cx) {
                        Poll::Ready(Ok(mut connection)) => {
                            let future = connection.call(request);
                            self.state = State::Sent { future, lease, deadline, moves };
                        }
                        Poll::Ready(Err(failed)) => return Poll::Ready(Err(Error::unsent(request, failed.verdict()))),
                        Poll::Pending if deadline.poll(cx).is_ready() => {
                            let verdict = Verdict::not_sent("no stream became free in time");
                            return Poll::Ready(Err(Error::unsent(request, verdict)));
                        }
                        Poll::Pending => {
                            self.state = State::Waiting { request, lease, deadline, moves };
                            return Poll::Pending;
                        }
                    }
                }
                State::Sent { mut future, lease, deadline, moves } => match Pin::new(&mut future).poll(cx) {
                    Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
                    Poll::Ready(Err(error)) => {
                        let unsent = if moves < MOVES { error.take_unsent() } else { None };
                        let Some(request) = unsent else { return Poll::Ready(Err(error)) };
                        self.state = State::Waiting { request, lease, deadline, moves: moves + 1 };
                    }
                    Poll::Pending => {
                        self.state = State::Sent { future, lease, deadline, moves };
                        return Poll::Pending;
                    }
                },
                State::Failed(error) => return Poll::Ready(Err(error)),
                // It is over; who asks again waits for nothing.
                State::Done => return Poll::Pending,
            }
        }
    }
}

impl<B: 'static> fmt::Debug for PoolFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting { .. } => "waiting for a connection",
            State::Sent { .. } => "sent",
            State::Failed(_) => "failed",
            State::Done => "done",
        };
        f.debug_struct("PoolFuture").field("state", &state).finish_non_exhaustive()
    }
}
