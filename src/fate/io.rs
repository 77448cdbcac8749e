//! What an io error's kind says.

use std::error::Error;
use std::io;

use super::evidence::{Evidence, Next};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    let error = error.downcast_ref::<io::Error>()?;
    // The outermost kind that means something counts: rustls' errors and connectors' wrappers stand inside an
    // `io::Error` of kind `Other`.
    if !matches!(error.kind(), io::ErrorKind::Other) {
        evidence.io.get_or_insert(error.kind());
    }
    // `io::Error::source()` leaves out the error that it wraps and gives that one's source.
    Some(match error.get_ref() {
        Some(inner) => Next::Into(inner),
        None => Next::Source,
    })
}
