//! What threads share is made of these: std's types, or loom's where models of it are run.
//!
//! A model, in `models.rs` beside what it is of, goes through every order in which its threads can come to what they share,
//! and through every old value that the orderings let them see. `RUSTFLAGS='--cfg redial_loom' cargo test --profile loom
//! --all-features --lib models::` runs them all. The cfg is this crate's own: tokio's takes its network away.
//!
//! `Arc`s that only keep something alive stay std's: loom's has no `Weak` and cannot be a `dyn`. No thread of a model stops within
//! one of those, nor within what a dependency shares of its own, but before and after.

#[cfg(all(test, redial_loom))]
pub(crate) mod model;

#[cfg(not(all(test, redial_loom)))]
pub(crate) use self::of_std::*;

#[cfg(all(test, redial_loom))]
pub(crate) use self::of_loom::*;

#[cfg(not(all(test, redial_loom)))]
mod of_std {
    pub(crate) use std::sync::atomic;
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard, RwLock};

    /// Takes it that what a panic left behind is in order again.
    pub(crate) fn clear_poison<T>(mutex: &Mutex<T>) {
        mutex.clear_poison();
    }
}

#[cfg(all(test, redial_loom))]
mod of_loom {
    pub(crate) use loom::sync::atomic;
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard, RwLock};

    /// loom's never are poisoned: a model ends with its first panic.
    pub(crate) fn clear_poison<T>(_: &Mutex<T>) {}
}
