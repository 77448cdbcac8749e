use std::collections::HashMap;
use std::sync::PoisonError;

use crate::health::Origin;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, redial_loom))]
mod models;

/// A client with more hosts that do not answer than this begins to count anew.
const ORIGINS: usize = 1024;

/// The origins whose last request timed out, and how many in a row did.
#[derive(Default)]
pub(super) struct Suspects {
    /// Whether there is any: an origin that answers costs no lock where there is none.
    any: AtomicBool,
    origins: Mutex<HashMap<Origin, u32>>,
}

impl Suspects {
    /// Counts a timeout; gives how many in a row that makes.
    pub(super) fn timed_out(&self, origin: &Origin) -> u32 {
        let mut origins = self.lock();
        if origins.len() >= ORIGINS && !origins.contains_key(origin) {
            origins.clear();
        }
        let count = origins.entry(origin.clone()).or_default();
        *count = count.saturating_add(1);
        self.any.store(true, Ordering::Relaxed);
        *count
    }

    pub(super) fn answered(&self, origin: &Origin) {
        if self.any.load(Ordering::Relaxed) {
            let mut origins = self.lock();
            origins.remove(origin);
            self.any.store(!origins.is_empty(), Ordering::Relaxed);
        }
    }

    pub(super) fn clear(&self) {
        let mut origins = self.lock();
        origins.clear();
        self.any.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, u32>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(n: usize) -> Origin {
        Origin::of(&format!("http://host-{n}").parse().unwrap()).unwrap()
    }

    #[test]
    fn an_answer_ends_the_row() {
        let suspects = Suspects::default();
        assert_eq!((suspects.timed_out(&origin(1)), suspects.timed_out(&origin(1))), (1, 2));
        assert_eq!(suspects.timed_out(&origin(2)), 1);
        suspects.answered(&origin(1));
        assert_eq!((suspects.timed_out(&origin(1)), suspects.timed_out(&origin(2))), (1, 2));
        suspects.clear();
        assert_eq!(suspects.timed_out(&origin(2)), 1);
    }

    #[test]
    fn a_million_hosts_do_not_fill_the_memory() {
        let suspects = Suspects::default();
        (0..10 * ORIGINS).for_each(|n| assert_eq!(suspects.timed_out(&origin(n)), 1));
        assert!(suspects.lock().len() <= ORIGINS);
    }
}
