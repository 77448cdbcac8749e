//! What is known of each origin, in bounded memory.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError};

use foldhash::fast::RandomState;

use super::Origin;
use crate::sync::RwLock;

#[cfg(all(test, redial_loom))]
mod models;

/// Origins are kept in this many maps, so that requests to different ones seldom meet at a lock.
pub(super) const SHARDS: usize = if cfg!(all(test, redial_loom)) { 1 } else { 16 };

/// When a map holds this many origins, those that are of no use any more are forgotten.
pub(super) const ORIGINS_PER_SHARD: usize = if cfg!(all(test, redial_loom)) { 1 } else { 1_024 };

type Shard<T> = HashMap<Origin, Arc<T>, RandomState>;

/// A map of origins. A client with a million hosts does not fill the memory.
pub(crate) struct Origins<T> {
    shards: [RwLock<Shard<T>>; SHARDS],
    hasher: RandomState,
}

impl<T> Origins<T> {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()), hasher: RandomState::default() }
    }

    fn shard(&self, origin: &Origin) -> &RwLock<Shard<T>> {
        &self.shards[self.hasher.hash_one(origin) as usize % SHARDS]
    }

    /// What is known of an origin, if anything is.
    pub(crate) fn find(&self, origin: &Origin) -> Option<Arc<T>> {
        self.shard(origin).read().unwrap_or_else(PoisonError::into_inner).get(origin).cloned()
    }

    /// What is known of an origin; made anew if nothing is. Where there is no room, whatever is not `in_use` goes.
    pub(crate) fn get(&self, origin: &Origin, make: impl FnOnce() -> T, in_use: impl Fn(&Arc<T>) -> bool) -> Arc<T> {
        if let Some(known) = self.find(origin) {
            return known;
        }
        let mut shard = self.shard(origin).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.get(origin) {
            return Arc::clone(known);
        }
        if shard.len() >= ORIGINS_PER_SHARD {
            shard.retain(|_, known| in_use(known));
        }
        let made = Arc::new(make());
        // Where more than this are in use at once, the newest does without a place here.
        if shard.len() < ORIGINS_PER_SHARD {
            shard.insert(origin.clone(), Arc::clone(&made));
        }
        made
    }

    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        let all = |shard: &RwLock<Shard<T>>| {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(all).collect()
    }
}
