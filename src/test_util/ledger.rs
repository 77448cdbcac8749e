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
///
/// Ids that are numbers take a few bytes each: millions of them, counted up, shall not hide how much memory a client takes.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    hasher: RandomState,
    shards: [Mutex<HashMap<Box<str>, Entry>>; SHARDS],
    numbers: [Mutex<Vec<Counted>>; SHARDS],
    seen: AtomicU64,
    processed: AtomicU64,
}

/// Numbers from here on are kept as other ids are, so that one large number does not take room for all below it.
const NUMBERS: usize = 1 << 26;

/// An [`Entry`] of a number. It counts no further than it can.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    seen: u16,
    processed: u16,
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
        self.look_up(id).processed
    }

    /// How often the request arrived, processed or not.
    pub fn seen(&self, id: &str) -> u64 {
        self.look_up(id).seen
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
        let numbers = |shard: &Mutex<Vec<Counted>>| shard.lock().unwrap().iter().filter(|e| e.processed > 0).count();
        let numbers = self.0.numbers.iter().map(numbers).sum::<usize>();
        (self.0.shards.iter().map(count).sum::<usize>() + numbers) as u64
    }

    /// The ids that were processed more than once, with how often, in the order of the ids.
    pub fn doubled(&self) -> Vec<(String, u64)> {
        let mut doubled = Vec::new();
        for shard in &self.0.shards {
            let shard = shard.lock().unwrap();
            let twice = shard.iter().filter(|(_, entry)| entry.processed > 1);
            doubled.extend(twice.map(|(id, entry)| (id.to_string(), entry.processed)));
        }
        for (at, shard) in self.0.numbers.iter().enumerate() {
            let shard = shard.lock().unwrap();
            let twice = shard.iter().enumerate().filter(|(_, entry)| entry.processed > 1);
            doubled.extend(twice.map(|(n, entry)| ((n * SHARDS + at).to_string(), u64::from(entry.processed))));
        }
        doubled.sort();
        doubled
    }

    fn look_up(&self, id: &str) -> Entry {
        match number(id) {
            Some(number) => {
                let shard = self.0.numbers[number % SHARDS].lock().unwrap();
                shard.get(number / SHARDS).copied().unwrap_or_default().into()
            }
            None => self.shard(id).lock().unwrap().get(id).copied().unwrap_or_default(),
        }
    }

    fn shard(&self, id: &str) -> &Mutex<HashMap<Box<str>, Entry>> {
        &self.0.shards[self.0.hasher.hash_one(id) as usize % SHARDS]
    }

    fn entry(&self, id: &str, change: impl FnOnce(&mut Entry) -> u64) -> u64 {
        if id.is_empty() {
            return 0;
        }
        if let Some(number) = number(id) {
            let (mut shard, at) = (self.0.numbers[number % SHARDS].lock().unwrap(), number / SHARDS);
            if shard.len() <= at {
                shard.resize(at + 1, Counted::default());
            }
            let mut entry = shard[at].into();
            let now = change(&mut entry);
            shard[at] = entry.into();
            return now;
        }
        let mut shard = self.shard(id).lock().unwrap();
        // `get_mut` first: an id met again costs no allocation.
        if let Some(entry) = shard.get_mut(id) {
            return change(entry);
        }
        change(shard.entry(id.into()).or_default())
    }
}

impl From<Counted> for Entry {
    fn from(counted: Counted) -> Self {
        Self { seen: counted.seen.into(), processed: counted.processed.into() }
    }
}

impl From<Entry> for Counted {
    fn from(entry: Entry) -> Self {
        let most = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
        Self { seen: most(entry.seen), processed: most(entry.processed) }
    }
}

/// The number that this id is; none if another id could be the same number.
fn number(id: &str) -> Option<usize> {
    let plain = id == "0" || (!id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit()));
    id.parse().ok().filter(|number| plain && *number < NUMBERS)
}
