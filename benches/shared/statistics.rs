//! Medians, and how sure they are.

/// A median with its 95 % interval, which needs no idea of how the values are spread: the ranks between which the median lies
/// with that probability, by the binomial distribution.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) samples: usize,
}

/// Of paired measurements: each value is what one round gave.
///
/// # Panics
///
/// Without a value.
pub(crate) fn estimate(values: &[f64]) -> Estimate {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    // Half the width of the interval in ranks, by the normal approximation of the binomial distribution.
    let half = 0.98 * (n as f64).sqrt();
    let rank = |at: f64| (at.max(0.0) as usize).min(n - 1);
    Estimate {
        median: quantile(&sorted, 0.5),
        low: sorted[rank((n as f64 / 2.0 - half).floor())],
        high: sorted[rank((n as f64 / 2.0 + half).ceil())],
        samples: n,
    }
}

/// Of sorted values, between neighbours in proportion.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}
