//! Chance that can be had again, from a seed.

use std::time::Duration;

use crate::support::files::mix;

/// A sequence of numbers that follows from its seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    /// The one with this number, of those that follow from a seed.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        Self { seed: mix(seed ^ mix(number)), thrown: 0 }
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.thrown += 1;
        mix(self.seed.wrapping_add(self.thrown)) % limit.max(1)
    }

    /// One of these.
    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// A time between these.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + Duration::from_millis(self.below(most.saturating_sub(least).as_millis() as u64 + 1))
    }
}
