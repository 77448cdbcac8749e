//! What an attack makes the client do, counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Held by each test: memory is all of the process's, and so no other may run meanwhile.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process's memory now, in bytes. The peak is counted from here.
pub(crate) fn memory_from_here() -> usize {
    MEMORY.reset_peak_usage();
    MEMORY.current_usage()
}

/// The process's memory now, in bytes.
pub(crate) fn memory() -> usize {
    MEMORY.current_usage()
}

/// The most that the process's memory was since [`memory_from_here`], in bytes.
pub(crate) fn most_memory() -> usize {
    MEMORY.peak_usage()
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds some, and gives the sum.
    pub(crate) fn add(&self, some: u64) -> u64 {
        self.0.fetch_add(some, Ordering::Relaxed) + some
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that is counted while an attack is played.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Connects, those that failed too.
    pub(crate) connects: Count,
    /// How often the client polled its connections and its requests' futures.
    pub(crate) polls: Count,
    /// Frames from the client.
    pub(crate) frames: Count,
    /// Of these, PINGs that are no acknowledgements.
    pub(crate) pings: Count,
    /// Frames that the attacker sent.
    pub(crate) sent: Count,
    /// How often each request was given to the client below the layers, by its id.
    pub(crate) attempts: Mutex<HashMap<String, u64>>,
    /// How often each request's head reached the attacker, by its id.
    pub(crate) heads: Mutex<HashMap<String, u64>>,
}

/// Counts one more.
pub(crate) fn one_more(of: &Mutex<HashMap<String, u64>>, id: &str) {
    let mut of = of.lock().unwrap();
    match of.get_mut(id) {
        Some(count) => *count += 1,
        None => drop(of.insert(id.to_owned(), 1)),
    }
}

/// What was counted for each request.
pub(crate) struct Counted {
    pub(crate) all: u64,
    pub(crate) most: u64,
    pub(crate) most_of_a_post: u64,
}

/// Sums these up, and lets go of them.
pub(crate) fn take(of: &Mutex<HashMap<String, u64>>) -> Counted {
    let of = std::mem::take(&mut *of.lock().unwrap());
    let posts = of.iter().filter(|(id, _)| id.starts_with("POST")).map(|(_, count)| *count);
    Counted {
        all: of.values().sum(),
        most: of.values().copied().max().unwrap_or_default(),
        most_of_a_post: posts.max().unwrap_or_default(),
    }
}
