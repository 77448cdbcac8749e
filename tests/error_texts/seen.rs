//! What an error says, and what it proves.

use std::error::Error;
use std::iter;

use tower_redial::fate::{BodyUse, Failure};

use crate::via::Failed;

/// One failure that was made.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What each level of it displays, joined.
    pub(crate) text: String,
    pub(crate) debug: String,
    pub(crate) fate: String,
    /// The name of the cause, without its code.
    pub(crate) cause: String,
}

impl Seen {
    pub(crate) fn new(error: &(dyn Error + 'static), body: BodyUse) -> Self {
        let failure = Failure::of(error, body);
        let cause = format!("{:?}", failure.cause());
        Self {
            text: chain(error),
            debug: format!("{error:?}"),
            fate: format!("{:?}", failure.fate()),
            cause: cause.split(' ').next().expect("a name").to_owned(),
        }
    }

    /// Of a request whose body's use nobody knows.
    pub(crate) fn of(error: impl Error + 'static) -> Self {
        Self::new(&error, BodyUse::Untouched)
    }
}

impl From<Failed> for Seen {
    fn from(failed: Failed) -> Self {
        Self::new(&*failed.error, failed.body)
    }
}

/// The chain of errors as the guide prints it.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let chain = iter::successors(Some(error), |error| <dyn Error>::source(*error));
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
