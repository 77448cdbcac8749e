//! The walk down a chain of errors: each is shown to the readers, one for each crate whose errors are known.

use std::error::Error;
use std::iter;

use super::evidence::{Evidence, Next};

/// A chain longer than this is cut: nobody's real one is, and an error whose `source()` never ends must not hang us.
const MAX_DEPTH: usize = 64;

/// An error and what led to it, as each one's `source()` tells.
pub(crate) fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| <dyn Error>::source(*error)).take(MAX_DEPTH)
}

type Reader = for<'a> fn(&'a (dyn Error + 'static), &mut Evidence) -> Option<Next<'a>>;

const READERS: &[Reader] = &[
    super::verdict::read,
    #[cfg(feature = "reqwest-middleware")]
    super::reqwest_middleware::read,
    #[cfg(feature = "reqwest")]
    super::reqwest::read,
    #[cfg(feature = "tonic")]
    super::tonic::read,
    super::hyper_util::read,
    super::hyper::read,
    super::h2::read,
    super::io::read,
    super::tower::read,
];

impl Evidence {
    /// Walks down the chain and keeps what each known error says.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut evidence = Self::default();
        let mut current = Some(error);
        for _ in 0..MAX_DEPTH {
            let Some(error) = current else { break };
            let next = READERS.iter().find_map(|read| read(error, &mut evidence)).unwrap_or(Next::Source);
            current = match next {
                Next::Source => error.source(),
                Next::Into(inner) => Some(inner),
                Next::Stop => None,
            };
        }
        evidence
    }
}
