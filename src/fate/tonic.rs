//! What tonic's errors say.
//!
//! A `Status` needs no reader. One that the server sent is part of a response and has no source; one that was made of an
//! error has that error as its source, and there the walk goes on.

use std::error::Error;

use tonic::{ConnectError, TimeoutExpired, transport};

use super::evidence::{Evidence, Next, downcast};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    if let Some(error) = downcast::<transport::Error>(error) {
        // Without a source it is about the endpoint's settings.
        evidence.request |= error.source().is_none();
    } else if downcast::<ConnectError>(error).is_some() {
        // tonic 0.14 keeps the error of a failed connect for the next request (`channel/service/reconnect.rs`): whichever
        // gets it was never sent.
        evidence.connect = true;
    } else if downcast::<TimeoutExpired>(error).is_some() {
        // Its own timeout, above its connection.
        evidence.elapsed = true;
    } else {
        return None;
    }
    Some(Next::Source)
}
