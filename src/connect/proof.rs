//! What the failure of a request proves, by what is known of its stream.

use crate::body_use::BodyUse;
use crate::fate::{Cause, Failure, Fate, Reason, Verdict};
use crate::health::{Connection, Truth};

/// See [`of`].
pub(super) enum Proof {
    /// No byte of it went out.
    NotSent(Verdict),
    /// It went out; the verdict says what became of it.
    Sent(Verdict),
}

/// The first stream of a connection (RFC 9113, section 5.1.1).
const FIRST: u32 = 1;

/// What it proves that h2 gave this error for the response to the request on this stream. `interim` if the peer has sent an
/// interim response: then it has begun to act, whatever it says later. So it has where it reset the stream, but for a refusal.
pub(super) fn of(connection: &Connection, stream_id: u32, interim: bool, error: h2::Error) -> Proof {
    let ended = !error.is_reset();
    let acted = interim || (error.is_reset() && error.reason() != Some(h2::Reason::REFUSED_STREAM));
    let failure = match connection.truth(stream_id, ended) {
        Truth::NotSent => {
            let verdict = Verdict::not_sent("the connection ended before a byte of the request went out");
            return Proof::NotSent(verdict.because(error));
        }
        Truth::Ignored(reason) if !acted => {
            let verdict = Verdict::new(ignored(stream_id, reason), "the peer shut down below the request's stream");
            return Proof::Sent(verdict.because(error));
        }
        Truth::Ignored(_) | Truth::Sent => Failure::of(&error, BodyUse::Untouched),
    };
    let (failure, message) = match failure.cause() {
        Cause::Refused if interim => {
            (Failure::new(Fate::Unknown, Cause::Refused), "the peer refused a stream that it had begun to answer")
        }
        Cause::Refused => (failure, "the peer refused the request's stream"),
        Cause::Reset { .. } | Cause::Http11Required => (failure, "the peer reset the request's stream"),
        Cause::Silent => (failure, "nothing came from the connection's peer"),
        Cause::Local { .. } => (failure, "the peer broke the protocol"),
        _ => (failure, "the connection was lost"),
    };
    Proof::Sent(Verdict::new(failure, message).because(error))
}

/// Of a stream above the last that the peer would process.
fn ignored(stream_id: u32, reason: Reason) -> Failure {
    let fate = match reason {
        Reason::NO_ERROR | Reason::ENHANCE_YOUR_CALM => Fate::NotProcessed,
        Reason::HTTP_1_1_REQUIRED => return Failure::new(Fate::Permanent, Cause::Http11Required).dead(),
        // What the peer takes for an error with a connection's first request it will with the next one's: Go's rule
        // (net/http/h2_bundle.go, `processGoAway`, golang/net ec05fdcd).
        _ if stream_id == FIRST => Fate::Permanent,
        _ => Fate::NotProcessed,
    };
    Failure::new(fate, Cause::GoAway { reason }).dead()
}

/// Whether h2 gives this error because of what it was asked for, not because of its connection.
pub(super) fn is_users(error: &h2::Error) -> bool {
    error.reason().is_none() && error.get_io().is_none()
}
