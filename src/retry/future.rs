use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::event::{Decision, Event, Stop};
use super::grpc;
use super::head::SavedHead;
use super::layer::Config;
use super::policy::{Case, Past, Plan};
use super::request::Kept;
use super::request::sealed::{Answer, Keeping, Kind};
use super::spare::Spare;
use super::trace::Span;
use super::treatment::Safety;
use super::{AsError, Attempt, Attempts, ResendCount, Resendable, Treatment, trace};
use crate::body::SourceError;
use crate::body_use::BodyUse;
use crate::fate::{Cause, Failure, Fate};
use crate::jitter;
use crate::timer::can_wait;

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

/// How many failed attempts are remembered for [`Attempts`]; the default limits make eight at the most.
const KEPT: usize = 100;

/// A failed attempt that is to be followed by another.
struct Failed<E, T> {
    error: E,
    failure: Failure,
    plan: Plan,
    failed_after: Duration,
    /// All the waiting since it failed.
    waited: Duration,
    /// The body for the next attempt. It was taken from the failed one before anything else, so that nothing of it can
    /// go missing in between.
    body: T,
}

/// What stays the same over the attempts of one request.
struct Exchange {
    config: Arc<Config>,
    single_hop: bool,
    began: Instant,
    past: Past,
    resends: u32,
    attempts: Vec<Attempt>,
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
        let began = Instant::now();
        let span = Span::new(kept.head(), 0);
        // The service that was asked whether it is ready is the one that may be called.
        let future = span.in_scope(|| service.call(request));
        Self {
            state: State::Attempting { future, span },
            failed: None,
            spare: Some(spare.of(service)),
            service: None,
            kept: Some(kept),
            exchange: Exchange { config, single_hop, began, past: Past::default(), resends: 0, attempts: Vec::new() },
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

impl Exchange {
    fn succeed(&mut self, response: &mut impl Answer, head: &SavedHead) {
        let policy = &self.config.policy;
        let uri = head.uri();
        policy.transparent.budgets.deposit(uri);
        if !policy.after_loss.budgets.is(&policy.transparent.budgets) {
            policy.after_loss.budgets.deposit(uri);
        }
        if !self.attempts.is_empty() {
            let attempts = Attempts::new(std::mem::take(&mut self.attempts), self.resends);
            response.extensions_mut().insert(attempts);
        }
    }

    /// Decides about an attempt that failed.
    fn weigh<E, M, K>(&self, error: E, kept: &mut K, span: &Span) -> Result<Failed<E, K::Taken>, E>
    where
        E: AsError<M>,
        K: Kept,
    {
        let over_http1 = kept.next_over_http1() || self.config.policy.resend_http11_required;
        let failure = Failure::of_attempt(error.as_error(), kept.body_use(), over_http1);
        span.failed(&failure);
        let body_error = kept.source_error();
        let body = kept.take_back();
        let failed_after = self.began.elapsed();
        match (self.decide(failure, body.is_some(), failed_after, kept), body) {
            (Ok(plan), Some(body)) => Ok(Failed { error, failure, plan, failed_after, waited: plan.wait, body }),
            (decided, _) => {
                let stop = decided.err().unwrap_or(Stop::BodyUsed);
                self.report(failure, Decision::Stop(stop), body_error, kept);
                Err(error)
            }
        }
    }

    /// Decides about an inner service that gave an error when it was asked whether it is ready. Nothing was sent, so that
    /// is asked again like a connect that failed; unless the service is of no use any more.
    fn weigh_unready<E, M, T>(
        &mut self,
        mut failed: Failed<E, T>,
        error: &E,
        kept: &impl Kept,
    ) -> Result<Failed<E, T>, E>
    where
        E: AsError<M>,
    {
        let failure = Failure::of(error.as_error(), BodyUse::Untouched);
        if failure.fate() == Fate::Permanent {
            return Err(self.stop(failed, Stop::NotReady, kept));
        }
        self.past.add(&failed.plan, &failed.failure);
        match self.decide(Failure::new(Fate::NotSent, Cause::Connect), true, self.began.elapsed(), kept) {
            Ok(plan) => {
                failed.plan = plan;
                failed.waited = failed.waited.saturating_add(plan.wait);
                Ok(failed)
            }
            Err(Stop::MaxResends) => Err(self.stop(failed, Stop::NotReady, kept)),
            Err(stop) => Err(self.stop(failed, stop, kept)),
        }
    }

    fn decide(&self, failure: Failure, body_left: bool, elapsed: Duration, kept: &impl Kept) -> Result<Plan, Stop> {
        let head = kept.head().parts();
        let said = match self.config.treatment.as_ref().map_or(Treatment::ByRequest, |treatment| treatment(head)) {
            Treatment::ByRequest if grpc::calls_one_of(head, &self.config.grpc_methods) => Treatment::Idempotent,
            said => said,
        };
        let case = Case {
            failure,
            safety: Safety::of(head, said, &self.config.idempotent_methods),
            single_hop: self.single_hop,
            nested: head.extensions.get::<ResendCount>().is_some(),
            body_left,
            elapsed,
            timeout: grpc::timeout(head),
            past: self.past,
        };
        let plan = self.config.policy.decide(&case, jitter::random())?;
        // Where nothing has to be waited for, no timer is needed.
        if !plan.wait.is_zero() && !can_wait() {
            return Err(Stop::NoTimer);
        }
        Ok(plan)
    }

    /// Makes the next attempt's request, if the budget pays for it. Called when the inner service is ready for it, and
    /// not before, so that no token is taken for a resend that does not take place.
    fn send<E, K: Kept>(&mut self, failed: Failed<E, K::Taken>, kept: &K) -> Result<K::Sent, E> {
        // The clock may have gone on unseen: a suspended machine, a parent that does not poll.
        let elapsed = self.began.elapsed();
        let head = kept.head().parts();
        if self.config.policy.is_late(elapsed, grpc::timeout(head)) {
            return Err(self.stop(failed, Stop::OutOfTime { wait: Duration::ZERO }, kept));
        }
        let plan = &failed.plan;
        let budgets = &self.config.policy.limits(plan.lane).budgets;
        if !plan.free && !budgets.withdraw(&head.uri) {
            return Err(self.stop(failed, Stop::BudgetExhausted, kept));
        }
        self.remember(&failed, kept);
        let mut head = head.clone();
        head.extensions.insert(ResendCount::new(self.resends));
        grpc::prepare(&mut head, elapsed, self.past.maybe_processed());
        Ok(kept.resend(head, failed.body))
    }

    fn remember<E, T>(&mut self, failed: &Failed<E, T>, kept: &impl Kept) {
        self.report(failed.failure, Decision::Resend { waited: failed.waited }, None, kept);
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
    fn stop<E, T>(&self, failed: Failed<E, T>, stop: Stop, kept: &impl Kept) -> E {
        self.report(failed.failure, Decision::Stop(stop), None, kept);
        failed.error
    }

    /// The number of the attempt that is under way or has just failed.
    fn number(&self) -> u32 {
        self.resends.saturating_add(1)
    }

    /// A timer for when no resend may begin any more; none where there is no runtime to have one in.
    fn time_left(&self, kept: &impl Kept) -> Option<Sleep> {
        let retry_for = self.config.policy.retry_for;
        let time = grpc::timeout(kept.head().parts()).map_or(retry_for, |timeout| timeout.min(retry_for));
        can_wait().then(|| sleep(time.saturating_sub(self.began.elapsed())))
    }

    fn report(&self, failure: Failure, decision: Decision, body_error: Option<SourceError>, kept: &impl Kept) {
        let event = Event {
            head: kept.head().parts(),
            number: self.number(),
            failure,
            decision,
            elapsed: self.began.elapsed(),
            body_error,
        };
        trace::event(&event);
        if let Some(on_retry) = &self.config.on_retry {
            on_retry(&event);
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
