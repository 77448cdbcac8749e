//! All the chance there is in a run, from one seed.

use std::time::Duration;

use crate::support::files::mix;

/// Draws numbers: the same seed, the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    begin: u64,
    drawn: u64,
}

impl Dice {
    /// `salt` parts those that are made from one seed for different things.
    pub(crate) fn new(seed: u64, salt: u64) -> Self {
        Self { begin: mix(mix(seed).wrapping_add(salt)), drawn: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.begin.wrapping_add(self.drawn))
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        self.between(low as u64, high as u64) as usize
    }

    pub(crate) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    /// In so many of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.size(0, from.len() - 1)]
    }

    /// In so many of a hundred, one of these.
    pub(crate) fn maybe<T: Copy>(&mut self, percent: u64, from: &[T]) -> Option<T> {
        let drawn = self.pick(from);
        self.percent(percent).then_some(drawn)
    }
}
