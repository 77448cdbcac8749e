//! What hyper's own error says of itself.

use std::error::Error;

use hyper::client::conn::TrySendError;

use super::evidence::{Evidence, Next, downcast};
use super::{BodyUse, Failure};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    let error = downcast::<hyper::Error>(error)?;
    if error.is_canceled() {
        // What lies below is why the connection ended (`proto/h1/dispatch.rs` puts a parse or io error there), not
        // what happened to this request: it came back unsent.
        evidence.handed_back = true;
        return Some(Next::Stop);
    }
    if error.is_user() {
        // Below an error of the caller's own body there may be errors of quite another connection.
        if is_dispatch_gone(error) {
            evidence.dispatch_gone = true;
        } else {
            evidence.request = true;
        }
        return Some(Next::Stop);
    }
    evidence.on_connection = true;
    evidence.parse |= error.is_parse();
    evidence.silent |= error.is_timeout();
    evidence.closed |= error.is_incomplete_message() || error.is_closed();
    Some(Next::Source)
}

/// hyper 1.12 has no accessor for `User(DispatchGone)`. Its source is a mere text (`client/dispatch.rs`,
/// `dispatch_gone`), which std boxes as a `String` with no source of its own. A body wrapped below may fail with such a text
/// too: what is mistaken here is then resent for idempotent requests only, and in vain.
fn is_dispatch_gone(error: &hyper::Error) -> bool {
    !error.is_body_write_aborted()
        && error.source().is_some_and(|text| text.source().is_none() && size_of_val(text) == size_of::<String>())
}

impl Failure {
    /// Reads the error of hyper's `try_send_request`, which can hand the request back and is no `Error` itself.
    ///
    /// Where the request came back it was never sent; otherwise this is [`Failure::of`] the error inside.
    #[must_use]
    pub fn of_try_send<T>(error: &TrySendError<T>, body: BodyUse) -> Self {
        if error.message().is_some() {
            return Evidence { handed_back: true, ..Evidence::default() }.decide(body);
        }
        Self::of(error.error(), body)
    }
}

/// Whether the error can only be of an HTTP/1 connection: HTTP/2 has frames, and no message that is cut short.
pub(crate) fn is_http1(error: &(dyn Error + 'static)) -> bool {
    let mut errors = super::sources(error).filter_map(downcast::<hyper::Error>);
    errors.any(|error| error.is_incomplete_message() || error.is_parse())
}
