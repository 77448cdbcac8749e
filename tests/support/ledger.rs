//! What a server saw and what it processed, by unique request id.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// The request header that carries the id a [`Ledger`] counts by.
pub const REQUEST_ID: &str = "x-request-id";

/// Enough that the connections of a busy server seldom meet at one lock.
const SHARDS: usize = 16;

/// The book of one or more servers: how often each request arrived, and how often it was **processed**.
///
/// A request is processed when the server acts on it, not when it answers. A clone is a handle to the same book, so
/// that several servers can share one. Requests without an id count in the totals only.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    hasher: RandomState,
    shards: [Mutex<HashMap<Box<str>, Entry>>; SHARDS],
    seen: AtomicU64,
    processed: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    seen: u64,
    processed: u64,
}

impl Ledger {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters that a request's head arrived, whatever became of it. Returns how often it has arrived by now.
    pub fn arrived(&self, id: &str) -> u64 {
        self.0.seen.fetch_add(1, Ordering::SeqCst);
        self.entry(id, |entry| {
            entry.seen += 1;
            entry.seen
        })
    }

    /// Enters that a request was processed. Returns how often it has been by now: above 1 is the defect this crate
    /// must never cause.
    pub fn processed(&self, id: &str) -> u64 {
        self.0.processed.fetch_add(1, Ordering::SeqCst);
        self.entry(id, |entry| {
            entry.processed += 1;
            entry.processed
        })
    }

    /// How often the request was processed.
    pub fn times(&self, id: &str) -> u64 {
        self.shard(id).lock().unwrap().get(id).map_or(0, |entry| entry.processed)
    }

    /// How often the request arrived, processed or not.
    pub fn seen(&self, id: &str) -> u64 {
        self.shard(id).lock().unwrap().get(id).map_or(0, |entry| entry.seen)
    }

    /// How many requests were processed, doubles included.
    pub fn total(&self) -> u64 {
        self.0.processed.load(Ordering::SeqCst)
    }

    /// How many requests arrived, doubles included.
    pub fn total_seen(&self) -> u64 {
        self.0.seen.load(Ordering::SeqCst)
    }

    /// How many different ids were processed.
    pub fn distinct(&self) -> u64 {
        let count =
            |shard: &Mutex<HashMap<_, Entry>>| shard.lock().unwrap().values().filter(|e| e.processed > 0).count();
        self.0.shards.iter().map(count).sum::<usize>() as u64
    }

    /// The ids that were processed more than once, with how often, in the order of the ids.
    pub fn doubled(&self) -> Vec<(String, u64)> {
        let mut doubled = Vec::new();
        for shard in &self.0.shards {
            let shard = shard.lock().unwrap();
            let twice = shard.iter().filter(|(_, entry)| entry.processed > 1);
            doubled.extend(twice.map(|(id, entry)| (id.to_string(), entry.processed)));
        }
        doubled.sort();
        doubled
    }

    fn shard(&self, id: &str) -> &Mutex<HashMap<Box<str>, Entry>> {
        &self.0.shards[self.0.hasher.hash_one(id) as usize % SHARDS]
    }

    fn entry(&self, id: &str, change: impl FnOnce(&mut Entry) -> u64) -> u64 {
        if id.is_empty() {
            return 0;
        }
        let mut shard = self.shard(id).lock().unwrap();
        // `get_mut` first: an id met again costs no allocation.
        if let Some(entry) = shard.get_mut(id) {
            return change(entry);
        }
        change(shard.entry(id.into()).or_default())
    }
}
