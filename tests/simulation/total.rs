//! What many seeds came to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::laws::{self, Law, Violation};
use crate::world;

/// So many seeds are enough for everything to have happened.
pub(crate) const ENOUGH: u64 = 1_000;

/// What happened, and at which seeds a law was broken.
#[derive(Debug, Default)]
pub(crate) struct Total {
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) broken: BTreeMap<u64, Vec<Violation>>,
}

/// All that has to happen, each at least so often in [`ENOUGH`] seeds: what did not happen was not tested.
const EXPECTED: [(&str, u64); 0] = [];

impl Total {
    /// Plays the first seeds, on all cores.
    pub(crate) fn play(seeds: u64) -> Self {
        let total = Mutex::new(Self::default());
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

    /// What happened too seldom.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let times = |what: &str| self.counts.get(what).copied().unwrap_or_default();
        EXPECTED.iter().filter(|(what, least)| times(what) < *least).map(|(what, _)| *what).collect()
    }
}

/// The counts; at how many seeds each law was broken; and of the first of these how, and the command that replays it.
impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.counts {
            writeln!(f, "{times:>9}  {what}")?;
        }
        let mut by_law = BTreeMap::<Law, u64>::new();
        for broken in self.broken.values() {
            let mut laws: Vec<_> = broken.iter().map(|violation| violation.law).collect();
            laws.sort();
            laws.dedup();
            laws.into_iter().for_each(|law| *by_law.entry(law).or_default() += 1);
        }
        for (law, seeds) in by_law {
            writeln!(f, "{law:?} was broken at {seeds} seeds")?;
        }
        for (seed, broken) in self.broken.iter().take(10) {
            for violation in broken.iter().take(5) {
                writeln!(f, "seed {seed}: {violation}")?;
            }
            writeln!(f, "    REDIAL_SIM_SEED={seed} cargo test --all-features --test simulation -- --nocapture")?;
        }
        Ok(())
    }
}
