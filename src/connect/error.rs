use std::error::Error as StdError;
use std::fmt;

use http::Request;
use tower::BoxError;

use super::Unsent;
use crate::fate::{Cause, Failure, Fate, Verdict};

/// Why a request, its response or its connection failed.
///
/// Its chain of sources holds a [`Verdict`], so that [`Failure::of`] and with it
/// [`RetryOnCanceled`](crate::RetryOnCanceled) know what it proves; below that is what it was made of, h2's error for
/// instance. Where the request was not sent, it holds the request as well: [`Unsent`].
pub struct Error(Box<Inner>);

struct Inner {
    failure: Failure,
    source: BoxError,
}

impl Error {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self(Box::new(Inner { failure: verdict.failure(), source: verdict.into() }))
    }

    /// The request was not sent, and is given back.
    pub(super) fn unsent<B: Send + 'static>(request: Request<B>, verdict: Verdict) -> Self {
        Self(Box::new(Inner { failure: verdict.failure(), source: Unsent::new(request, verdict).into() }))
    }

    /// No client could send this request on this connection.
    pub(super) fn request(message: &'static str) -> Verdict {
        Verdict::new(Failure::new(Fate::Permanent, Cause::Request), message)
    }

    /// What it proves.
    ///
    /// Of an error that came while a response's body was read it says nothing about sending the request again: the response
    /// had begun.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.0.failure
    }

    /// Whether no byte of the request left this process.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.0.failure.fate() == Fate::NotSent
    }

    /// Takes the request out, if it was not sent: see [`Unsent::take_from`].
    pub fn take_unsent<B: 'static>(&self) -> Option<Request<B>> {
        if self.is_unsent() { Unsent::take_from(self) } else { None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.failure.fate() {
            Fate::NotSent => "the request was not sent",
            Fate::NotProcessed => "the server did not process the request",
            Fate::Unknown => "the request failed, and the server may have acted on it",
            Fate::Permanent => "the request failed for good",
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0.failure).field(&self.0.source).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0.source)
    }
}
