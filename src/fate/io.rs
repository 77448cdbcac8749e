//! What an io error's kind says.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter;

use super::evidence::{Evidence, Next, downcast};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    let error = downcast::<io::Error>(error)?;
    if evidence.on_connection {
        // The transport failed. What it wraps is about the transport, which may be a stream of another connection: a
        // tunnel's REFUSED_STREAM is not this request's. Only the kind counts.
        evidence.io.get_or_insert(transport_kind(error));
        return Some(Next::Stop);
    }
    // The outermost kind that means something counts: rustls' errors and connectors' wrappers stand inside an
    // `io::Error` of kind `Other`.
    if error.kind() != ErrorKind::Other {
        evidence.io.get_or_insert(error.kind());
    }
    // `io::Error::source()` leaves out the error that it wraps and gives that one's source.
    Some(match error.get_ref() {
        Some(inner) => Next::Into(inner),
        None => Next::Source,
    })
}

/// The outermost kind that is not `Other`, down the io errors that wrap each other.
fn transport_kind(error: &io::Error) -> ErrorKind {
    iter::successors(Some(error), |error| error.get_ref()?.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .find(|kind| *kind != ErrorKind::Other)
        .unwrap_or(ErrorKind::Other)
}
