use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower::Service;

use super::event::Stop;
use super::exchange::{Exchange, Failed};
use super::layer::Config;
use super::request::Kept;
use super::request::sealed::{Answer, Keeping, Kind};
use super::spare::Spare;
use super::trace::Span;
use super::{AsError, Resendable};

pin_project! {
    /// The future of [`RetryOnCanceled`](super::RetryOnCanceled).
    ///
    /// Dropping it stops everything at once: the attempt, the wait, and the sending of the body.
    pub struct ResponseFuture<S, Q, M>
    where
        S: Service<Q::Sent>,
        Q: Resendable,
    {
        #[pin]
        state: State<S::Future>,
        // The attempt that failed and is to be followed by another. Few are, and futures are moved about.
        failed: Option<Box<Failed<S::Error, Taken<Q>>>>,
        // These are let go of as soon as the request ends, whoever still holds this future.
        spare: Option<Spare<S>>,
        // What resends: it is asked before each whether it is ready.
        service: Option<Box<S>>,
        kept: Option<Q::Kept>,
        exchange: Exchange,
        marker: PhantomData<fn() -> M>,
    }
}

type Taken<Q> = <<Q as Kind>::Kept as Kept>::Taken;

pin_project! {
    #[project = StateProj]
    enum State<F> {
        // An attempt is under way.
        Attempting { #[pin] future: F, span: Span },
        // The backoff before the next one.
        Waiting { backoff: Pin<Box<Sleep>> },
        // The inner service is asked whether it is ready for the next one; not for longer than there is time for it.
        Readying { deadline: Option<Pin<Box<Sleep>>> },
        Done,
    }
}

impl<S, Q, M> ResponseFuture<S, Q, M>
where
    S: Service<Q::Sent>,
    Q: Resendable,
{
    pub(super) fn new(service: &mut S, spare: &Spare<S>, request: Q, config: Arc<Config>) -> Self
    where
        S: Clone,
    {
        let single_hop = config.policy.single_hop.unwrap_or(Q::SINGLE_HOP);
        let (request, kept) = request.keep(Keeping { replay_limit: config.replay_limit, single_hop });
        let exchange = Exchange::new(config, single_hop);
        let span = Span::new(kept.head(), 0);
        // The service that was asked whether it is ready is the one that may be called.
        let future = span.in_scope(|| service.call(request));
        Self {
            state: State::Attempting { future, span },
            failed: None,
            spare: Some(spare.of(service)),
            service: None,
            kept: Some(kept),
            exchange,
            marker: PhantomData,
        }
    }
}

impl<S, Q, M> Future for ResponseFuture<S, Q, M>
where
    S: Service<Q::Sent> + Clone,
    S::Response: Answer,
    S::Error: AsError<M>,
    Q: Resendable,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let exchange = this.exchange;
        let Some(kept) = this.kept.as_mut() else { return Poll::Pending };
        let error = loop {
            let weighed = match this.state.as_mut().project() {
                StateProj::Attempting { future, span } => match ready!(span.in_scope(|| future.poll(cx))) {
                    Ok(mut response) => {
                        span.answered(response.status());
                        exchange.succeed(&mut response, kept.head());
                        if let Some(kept) = this.kept.take() {
                            kept.release();
                        }
                        this.state.set(State::Done);
                        (*this.spare, *this.service) = (None, None);
                        return Poll::Ready(Ok(response));
                    }
                    Err(error) => {
                        let span = span.clone();
                        // The old attempt goes first, with its permits and its hold on the body.
                        this.state.set(State::Done);
                        exchange.weigh(error, kept, &span)
                    }
                },
                StateProj::Waiting { backoff } => {
                    ready!(backoff.as_mut().poll(cx));
                    this.state.set(State::Readying { deadline: None });
                    continue;
                }
                StateProj::Readying { deadline } => {
                    if let Some(spare) = this.spare.take() {
                        *this.service = spare.another().map(Box::new);
                    }
                    let (Some(service), Some(failed)) =
                        (this.service.as_mut(), this.failed.take().map(|failed| *failed))
                    else {
                        return Poll::Pending;
                    };
                    match service.poll_ready(cx) {
                        Poll::Ready(Ok(())) => match exchange.send(failed, kept) {
                            Ok(request) => {
                                let span = Span::new(kept.head(), exchange.resends);
                                let future = span.in_scope(|| service.call(request));
                                this.state.set(State::Attempting { future, span });
                                continue;
                            }
                            Err(error) => break error,
                        },
                        Poll::Ready(Err(error)) => exchange.weigh_unready(failed, &error, kept),
                        Poll::Pending => {
                            if deadline.is_none() {
                                *deadline = exchange.time_left(kept).map(Box::pin);
                            }
                            let waits = |deadline: &mut Pin<Box<Sleep>>| deadline.as_mut().poll(cx).is_pending();
                            if deadline.as_mut().is_none_or(waits) {
                                *this.failed = Some(Box::new(failed));
                                return Poll::Pending;
                            }
                            break exchange.stop(failed, Stop::OutOfTime { wait: Duration::ZERO }, kept);
                        }
                    }
                }
                StateProj::Done => return Poll::Pending,
            };
            match weighed {
                Ok(failed) => {
                    let at_once = failed.plan.wait.is_zero();
                    this.state.set(State::before(failed.plan.wait));
                    *this.failed = Some(Box::new(failed));
                    // Only the first resend may be made in the same breath: who never waits must not keep the task's other
                    // futures, a timeout above for instance, from their turn.
                    if at_once && !exchange.past.is_empty() {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Err(error) => break error,
            }
        };
        this.state.set(State::Done);
        (*this.spare, *this.service) = (None, None);
        // The caller does not see the error before the body is gone.
        *this.kept = None;
        Poll::Ready(Err(error))
    }
}

impl<F> State<F> {
    fn before(wait: Duration) -> Self {
        if wait.is_zero() {
            Self::Readying { deadline: None }
        } else {
            Self::Waiting { backoff: Box::pin(sleep(wait)) }
        }
    }
}

impl<S, Q, M> fmt::Debug for ResponseFuture<S, Q, M>
where
    S: Service<Q::Sent>,
    Q: Resendable,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Attempting { .. } => "Attempting",
            State::Waiting { .. } => "Waiting",
            State::Readying { .. } => "Readying",
            State::Done => "Done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("resends", &self.exchange.resends)
            .finish_non_exhaustive()
    }
}
