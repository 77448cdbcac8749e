use std::fmt;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Uri};

use crate::body::SourceError;
use crate::fate::Failure;

/// A failed attempt and what was decided about it, as
/// [`RetryOnCanceledLayer::on_retry`](super::RetryOnCanceledLayer::on_retry) is told.
///
/// Its `Debug` shows neither URI nor headers: they may hold secrets.
pub struct Event<'a> {
    pub(super) head: &'a Parts,
    pub(super) number: u32,
    pub(super) failure: Failure,
    pub(super) decision: Decision,
    pub(super) elapsed: Duration,
    pub(super) body_error: Option<SourceError>,
}

impl Event<'_> {
    /// The number of the attempt that failed; the first is 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.number
    }

    /// What the failure proves, and why it came.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        self.failure
    }

    /// Whether the request is resent, and if not, why.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// The time since the request began.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.head.method
    }

    /// The request's URI. It may hold secrets.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// The error of the request's own body, where that was what failed. HTTP/2 clients do not show it in theirs.
    #[must_use]
    pub const fn body_error(&self) -> Option<&SourceError> {
        self.body_error.as_ref()
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("method", &self.head.method)
            .field("attempt", &self.number)
            .field("failure", &self.failure)
            .field("decision", &self.decision)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

/// What became of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The request is sent again now.
    Resend {
        /// The backoffs that came before.
        waited: Duration,
    },
    /// The error goes to the caller.
    Stop(Stop),
}

/// Why a failed request was not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// The failure is [`Permanent`](crate::fate::Fate::Permanent).
    Permanent,
    /// The server may have acted, and acting twice may do harm.
    NotIdempotent,
    /// The proof may be about a later hop than the first; see
    /// [`single_hop`](super::RetryOnCanceledLayer::single_hop).
    NotSingleHop,
    /// Not all of the body can be sent again.
    BodyUsed,
    /// It was resent as often as allowed.
    MaxResends,
    /// The next attempt would begin later than [`retry_for`](super::RetryOnCanceledLayer::retry_for) allows, or when a gRPC
    /// call's own `grpc-timeout` is over.
    OutOfTime {
        /// The backoff that would have come first.
        wait: Duration,
    },
    /// The budget has nothing left.
    BudgetExhausted,
    /// The caller asked for no resend: [`NoRetry`](super::NoRetry), or the predicate said so.
    NoRetry,
    /// It was a timeout; see [`resend_timeouts`](super::RetryOnCanceledLayer::resend_timeouts).
    Timeout,
    /// A retry layer above is resending this request already.
    Nested,
    /// It would have been resent, but the layer only observes.
    ObserveOnly,
    /// The inner service gave an error when it was asked whether it is ready for the resend, and went on doing so, or is of
    /// no more use. The caller gets the error of the attempt before.
    NotReady,
    /// There is no tokio runtime to wait in.
    NoTimer,
}

impl Stop {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::NotIdempotent => "not_idempotent",
            Self::NotSingleHop => "not_single_hop",
            Self::BodyUsed => "body_used",
            Self::MaxResends => "max_resends",
            Self::OutOfTime { .. } => "out_of_time",
            Self::BudgetExhausted => "budget_exhausted",
            Self::NoRetry => "no_retry",
            Self::Timeout => "timeout",
            Self::Nested => "nested",
            Self::ObserveOnly => "observe_only",
            Self::NotReady => "not_ready",
            Self::NoTimer => "no_timer",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_stable() {
        let wait = Duration::ZERO;
        let stops = [
            (Stop::Permanent, "permanent"),
            (Stop::NotIdempotent, "not_idempotent"),
            (Stop::NotSingleHop, "not_single_hop"),
            (Stop::BodyUsed, "body_used"),
            (Stop::MaxResends, "max_resends"),
            (Stop::OutOfTime { wait }, "out_of_time"),
            (Stop::BudgetExhausted, "budget_exhausted"),
            (Stop::NoRetry, "no_retry"),
            (Stop::Timeout, "timeout"),
            (Stop::Nested, "nested"),
            (Stop::ObserveOnly, "observe_only"),
            (Stop::NotReady, "not_ready"),
            (Stop::NoTimer, "no_timer"),
        ];
        for (stop, label) in stops {
            assert_eq!((stop.label(), stop.to_string().as_str()), (label, label));
        }
    }
}
