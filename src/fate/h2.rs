//! What h2's error says: the only place that downcasts to `h2::Error`.
//!
//! hyper gives h2's error as a source and promises nothing about its type; a canary in `tests/fate/http2.rs` fails when
//! hyper and this crate no longer build against the same h2.

use std::error::Error;

use super::Reason;
use super::evidence::{Evidence, Frame, Next, downcast};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    let error = downcast::<h2::Error>(error)?;
    evidence.on_connection = true;
    // h2's error has no source: its io error has to be asked for.
    if let Some(io) = error.get_io() {
        return Some(Next::Into(io));
    }
    let reason = error.reason().map(|reason| Reason::from_code(reason.into()));
    evidence.frame = match reason {
        Some(reason) if error.is_remote() && error.is_go_away() => Some(Frame::RemoteGoAway(reason)),
        Some(reason) if error.is_remote() && error.is_reset() => Some(Frame::RemoteReset(reason)),
        Some(reason) if error.is_library() => Some(Frame::Library(reason)),
        _ => evidence.frame,
    };
    Some(Next::Source)
}

/// Whether this side's h2 reset the request's stream for what it found in it: its connection goes on, for all others.
pub(crate) fn is_stream_error_of_ours(error: &(dyn Error + 'static)) -> bool {
    super::sources(error).filter_map(downcast::<h2::Error>).any(|error| error.is_library() && error.is_reset())
}

/// Whether this side canceled the request's stream: its caller did.
#[cfg(feature = "tonic")]
pub(crate) fn is_cancel_of_ours(error: &(dyn Error + 'static)) -> bool {
    downcast::<h2::Error>(error)
        .is_some_and(|error| error.reason() == Some(h2::Reason::CANCEL) && !error.is_remote() && !error.is_library())
}

#[cfg(all(test, feature = "tonic"))]
mod tests {
    use super::*;

    /// An error made of a reason alone is neither the peer's nor h2's own: so is the one that a caller's cancel leaves.
    #[test]
    fn a_cancel_of_ours_is_a_callers() {
        assert!(is_cancel_of_ours(&h2::Error::from(h2::Reason::CANCEL)));
        assert!(!is_cancel_of_ours(&h2::Error::from(h2::Reason::REFUSED_STREAM)));
        assert!(!is_cancel_of_ours(&std::io::Error::from(std::io::ErrorKind::BrokenPipe)));
    }
}
