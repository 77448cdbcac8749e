use std::fmt;

use http_body::Body;

use super::slot::{Epoch, Shared};
use super::{ReplayBody, SourceError};
use crate::body_use::BodyUse;

/// The half of a body that can send it again.
///
/// Dropping it gives the body up: its source is dropped at once, and an attempt that still holds the body gets an
/// error, so that nothing goes on sending for a caller who left. Once a response's head has come, call
/// [`release`](Self::release) instead: the attempt then sends the rest in peace.
pub struct Rewind<B> {
    shared: Option<Shared<B>>,
    epoch: Epoch,
}

impl<B: Body> Rewind<B> {
    pub(super) fn new(body: B, limit: usize) -> Self {
        // Nothing would ever be polled, recorded or replayed.
        if body.is_end_stream() {
            return Self { shared: None, epoch: 0 };
        }
        let too_large = usize::try_from(body.size_hint().lower()).map_or(true, |lower| lower > limit);
        let limit = if too_large { 0 } else { limit };
        Self { shared: Some(Shared::new(body, limit)), epoch: 0 }
    }
}

impl<B> Rewind<B> {
    pub(super) fn handle(&self) -> ReplayBody<B> {
        ReplayBody::new(self.shared.clone().map(|shared| (shared, self.epoch)))
    }

    /// Takes the body back from the attempt that has it, and holds it ready for a new one.
    ///
    /// `None` where not all of it can be sent again: more than the limit has passed, or it failed.
    pub fn again(&mut self) -> Option<ReplayBody<B>> {
        if let Some(shared) = &self.shared {
            self.epoch = shared.take_back()?;
        }
        Some(self.handle())
    }

    /// What the newest attempt did with the body.
    #[must_use]
    pub fn body_use(&self) -> BodyUse {
        self.shared.as_ref().map_or(BodyUse::Untouched, Shared::body_use)
    }

    /// The error of the body's source, if it failed.
    #[must_use]
    pub fn source_error(&self) -> Option<SourceError> {
        self.shared.as_ref()?.source_error()
    }

    /// Leaves the body to the attempt that has it: it is never to be sent again, and its recording is freed.
    pub fn release(mut self) {
        if let Some(shared) = self.shared.take() {
            shared.release();
        }
    }
}

impl<B> Drop for Rewind<B> {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.close();
        }
    }
}

impl<B> fmt::Debug for Rewind<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewind").field("attempt", &self.epoch).finish_non_exhaustive()
    }
}
