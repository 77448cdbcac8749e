//! The layers, hyper and hyper-util in a simulated world, under faults at random, and the five laws over all of it.
//!
//! Everything that is random in a run comes from its seed, so that a seed is a run: see [`world`]. What a run may not do is in
//! [`laws`].
//!
//! `REDIAL_SIM_SEEDS=N` plays the first N seeds; 1,000 if it is not set. `REDIAL_SIM_SEED=X` plays that one and prints all
//! that happened.

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod caller;
mod content;
mod dice;
mod frames;
mod history;
mod hyper_server;
mod laws;
mod oracle;
mod schedule;
mod server;
mod stack;
mod total;
mod transport;
mod world;

use crate::total::{ENOUGH, Total};

/// How many seeds are played.
fn seeds() -> u64 {
    std::env::var("REDIAL_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1_000)
}

#[test]
fn no_law_is_broken_at_any_seed() {
    if let Some(seed) = std::env::var("REDIAL_SIM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return replay(seed);
    }
    let seeds = seeds();
    let total = Total::play(seeds);
    println!("{total}");
    assert!(total.broken.is_empty(), "{} of {seeds} seeds broke a law", total.broken.len());
    if seeds >= ENOUGH {
        assert_eq!(total.missing(), Vec::<&str>::new(), "happened too seldom for this to prove anything");
    }
}

/// A seed is a run: the same things happen at the same times, in the same order.
#[test]
fn a_seed_repeats_itself() {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for seed in (half..seeds().div_ceil(25)).step_by(2) {
                    let (first, second) = (world::run(seed), world::run(seed));
                    let parted = first.trace.iter().zip(&second.trace).find(|(first, second)| first != second);
                    assert_eq!(parted, None, "seed {seed}");
                    assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
                    assert_eq!(first.counts, second.counts, "seed {seed}");
                }
            });
        }
    });
}

fn replay(seed: u64) {
    let plan = schedule::Plan::of(seed);
    println!("{plan:#?}");
    let record = world::run(seed);
    for line in &record.trace {
        println!("{line}");
    }
    let broken = laws::check(&record.history);
    for violation in &broken {
        println!("{violation}");
    }
    assert!(broken.is_empty(), "seed {seed} broke a law");
}
