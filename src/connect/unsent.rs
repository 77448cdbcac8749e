use std::error::Error;
use std::fmt;
use std::sync::PoisonError;

use http::Request;

use crate::fate::{Verdict, sources};
use crate::sync::Mutex;

#[cfg(all(test, redial_loom))]
mod models;

/// A request that was not sent, within the error that says so.
///
/// No byte of it left this process, and none will that its peer could act on: whatever its method, it can be sent elsewhere. Its body was not asked for
/// anything: see [`Http2Settings::keep_unsent_bodies`](super::Http2Settings::keep_unsent_bodies).
///
/// It lies in the chain of sources of [`connect::Error`](super::Error), where [`take_from`](Self::take_from) finds it, also
/// after layers above have boxed or wrapped the error. It is taken once; who comes second finds it
/// [empty](Self::take).
///
/// ```
/// use http::Request;
/// use tower::BoxError;
/// use tower_redial::connect::Unsent;
///
/// fn again<B: Send + 'static>(error: &BoxError) -> Option<Request<B>> {
///     Unsent::take_from(&**error)
/// }
/// # let _ = again::<String>;
/// ```
pub struct Unsent<B> {
    request: Mutex<Option<Request<B>>>,
    verdict: Verdict,
}

impl<B> Unsent<B> {
    pub(super) fn new(request: Request<B>, verdict: Verdict) -> Self {
        Self { request: Mutex::new(Some(request)), verdict }
    }

    /// The request, if nobody has taken it yet.
    pub fn take(&self) -> Option<Request<B>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why it was not sent.
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}

impl<B: 'static> Unsent<B> {
    /// Takes the request out of an error, wherever in its chain of sources it is.
    ///
    /// `None` where the error holds none: it was sent, or may have been; it was taken already; or its body has another type.
    pub fn take_from(error: &(dyn Error + 'static)) -> Option<Request<B>> {
        for error in sources(error) {
            if let Some(unsent) = error.downcast_ref::<Self>() {
                return unsent.take();
            }
            // What lies below may be about another request: one that this one's body was made from.
            if error.is::<Verdict>() {
                return None;
            }
        }
        None
    }
}

impl<B> fmt::Display for Unsent<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request is here to be taken back")
    }
}

impl<B> fmt::Debug for Unsent<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("verdict", &self.verdict).finish_non_exhaustive()
    }
}

impl<B> Error for Unsent<B> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.verdict)
    }
}
