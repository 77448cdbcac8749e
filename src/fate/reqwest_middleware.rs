//! reqwest-middleware's error says nothing of its own, and its `source()` leaves out the one that it holds.

use std::error::Error;

use super::evidence::{Evidence, Next, downcast};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), _: &mut Evidence) -> Option<Next<'a>> {
    Some(Next::Into(match downcast::<reqwest_middleware::Error>(error)? {
        reqwest_middleware::Error::Reqwest(error) => error,
        reqwest_middleware::Error::Middleware(error) => &**error,
    }))
}
