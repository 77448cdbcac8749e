//! From an error to a status.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use tonic::{Code, Status};
use tower::BoxError;

use crate::fate::{BodyUse, Cause, Failure, Reason, is_cancel_of_ours, sources};

/// How much of an error's chain a message tells.
const TOLD: usize = 16;

/// The status of a call that failed, whose time is not over.
pub(super) fn status(error: BoxError) -> Status {
    // What the body did is not known here: a proof that hangs on it is not told.
    let failure = Failure::of(&*error, BodyUse::Untouched);
    match code(failure.cause()) {
        Some(code) if !says_more(&*error) => with_source(code, &failure, error),
        // Without its feature `server` tonic 0.14 does not know what its own cancellation comes back as.
        None if sources(&*error).any(is_cancel_of_ours) && !says_more(&*error) => {
            let mut status = Status::cancelled("canceled by the caller");
            status.set_source(Arc::from(error));
            status
        }
        _ => Status::from_error(error),
    }
}

/// The status of a call that failed when its time was over.
pub(super) fn late_status(error: BoxError) -> Status {
    let status = status(error);
    if status.code() != Code::Unavailable {
        return status;
    }
    let mut late = Status::deadline_exceeded(status.message());
    late.set_source(Arc::new(status));
    late
}

fn with_source(code: Code, failure: &Failure, error: BoxError) -> Status {
    let mut message = failure.to_string();
    for error in sources(&*error).take(TOLD) {
        // The text of a `Status` repeats all that lies below it.
        if !error.is::<Status>() {
            let _ = write!(message, ": {error}");
        }
    }
    let mut status = Status::new(code, message);
    status.set_source(Arc::from(error));
    status
}

/// Whether somebody made a status of it already, and not only because tonic has nothing better to say.
fn says_more(error: &(dyn Error + 'static)) -> bool {
    let status = sources(error).find_map(|error| error.downcast_ref::<Status>());
    status.is_some_and(|status| !matches!(status.code(), Code::Cancelled | Code::Unknown | Code::Internal))
}

fn code(cause: Cause) -> Option<Code> {
    Some(match cause {
        Cause::HandedBack
        | Cause::Connect
        | Cause::Certificate
        | Cause::Refused
        | Cause::GoAway { .. }
        | Cause::Closed
        | Cause::Silent
        | Cause::Unreachable
        | Cause::DispatchGone => Code::Unavailable,
        Cause::Timeout => Code::DeadlineExceeded,
        Cause::Reset { reason } => by_reset(reason),
        Cause::Local { .. } | Cause::Http11Required => Code::Internal,
        _ => return None,
    })
}

/// gRPC over HTTP2, "HTTP2 Transport Mapping", "Errors".
fn by_reset(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        reason if reason.name().is_some() => Code::Internal,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::fate::{Fate, Verdict};

    #[test]
    fn a_lost_connection_is_unavailable_and_the_error_is_still_there() {
        let status = status(io::Error::from(io::ErrorKind::ConnectionReset).into());
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("unknown (closed): "), "{}", status.message());
        assert!(status.source().unwrap().is::<io::Error>());
        let failure = Failure::of(&status, BodyUse::Untouched);
        assert_eq!((failure.fate(), failure.cause()), (Fate::Unknown, Cause::Closed));
    }

    #[test]
    fn what_a_layer_knows_is_told() {
        let status = status(Verdict::not_sent("held back for too long").into());
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "not_sent (handed_back): held back for too long");
    }

    #[test]
    fn timeouts_are_deadlines() {
        let error = tonic::TimeoutExpired(());
        assert_eq!(status(error.into()).code(), Code::DeadlineExceeded);
        let lost = || BoxError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        let late = late_status(lost());
        assert_eq!(late.code(), Code::DeadlineExceeded);
        assert_eq!(Failure::of(&late, BodyUse::Untouched).cause(), Cause::Closed);
        assert_eq!(late.message(), status(lost()).message());
    }

    /// Statuses that a layer, or this one, has made stay as they are.
    #[test]
    fn a_status_that_says_more_is_left_alone() {
        let mut unauthenticated = Status::unauthenticated("who are you?");
        unauthenticated.set_source(Arc::new(io::Error::from(io::ErrorKind::ConnectionReset)));
        let left = status(unauthenticated.into());
        assert_eq!((left.code(), left.message()), (Code::Unauthenticated, "who are you?"));

        let once = status(io::Error::from(io::ErrorKind::ConnectionReset).into());
        let message = once.message().to_owned();
        let twice = status(once.into());
        assert_eq!((twice.code(), twice.message()), (Code::Unavailable, &*message));

        let server_said = status(Status::cancelled("not today").into());
        assert_eq!((server_said.code(), server_said.message()), (Code::Cancelled, "not today"));
        let nobody_knows = status(BoxError::from("a text"));
        assert_eq!((nobody_knows.code(), nobody_knows.message()), (Code::Unknown, "a text"));
    }

    #[test]
    fn resets_have_the_codes_of_the_protocol() {
        for (code, expected) in [
            (0, Code::Internal),
            (1, Code::Internal),
            (2, Code::Internal),
            (7, Code::Unavailable),
            (8, Code::Cancelled),
            (11, Code::ResourceExhausted),
            (12, Code::PermissionDenied),
            (99, Code::Unknown),
        ] {
            assert_eq!(by_reset(Reason::from_code(code)), expected, "{code}");
        }
    }
}
