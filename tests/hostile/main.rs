//! Hostile peers, and outages of everything: for each attack the bound on attempts, connects, memory and time.
//!
//! `docs/hostile.md` is the catalogue as a page. Each attack is played on tokio's paused clock over pipes in memory, so that
//! minutes pass at once and every figure but the memory is the same in each run. reqwest's connector is its own, so it is met in
//! `tests/reqwest/hostile.rs`, over real sockets. Memory is that of the whole process, the attacker's included, so nothing else may run beside it.

mod attack;
mod bounds;
mod catalogue;
mod downloads;
mod floods;
mod frames;
mod http1;
mod meter;
mod outages;
mod over_time;
mod page;
mod peer;
mod pipe;
mod play;
mod responses;
mod stacks;
mod streams;
#[path = "../support/mod.rs"]
mod support;
