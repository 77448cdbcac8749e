//! The client that there is, whose turn it is to make another, and who waits for it. One rebuild at a time.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::sync::{Mutex, MutexGuard, RwLock};

#[cfg(all(test, redial_loom))]
mod models;

/// See the [module](self).
pub(super) struct Turns<C> {
    current: RwLock<Current<C>>,
    progress: Mutex<Progress>,
    /// How many rebuilds have ended, well or not.
    ended: watch::Sender<u64>,
}

#[derive(Clone)]
pub(super) struct Current<C> {
    pub(super) client: C,
    pub(super) generation: u64,
}

#[derive(Default)]
struct Progress {
    building: bool,
    /// How many rebuilds were begun.
    begun: u64,
    /// When the last one was.
    last: Option<Instant>,
}

/// What became of the wish for a new client.
pub(super) enum Wish {
    /// A rebuild is under way.
    UnderWay(Rebuilding),
    /// There is a newer client already, or it is too soon for another.
    Declined,
}

/// A rebuild that somebody waits for.
pub(super) struct Rebuilding {
    ended: watch::Receiver<u64>,
    number: u64,
}

impl Rebuilding {
    /// Ready once it has ended.
    pub(super) async fn ended(mut self) {
        // Not the end of the one before it, which may be told only now. An error is the end of all.
        let _ = self.ended.wait_for(|ended| *ended >= self.number).await;
    }
}

impl<C: Clone> Turns<C> {
    pub(super) fn new(client: C) -> Self {
        Self {
            current: RwLock::new(Current { client, generation: 0 }),
            progress: Mutex::default(),
            ended: watch::Sender::new(0),
        }
    }

    pub(super) fn current(&self) -> Current<C> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody wants the client of this generation replaced. `true` if it is for the caller to do it, and to tell of its
    /// [end](Self::end).
    pub(super) fn ask(&self, generation: u64, pace: Duration) -> (Wish, bool) {
        let mut progress = self.progress();
        if self.current().generation != generation {
            return (Wish::Declined, false);
        }
        let begins = !progress.building;
        if begins {
            if progress.last.is_some_and(|last| last.elapsed() < pace) {
                return (Wish::Declined, false);
            }
            progress.begin();
        }
        let under_way = Rebuilding { ended: self.ended.subscribe(), number: progress.begun };
        (Wish::UnderWay(under_way), begins)
    }

    /// Somebody wants the client replaced whenever the last time was. `true` if it is for the caller to do it.
    pub(super) fn ask_now(&self) -> bool {
        let mut progress = self.progress();
        let begins = !progress.building;
        if begins {
            progress.begin();
        }
        begins
    }

    /// Puts the new client in place. Gives its generation.
    pub(super) fn install(&self, client: C) -> u64 {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.generation + 1;
        let old = std::mem::replace(&mut *current, Current { client, generation });
        drop(current);
        // Perhaps the last of its handles, and its pool goes with it.
        drop(old);
        generation
    }

    /// The rebuild has ended, well or not.
    pub(super) fn end(&self) {
        self.progress().building = false;
        self.ended.send_modify(|ended| *ended += 1);
    }
}

impl Progress {
    fn begin(&mut self) {
        self.building = true;
        self.begun += 1;
        self.last = Some(Instant::now());
    }
}
