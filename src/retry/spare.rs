//! The inner service for resends, which hardly any request needs.

use std::sync::{Arc, OnceLock, PoisonError};

use crate::sync::Mutex;

/// A clone of the inner service that all requests share: to clone a client for each of them would cost more than the rest of
/// this layer. What is sent again is sent by a clone of this one, so that it is locked for no longer than that takes.
pub(super) struct Spare<S>(Arc<OnceLock<Mutex<S>>>);

impl<S> Spare<S> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }
}

impl<S: Clone> Spare<S> {
    /// The one that is there, of `service` if there is none yet.
    pub(super) fn of(&self, service: &S) -> Self {
        self.0.get_or_init(|| Mutex::new(service.clone()));
        self.clone()
    }

    /// A service of one's own.
    pub(super) fn another(&self) -> Option<S> {
        self.0.get().map(|service| service.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl<S> Clone for Spare<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once() {
        let spare = Spare::new();
        assert_eq!(spare.another(), None::<u32>);
        let first = spare.of(&1);
        let second = spare.clone().of(&2);
        assert_eq!([spare, first, second].map(|spare| spare.another()), [Some(1); 3]);
    }
}
