//! Where all jitter comes from.

use std::cell::Cell;

use tower::util::rng::{HasherRng, Rng};

thread_local! {
    /// The state of the numbers that this thread was told to draw.
    static SEEDED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A random number of `0.0..1.0`.
pub(crate) fn random() -> f64 {
    match SEEDED.get() {
        Some(state) => {
            let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            SEEDED.set(Some(state));
            Counted(state).next_f64()
        }
        None => HasherRng::new().next_f64(),
    }
}

/// Lets this thread draw its jitter from a seed, so that a simulation that runs on it can be repeated; `None` as before.
///
/// For this crate's own simulation.
pub fn seed_jitter(seed: Option<u64>) {
    SEEDED.set(seed);
}

/// SplitMix64.
struct Counted(u64);

impl Rng for Counted {
    fn next_u64(&mut self) -> u64 {
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> Vec<f64> {
        (0..100).map(|_| random()).collect()
    }

    #[test]
    fn a_seed_repeats_itself_and_no_other() {
        seed_jitter(Some(7));
        let first = drawn();
        seed_jitter(Some(7));
        assert_eq!(drawn(), first);
        seed_jitter(Some(8));
        assert_ne!(drawn(), first);
        seed_jitter(None);
        assert_ne!(drawn(), drawn());
        assert!(first.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = first.iter().sum::<f64>() / first.len() as f64;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
