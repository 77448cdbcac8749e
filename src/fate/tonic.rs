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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tonic::Status;
    use tonic::transport::Endpoint;

    use super::*;
    use crate::fate::{BodyUse, Cause, Failure, Fate};

    fn failure(error: &(dyn Error + 'static)) -> (Fate, Cause) {
        let failure = Failure::of(error, BodyUse::Polled);
        (failure.fate(), failure.cause())
    }

    #[test]
    fn a_failed_connect_was_never_sent() {
        let refused = ConnectError(io::Error::from(io::ErrorKind::ConnectionReset).into());
        assert_eq!(failure(&refused), (Fate::NotSent, Cause::Connect));
        let certificate = ConnectError(io::Error::from(io::ErrorKind::InvalidData).into());
        assert_eq!(failure(&certificate), (Fate::Permanent, Cause::Certificate));
    }

    #[test]
    fn a_timeout_of_tonics_is_a_timeout() {
        assert_eq!(failure(&TimeoutExpired(())), (Fate::Unknown, Cause::Timeout));
    }

    #[test]
    fn wrong_settings_stay_wrong() {
        let error = Endpoint::from_static("http://localhost").user_agent("\n").unwrap_err();
        assert_eq!(failure(&error), (Fate::Permanent, Cause::Request));
    }

    /// C22: a status says nothing, what it was made of does.
    #[test]
    fn a_status_is_looked_through() {
        let mut status = Status::unavailable("later");
        assert_eq!(failure(&status), (Fate::Permanent, Cause::Other));
        status.set_source(Arc::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        assert_eq!(failure(&status), (Fate::Unknown, Cause::Closed));
    }
}
