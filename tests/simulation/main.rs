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
mod transport;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::laws::Violation;

/// How many seeds are played.
fn seeds() -> u64 {
    std::env::var("REDIAL_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1_000)
}

#[derive(Default)]
struct Total {
    counts: BTreeMap<String, u64>,
    broken: BTreeMap<u64, Vec<Violation>>,
}

fn play(seeds: u64) -> Total {
    let total = Mutex::new(Total::default());
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let record = world::run(seed);
                    let broken = laws::check(&record.history);
                    let mut total = total.lock().unwrap();
                    for (what, times) in record.counts {
                        *total.counts.entry(what).or_default() += times;
                    }
                    if !broken.is_empty() {
                        total.broken.insert(seed, broken);
                    }
                }
            });
        }
    });
    total.into_inner().unwrap()
}

#[test]
fn no_law_is_broken_at_any_seed() {
    if let Some(seed) = std::env::var("REDIAL_SIM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return replay(seed);
    }
    let total = play(seeds());
    for (what, times) in &total.counts {
        println!("{times:>9}  {what}");
    }
    for (seed, broken) in total.broken.iter().take(20) {
        for violation in broken.iter().take(5) {
            println!("seed {seed}: {violation}");
        }
        println!(
            "    REDIAL_SIM_SEED={seed} cargo test --all-features --test simulation -- --nocapture no_law_is_broken"
        );
    }
    assert!(total.broken.is_empty(), "{} of {} seeds broke a law", total.broken.len(), seeds());
}

/// A seed is a run: the same things happen at the same times, in the same order.
#[test]
fn a_seed_repeats_itself() {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for seed in (half..30).step_by(2) {
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
