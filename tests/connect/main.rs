//! Connections of our own: each stream is known, and what a failed request proves with it.

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod pool;
mod race;
mod readiness;
mod setup;
mod streams;
mod truth;
