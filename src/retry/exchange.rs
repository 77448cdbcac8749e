//! What is decided of one request, attempt after attempt.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::event::{Decision, Event, Stop};
use super::grpc;
use super::head::SavedHead;
use super::layer::Config;
use super::policy::{Case, Past, Plan};
use super::request::Kept;
use super::request::sealed::Answer;
use super::trace::Span;
use super::treatment::Safety;
use super::{AsError, Attempt, Attempts, ResendCount, Treatment, trace};
use crate::body::SourceError;
use crate::body_use::BodyUse;
use crate::fate::{Cause, Failure, Fate};
use crate::jitter;
use crate::timer::can_wait;

/// How many failed attempts are remembered for [`Attempts`]; the default limits make eight at the most.
const KEPT: usize = 100;

/// A failed attempt that is to be followed by another.
pub(super) struct Failed<E, T> {
    error: E,
    failure: Failure,
    pub(super) plan: Plan,
    failed_after: Duration,
    /// All the waiting since it failed.
    waited: Duration,
    /// The body for the next attempt. It was taken from the failed one before anything else, so that nothing of it can
    /// go missing in between.
    body: T,
}

/// What lasts over the attempts of one request.
pub(super) struct Exchange {
    config: Arc<Config>,
    single_hop: bool,
    began: Instant,
    pub(super) past: Past,
    pub(super) resends: u32,
    attempts: Vec<Attempt>,
}

impl Exchange {
    pub(super) fn new(config: Arc<Config>, single_hop: bool) -> Self {
        let began = Instant::now();
        Self { config, single_hop, began, past: Past::default(), resends: 0, attempts: Vec::new() }
    }

    pub(super) fn succeed(&mut self, response: &mut impl Answer, head: &SavedHead) {
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
    pub(super) fn weigh<E, M, K>(&self, error: E, kept: &mut K, span: &Span) -> Result<Failed<E, K::Taken>, E>
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
    pub(super) fn weigh_unready<E, M, T>(
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
    pub(super) fn send<E, K: Kept>(&mut self, failed: Failed<E, K::Taken>, kept: &K) -> Result<K::Sent, E> {
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
    pub(super) fn stop<E, T>(&self, failed: Failed<E, T>, stop: Stop, kept: &impl Kept) -> E {
        self.report(failed.failure, Decision::Stop(stop), None, kept);
        failed.error
    }

    /// The number of the attempt that is under way or has just failed.
    fn number(&self) -> u32 {
        self.resends.saturating_add(1)
    }

    /// A timer for when no resend may begin any more; none where there is no runtime to have one in.
    pub(super) fn time_left(&self, kept: &impl Kept) -> Option<Sleep> {
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
