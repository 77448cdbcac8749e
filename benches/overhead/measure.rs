//! Times, allocations and instructions of one case under every stack.

use std::alloc::System;
use std::time::Instant;

use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use super::cases::Case;
use super::shared::instructions;
use super::shared::statistics::{Estimate, estimate};
use super::stacks::{self, Stack};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests before anything counts: what is made once is there then.
const WARM: u64 = 100;

/// What one stack took for a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) stack: Stack,
    /// The median of all rounds.
    pub(crate) nanoseconds: f64,
    /// The time over that of no layer in the same round.
    pub(crate) ratio: Estimate,
    pub(crate) instructions: Option<f64>,
    pub(crate) allocations: f64,
    /// Bytes that were allocated, whether they were freed again or not.
    pub(crate) bytes: f64,
}

impl Measured {
    pub(crate) fn json(&self) -> Value {
        json!({
            "stack": self.stack.name(),
            "nanoseconds": self.nanoseconds,
            "ratio_to_no_layer": self.ratio,
            "instructions": self.instructions,
            "allocations": self.allocations,
            "bytes_allocated": self.bytes,
        })
    }
}

pub(crate) fn case(case: Case, quick: bool) -> Vec<Measured> {
    let times = times(case, quick);
    let bare = &times[0];
    Stack::ALL
        .into_iter()
        .zip(&times)
        .map(|(stack, times)| {
            let ratios: Vec<_> = times.iter().zip(bare).map(|(one, bare)| one / bare).collect();
            let (allocations, bytes) = allocations(stack, case);
            let (few, many) = if quick { (10, 20) } else { (200, 1_200) };
            Measured {
                stack,
                nanoseconds: estimate(times).median,
                ratio: estimate(&ratios),
                instructions: instructions::of_one(&[stack.name(), case.name()], few, many)
                    .map(|count| count.instructions),
                allocations,
                bytes,
            }
        })
        .collect()
}

/// Nanoseconds for a request, by stack and round. Each round has all stacks, so that they meet the same machine.
fn times(case: Case, quick: bool) -> Vec<Vec<f64>> {
    let requests = if case == Case::Stream { 50 } else { 1_000 };
    let rounds = if quick { 3 } else { 200 };
    let mut times = vec![Vec::with_capacity(rounds); Stack::ALL.len()];
    for round in 0..rounds {
        for turn in 0..Stack::ALL.len() {
            // Each stack follows each other one as often.
            let at = (turn + round) % Stack::ALL.len();
            let began = Instant::now();
            stacks::run(Stack::ALL[at], case, requests);
            times[at].push(began.elapsed().as_nanos() as f64 / requests as f64);
        }
    }
    times
}

/// Allocations and bytes for a request, once all that is made once has been made.
fn allocations(stack: Stack, case: Case) -> (f64, f64) {
    const REQUESTS: u64 = 100;
    let of = |requests| {
        let region = Region::new(ALLOCATOR);
        stacks::run(stack, case, requests);
        let change = region.change();
        ((change.allocations + change.reallocations) as f64, change.bytes_allocated as f64)
    };
    let (few, many) = (of(WARM), of(WARM + REQUESTS));
    ((many.0 - few.0) / REQUESTS as f64, (many.1 - few.1) / REQUESTS as f64)
}
