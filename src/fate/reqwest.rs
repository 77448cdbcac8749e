//! What reqwest's error says of itself.

use std::error::Error;

use super::evidence::{Evidence, Next, downcast};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    let error = downcast::<reqwest::Error>(error)?;
    if error.is_builder() {
        evidence.request = true;
        return Some(Next::Stop);
    }
    // What lies below these is not why the request failed: a response had come already.
    if error.is_redirect() || error.is_status() || error.is_body() || error.is_decode() || error.is_upgrade() {
        return Some(Next::Stop);
    }
    // This asks all that lies below as well: what is a connect's or the transport's timeout is found there, and weighs more.
    evidence.elapsed |= error.is_timeout();
    Some(Next::Source)
}
