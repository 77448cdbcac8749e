use std::error::Error;
use std::fmt;

use super::evidence::{Evidence, Next, downcast};
use super::{Cause, Failure, Fate};

type BoxError = Box<dyn Error + Send + Sync>;

/// An error whose maker knows what it proves, and says so.
///
/// [`Failure::of`] believes it wherever it finds it in a chain. A layer or client of your own, one that holds requests back
/// for instance, puts it into the chain of its errors, so that [`RetryOnCanceled`](crate::RetryOnCanceled) above it can
/// tell what is safe to resend.
///
/// ```
/// use tower_redial::fate::{BodyUse, Cause, Failure, Fate, Verdict};
///
/// let error = Verdict::not_sent("the queue was closed before the request was taken from it");
/// let failure = Failure::of(&error, BodyUse::Untouched);
/// assert_eq!((failure.fate(), failure.cause()), (Fate::NotSent, Cause::HandedBack));
/// ```
#[derive(Debug)]
pub struct Verdict {
    failure: Failure,
    message: &'static str,
    source: Option<BoxError>,
}

impl Verdict {
    /// No byte of the request left this process. Say this only where it is certain: a request of any method is sent again.
    #[must_use]
    pub const fn not_sent(message: &'static str) -> Self {
        Self::new(Failure::new(Fate::NotSent, Cause::HandedBack), message)
    }

    /// The request's connection is gone, and the server may have acted on the request.
    #[must_use]
    pub const fn connection_lost(message: &'static str) -> Self {
        Self::new(Failure::new(Fate::Unknown, Cause::Closed).dead(), message)
    }

    /// The request's connection fell silent and was given up, and the server may have acted on the request.
    #[must_use]
    pub const fn connection_silent(message: &'static str) -> Self {
        Self::new(Failure::new(Fate::Unknown, Cause::Silent).dead(), message)
    }

    /// No connection came to be: nothing was sent, but the attempt cost the server something.
    #[must_use]
    pub const fn not_connected(message: &'static str) -> Self {
        Self::new(Failure::new(Fate::NotSent, Cause::Connect), message)
    }

    pub(crate) const fn new(failure: Failure, message: &'static str) -> Self {
        Self { failure, message, source: None }
    }

    /// Adds the error that led to it.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it proves, and why it came.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        self.failure
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for Verdict {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    let verdict = downcast::<Verdict>(error)?;
    // What lies below has been weighed by whoever made it.
    evidence.verdict.get_or_insert(verdict.failure);
    Some(Next::Stop)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::fate::BodyUse;

    /// What lies below was weighed by whoever made it, and can be seen.
    #[test]
    fn a_verdict_is_believed_and_shows_what_led_to_it() {
        let verdict =
            Verdict::connection_silent("nothing came").because(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(verdict.to_string(), "nothing came");
        let source = Error::source(&verdict).and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::ConnectionRefused));
        let failure = Failure::of(&verdict, BodyUse::Polled);
        assert_eq!((failure.fate(), failure.cause()), (Fate::Unknown, Cause::Silent));
    }
}
