//! Who wants to know when a connection ends.

use std::sync::PoisonError;
use std::task::{Context, Waker};

use slab::Slab;

use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, redial_loom))]
mod models;

/// The tasks that wait for an end; `None` once it has come.
pub(super) struct Ended(Mutex<Option<Slab<Waker>>>);

impl Ended {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Slab::new())))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Slab<Waker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has come; if not, the task is woken when it does. `key` is the task's place among those who wait.
    pub(super) fn poll(&self, key: &mut Option<usize>, cx: &Context<'_>) -> bool {
        let mut waiting = self.lock();
        let Some(waiting) = waiting.as_mut() else { return true };
        match key.and_then(|key| waiting.get_mut(key)) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *key = Some(waiting.insert(cx.waker().clone())),
        }
        false
    }

    /// Gives a place up.
    pub(super) fn leave(&self, key: usize) {
        let mut waiting = self.lock();
        let waker = waiting.as_mut().and_then(|waiting| waiting.try_remove(key));
        drop(waiting);
        drop(waker);
    }

    /// It has come.
    pub(super) fn tell(&self) {
        let waiting = self.lock().take();
        waiting.into_iter().flatten().for_each(|(_, waker)| waker.wake());
    }
}
