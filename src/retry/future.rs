use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;
use tower::util::rng::{HasherRng, Rng};

use super::event::{Decision, Event, Stop};
use super::layer::Config;
use super::policy::{Case, Past, Plan};
use super::treatment::Safety;
use super::{AsError, Attempt, Attempts, ResendCount, Treatment};
use crate::body::{ReplayBody, Rewind, SourceError, replay};
use crate::body_use::BodyUse;
use crate::fate::{Cause, Failure, Fate};
use crate::timer::can_wait;

pin_project! {
    /// The future of [`RetryOnCanceled`](super::RetryOnCanceled).
    ///
    /// Dropping it stops everything at once: the attempt, the wait, and the sending of the body.
    pub struct ResponseFuture<S, B, M>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        state: State<S::Future>,
        // The attempt that failed and is to be followed by another.
        failed: Option<Failed<S::Error, B>>,
        // Both are let go of as soon as the request ends, whoever still holds this future.
        service: Option<S>,
        rewind: Option<Rewind<B>>,
        exchange: Exchange,
        marker: PhantomData<fn() -> M>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        // An attempt is under way.
        Attempting { #[pin] future: F },
        // The backoff before the next one.
        Waiting { #[pin] backoff: Sleep },
        // The inner service is asked whether it is ready for the next one; not for longer than there is time for it.
        Readying { #[pin] deadline: Option<Sleep> },
        Done,
    }
}

/// How many failed attempts are remembered for [`Attempts`]; the default limits make eight at the most.
const KEPT: usize = 100;

/// A failed attempt that is to be followed by another.
struct Failed<E, B> {
    error: E,
    failure: Failure,
    plan: Plan,
    failed_after: Duration,
    /// All the waiting since it failed.
    waited: Duration,
    /// The body for the next attempt. It was taken from the failed one before anything else, so that nothing of it can
    /// go missing in between.
    body: ReplayBody<B>,
}

/// What stays the same over the attempts of one request.
struct Exchange {
    config: Arc<Config>,
    /// The request's head as the caller gave it: what one attempt's layers add to theirs is not seen by the next.
    head: Parts,
    began: Instant,
    past: Past,
    resends: u32,
    attempts: Vec<Attempt>,
}

impl<S, B, M, R> ResponseFuture<S, B, M>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    B: Body,
{
    pub(super) fn new(mut service: S, request: Request<B>, config: Arc<Config>) -> Self {
        let (head, body) = request.into_parts();
        let (body, rewind) = replay(body, config.replay_limit);
        let saved = head.clone();
        let began = Instant::now();
        let future = service.call(Request::from_parts(head, body));
        Self {
            state: State::Attempting { future },
            failed: None,
            service: Some(service),
            rewind: Some(rewind),
            exchange: Exchange { config, head: saved, began, past: Past::default(), resends: 0, attempts: Vec::new() },
            marker: PhantomData,
        }
    }
}

impl<S, B, M, R> Future for ResponseFuture<S, B, M>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: AsError<M>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let exchange = this.exchange;
        let output = loop {
            let weighed = match this.state.as_mut().project() {
                StateProj::Attempting { future } => match ready!(future.poll(cx)) {
                    Ok(response) => {
                        if let Some(rewind) = this.rewind.take() {
                            rewind.release();
                        }
                        break Ok(exchange.succeed(response));
                    }
                    Err(error) => {
                        // The old attempt goes first, with its permits and its hold on the body.
                        this.state.set(State::Done);
                        exchange.weigh(error, this.rewind.as_mut())
                    }
                },
                StateProj::Waiting { backoff } => {
                    ready!(backoff.poll(cx));
                    this.state.set(State::Readying { deadline: None });
                    continue;
                }
                StateProj::Readying { mut deadline } => {
                    let (Some(service), Some(failed)) = (this.service.as_mut(), this.failed.take()) else {
                        return Poll::Pending;
                    };
                    match service.poll_ready(cx) {
                        Poll::Ready(Ok(())) => match exchange.send(failed) {
                            Ok(request) => {
                                let future = service.call(request);
                                this.state.set(State::Attempting { future });
                                continue;
                            }
                            Err(error) => break Err(error),
                        },
                        Poll::Ready(Err(error)) => exchange.weigh_unready(failed, &error),
                        Poll::Pending => {
                            if deadline.is_none() {
                                deadline.set(exchange.time_left());
                            }
                            let in_time = deadline.as_pin_mut().is_none_or(|deadline| deadline.poll(cx).is_pending());
                            if in_time {
                                *this.failed = Some(failed);
                                return Poll::Pending;
                            }
                            break Err(exchange.stop(failed, Stop::OutOfTime { wait: Duration::ZERO }));
                        }
                    }
                }
                StateProj::Done => return Poll::Pending,
            };
            match weighed {
                Ok(failed) => {
                    let at_once = failed.plan.wait.is_zero();
                    this.state.set(State::before(failed.plan.wait));
                    *this.failed = Some(failed);
                    // Only the first resend may be made in the same breath: who never waits must not keep the task's other
                    // futures, a timeout above for instance, from their turn.
                    if at_once && !exchange.past.is_empty() {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Err(error) => break Err(error),
            }
        };
        this.state.set(State::Done);
        *this.service = None;
        // The caller does not see the error before the body is gone.
        *this.rewind = None;
        Poll::Ready(output)
    }
}

impl<F> State<F> {
    fn before(wait: Duration) -> Self {
        if wait.is_zero() { Self::Readying { deadline: None } } else { Self::Waiting { backoff: sleep(wait) } }
    }
}

impl Exchange {
    fn succeed<R>(&mut self, mut response: Response<R>) -> Response<R> {
        let policy = &self.config.policy;
        policy.transparent.budgets.deposit(&self.head.uri);
        if !policy.after_loss.budgets.is(&policy.transparent.budgets) {
            policy.after_loss.budgets.deposit(&self.head.uri);
        }
        if !self.attempts.is_empty() {
            response.extensions_mut().insert(Attempts::new(std::mem::take(&mut self.attempts), self.resends));
        }
        response
    }

    /// Decides about an attempt that failed.
    fn weigh<E, M, B>(&self, error: E, rewind: Option<&mut Rewind<B>>) -> Result<Failed<E, B>, E>
    where
        E: AsError<M>,
    {
        let body_use = rewind.as_ref().map_or(BodyUse::Untouched, |rewind| rewind.body_use());
        let failure = Failure::of(error.as_error(), body_use);
        let body_error = rewind.as_ref().and_then(|rewind| rewind.source_error());
        let body = rewind.and_then(Rewind::again);
        let failed_after = self.began.elapsed();
        match (self.decide(failure, body.is_some(), failed_after), body) {
            (Ok(plan), Some(body)) => Ok(Failed { error, failure, plan, failed_after, waited: plan.wait, body }),
            (decided, _) => {
                let stop = decided.err().unwrap_or(Stop::BodyUsed);
                self.report(failure, Decision::Stop(stop), body_error);
                Err(error)
            }
        }
    }

    /// Decides about an inner service that gave an error when it was asked whether it is ready. Nothing was sent, so that
    /// is asked again like a connect that failed; unless the service is of no use any more.
    fn weigh_unready<E, M, B>(&mut self, mut failed: Failed<E, B>, error: &E) -> Result<Failed<E, B>, E>
    where
        E: AsError<M>,
    {
        let failure = Failure::of(error.as_error(), BodyUse::Untouched);
        if failure.fate() == Fate::Permanent {
            return Err(self.stop(failed, Stop::NotReady));
        }
        self.past.add(&failed.plan, &failed.failure);
        match self.decide(Failure::new(Fate::NotSent, Cause::Connect), true, self.began.elapsed()) {
            Ok(plan) => {
                failed.plan = plan;
                failed.waited = failed.waited.saturating_add(plan.wait);
                Ok(failed)
            }
            Err(Stop::MaxResends) => Err(self.stop(failed, Stop::NotReady)),
            Err(stop) => Err(self.stop(failed, stop)),
        }
    }

    fn decide(&self, failure: Failure, body_left: bool, elapsed: Duration) -> Result<Plan, Stop> {
        let said = self.config.treatment.as_ref().map_or(Treatment::ByRequest, |treatment| treatment(&self.head));
        let case = Case {
            failure,
            safety: Safety::of(&self.head, said, &self.config.idempotent_methods),
            nested: self.head.extensions.get::<ResendCount>().is_some(),
            body_left,
            elapsed,
            past: self.past,
        };
        let plan = self.config.policy.decide(&case, HasherRng::new().next_f64())?;
        // Where nothing has to be waited for, no timer is needed.
        if !plan.wait.is_zero() && !can_wait() {
            return Err(Stop::NoTimer);
        }
        Ok(plan)
    }

    /// Makes the next attempt's request, if the budget pays for it. Called when the inner service is ready for it, and
    /// not before, so that no token is taken for a resend that does not take place.
    fn send<E, B>(&mut self, failed: Failed<E, B>) -> Result<Request<ReplayBody<B>>, E> {
        // The clock may have gone on unseen: a suspended machine, a parent that does not poll.
        if self.began.elapsed() > self.config.policy.retry_for {
            return Err(self.stop(failed, Stop::OutOfTime { wait: Duration::ZERO }));
        }
        let plan = &failed.plan;
        let budgets = &self.config.policy.limits(plan.lane).budgets;
        if !plan.free && !budgets.withdraw(&self.head.uri) {
            return Err(self.stop(failed, Stop::BudgetExhausted));
        }
        self.remember(&failed);
        let mut head = self.head.clone();
        head.extensions.insert(ResendCount::new(self.resends));
        Ok(Request::from_parts(head, failed.body))
    }

    fn remember<E, B>(&mut self, failed: &Failed<E, B>) {
        self.report(failed.failure, Decision::Resend { waited: failed.waited }, None);
        if self.attempts.len() < KEPT {
            self.attempts.push(Attempt {
                number: self.number(),
                failure: failed.failure,
                failed_after: failed.failed_after,
                waited: failed.waited,
            });
        }
        self.resends = self.resends.saturating_add(1);
        self.past.add(&failed.plan, &failed.failure);
    }

    /// Ends the request with the error of the attempt that was to be followed by another.
    fn stop<E, B>(&self, failed: Failed<E, B>, stop: Stop) -> E {
        self.report(failed.failure, Decision::Stop(stop), None);
        failed.error
    }

    /// The number of the attempt that is under way or has just failed.
    fn number(&self) -> u32 {
        self.resends.saturating_add(1)
    }

    /// A timer for when no resend may begin any more; none where there is no runtime to have one in.
    fn time_left(&self) -> Option<Sleep> {
        can_wait().then(|| sleep(self.config.policy.retry_for.saturating_sub(self.began.elapsed())))
    }

    fn report(&self, failure: Failure, decision: Decision, body_error: Option<SourceError>) {
        let event = Event {
            head: &self.head,
            number: self.number(),
            failure,
            decision,
            elapsed: self.began.elapsed(),
            body_error,
        };
        #[cfg(feature = "tracing")]
        super::trace::event(&event);
        if let Some(on_retry) = &self.config.on_retry {
            on_retry(&event);
        }
    }
}

impl<S, B, M> fmt::Debug for ResponseFuture<S, B, M>
where
    S: Service<Request<ReplayBody<B>>>,
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
