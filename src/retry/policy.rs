//! Whether a failed request is sent again: pure decisions, with no clock and no IO of their own.

use std::time::Duration;

use super::Limits;
use super::event::Stop;
use super::treatment::Safety;
use crate::fate::{Cause, Failure, Fate, Reason};

/// After a graceful GOAWAY the first resends are free of the budget, since the server asked for them; later ones are
/// not, or a server that turns every connection away would cost each request all its resends.
const FREE_AFTER_GOAWAY: u32 = 2;

/// The rules that one layer was given.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) transparent: Limits,
    pub(super) after_loss: Limits,
    pub(super) retry_for: Duration,
    pub(super) trust_goaway: bool,
    /// What the caller said of it.
    pub(super) single_hop: Option<bool>,
    pub(super) resend_timeouts: bool,
    /// The caller said that a layer below goes over to HTTP/1.1.
    pub(super) resend_http11_required: bool,
    pub(super) observe_only: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            transparent: Limits::transparent(),
            after_loss: Limits::after_loss(),
            retry_for: Duration::from_secs(30),
            trust_goaway: false,
            single_hop: None,
            resend_timeouts: false,
            resend_http11_required: false,
            observe_only: false,
        }
    }
}

/// Which limits a resend counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Transparent,
    AfterLoss,
}

/// What is known of a request when an attempt of it has failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) failure: Failure,
    pub(super) safety: Safety,
    /// A proof is about the request that was given, not about the last of several that it led to.
    pub(super) single_hop: bool,
    /// A retry layer above is resending it.
    pub(super) nested: bool,
    /// All of its body can be sent again.
    pub(super) body_left: bool,
    /// Since its first attempt began.
    pub(super) elapsed: Duration,
    /// When it has to be over, counted from the same moment, where the request itself says so.
    pub(super) timeout: Option<Duration>,
    pub(super) past: Past,
}

/// The resends that a request has had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    transparent: u32,
    after_loss: u32,
    after_local: bool,
    maybe_processed: u32,
}

impl Past {
    pub(super) fn is_empty(&self) -> bool {
        self.transparent == 0 && self.after_loss == 0
    }

    /// How many attempts the server may have processed.
    pub(super) fn maybe_processed(&self) -> u32 {
        self.maybe_processed
    }

    fn in_lane(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Transparent => self.transparent,
            Lane::AfterLoss => self.after_loss,
        }
    }

    pub(super) fn add(&mut self, plan: &Plan, failure: &Failure) {
        match plan.lane {
            Lane::Transparent => self.transparent = self.transparent.saturating_add(1),
            Lane::AfterLoss => self.after_loss = self.after_loss.saturating_add(1),
        }
        self.after_local |= failure.at_most_once();
        if !failure.fate().is_proof() {
            self.maybe_processed = self.maybe_processed.saturating_add(1);
        }
    }
}

/// A resend that is allowed, if the budget is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) lane: Lane,
    pub(super) wait: Duration,
    pub(super) free: bool,
}

impl Policy {
    pub(super) fn limits(&self, lane: Lane) -> &Limits {
        match lane {
            Lane::Transparent => &self.transparent,
            Lane::AfterLoss => &self.after_loss,
        }
    }

    /// Whether it is too late for a resend to begin, or for what has a timeout of its own to be answered at all.
    pub(super) fn is_late(&self, elapsed: Duration, timeout: Option<Duration>) -> bool {
        elapsed > self.retry_for || timeout.is_some_and(|timeout| elapsed >= timeout)
    }

    /// Decides about one failure. `random`, of `0.0..1.0`, is the jitter.
    pub(super) fn decide(&self, case: &Case, random: f64) -> Result<Plan, Stop> {
        self.may_resend(case)?;
        if !case.body_left {
            return Err(Stop::BodyUsed);
        }

        let lane = lane(&case.failure);
        let limits = self.limits(lane);
        let earlier = case.past.in_lane(lane);
        if earlier >= limits.max_resends || (case.failure.at_most_once() && case.past.after_local) {
            return Err(Stop::MaxResends);
        }
        let free = is_graceful(&case.failure) && earlier < FREE_AFTER_GOAWAY;
        // On a server that ends its connections early the second is as likely to meet a GOAWAY as the first.
        let wait = limits.backoff.wait(if free { 0 } else { earlier }, random);
        if self.is_late(case.elapsed.saturating_add(wait), case.timeout) {
            return Err(Stop::OutOfTime { wait });
        }
        if self.observe_only {
            return Err(Stop::ObserveOnly);
        }
        Ok(Plan { lane, wait, free })
    }

    /// Whether sending it again can do harm or good at all.
    fn may_resend(&self, case: &Case) -> Result<(), Stop> {
        if case.safety == Safety::Never {
            return Err(Stop::NoRetry);
        }
        if case.nested {
            return Err(Stop::Nested);
        }
        let fate = match case.failure.fate() {
            Fate::Permanent => return Err(Stop::Permanent),
            Fate::Unknown if matches!(case.failure.cause(), Cause::Timeout) && !self.resend_timeouts => {
                return Err(Stop::Timeout);
            }
            // HTTP_1_1_REQUIRED that is unknown came by GOAWAY.
            Fate::Unknown
                if matches!(case.failure.cause(), Cause::GoAway { .. } | Cause::Http11Required)
                    && self.trust_goaway =>
            {
                Fate::NotProcessed
            }
            fate => fate,
        };
        match (case.safety, fate) {
            (Safety::Idempotent, _) => Ok(()),
            (Safety::OnProof | Safety::Tunnel, Fate::NotSent) | (Safety::OnProof, Fate::NotProcessed) => {
                if case.single_hop { Ok(()) } else { Err(Stop::NotSingleHop) }
            }
            _ => Err(Stop::NotIdempotent),
        }
    }
}

/// Requests that cost the server nothing go the transparent way, as gRPC's A6 calls it; so do those that a graceful
/// GOAWAY turned away, proof or not, since the next connection is expected to take them.
fn lane(failure: &Failure) -> Lane {
    match (failure.fate(), failure.cause()) {
        // The server asks for less, not for the same again.
        (_, Cause::GoAway { reason: Reason::ENHANCE_YOUR_CALM }) => Lane::AfterLoss,
        (Fate::NotProcessed, _) | (Fate::NotSent, Cause::HandedBack) | (_, Cause::Http11Required) => Lane::Transparent,
        _ if is_graceful(failure) => Lane::Transparent,
        _ => Lane::AfterLoss,
    }
}

fn is_graceful(failure: &Failure) -> bool {
    matches!(failure.cause(), Cause::GoAway { reason: Reason::NO_ERROR })
}

#[cfg(test)]
mod tests;
