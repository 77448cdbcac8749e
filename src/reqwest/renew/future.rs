use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use reqwest::{Client, Error, Request, Response};
use tokio::time::timeout;
use tower::Service;

use super::shared::Shared;
use super::turns::{Rebuilding, Wish};
use crate::fate::{BodyUse, Cause, Failure, connect_info};
use crate::health::Origin;
use crate::timer::can_wait;

type Sent = <Client as Service<Request>>::Future;

pin_project! {
    /// The future of [`Renew`](super::Renew).
    pub struct Renewing {
        #[pin]
        state: State,
        origin: Option<Origin>,
        generation: u64,
        shared: Arc<Shared>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        // The client has the request.
        Sent { #[pin] future: Sent },
        // It failed, and a new client is being made.
        Waiting { error: Option<Error>, wait: Pin<Box<dyn Future<Output = ()> + Send>> },
        Done,
    }
}

impl Renewing {
    pub(super) fn new(future: Sent, origin: Option<Origin>, generation: u64, shared: Arc<Shared>) -> Self {
        Self { state: State::Sent { future }, origin, generation, shared }
    }
}

impl Future for Renewing {
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Sent { future } => match ready!(future.poll(cx)) {
                    Ok(response) => {
                        if let Some(origin) = this.origin {
                            this.shared.suspects.answered(origin);
                        }
                        this.state.set(State::Done);
                        return Poll::Ready(Ok(response));
                    }
                    Err(error) => match heed(&error, this.origin.as_ref(), *this.generation, this.shared) {
                        Wish::UnderWay(rebuilding) if can_wait() => {
                            let wait = Box::pin(wait(rebuilding, this.shared.settings.patience));
                            this.state.set(State::Waiting { error: Some(error), wait });
                        }
                        Wish::UnderWay(_) | Wish::Declined => {
                            this.state.set(State::Done);
                            return Poll::Ready(Err(error));
                        }
                    },
                },
                StateProj::Waiting { error, wait } => {
                    ready!(wait.as_mut().poll(cx));
                    let Some(error) = error.take() else { return Poll::Pending };
                    this.state.set(State::Done);
                    return Poll::Ready(Err(error));
                }
                StateProj::Done => return Poll::Pending,
            }
        }
    }
}

async fn wait(rebuilding: Rebuilding, patience: std::time::Duration) {
    // Either way the caller gets the error that there is.
    let _ = timeout(patience, rebuilding.ended()).await;
}

/// What an error says of the client's connections.
fn heed(error: &Error, origin: Option<&Origin>, generation: u64, shared: &Arc<Shared>) -> Wish {
    let failure = Failure::of(error, BodyUse::Untouched);
    if failure.connection_is_dead() {
        return match connect_info(error) {
            Some(connected) => {
                connected.poison();
                Wish::Declined
            }
            None => shared.renew(generation),
        };
    }
    // An answer that comes late to an old client says nothing of the new one.
    if failure.cause() == Cause::Timeout && shared.current().generation == generation {
        let in_a_row = origin.map_or(0, |origin| shared.suspects.timed_out(origin));
        if in_a_row >= shared.settings.timeouts {
            return shared.renew(generation);
        }
    }
    Wish::Declined
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewing").field("generation", &self.generation).finish_non_exhaustive()
    }
}
