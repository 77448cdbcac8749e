use std::time::Duration;

/// How long to wait before a resend: doubling, with jitter, up to a maximum.
///
/// The `n`th wait is drawn evenly from the upper half of `base * 2^n`, or of `max` where that is less: callers who failed
/// together come back apart, and nobody comes back at once.
///
/// # Default
///
/// 50 ms, doubling up to 5 s, no resend at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    first_at_once: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(5))
    }
}

impl Backoff {
    /// Waits from `base`, doubling up to `max`.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self { base, max, first_at_once: false }
    }

    /// Whether the first resend is made at once, and only later ones wait.
    #[must_use]
    pub const fn first_at_once(mut self, at_once: bool) -> Self {
        self.first_at_once = at_once;
        self
    }

    /// The wait before the resend that comes after `earlier` others, with a `random` number of `0.0..1.0`.
    pub(super) fn wait(&self, earlier: u32, random: f64) -> Duration {
        let doublings = match (self.first_at_once, earlier) {
            (true, 0) => return Duration::ZERO,
            (true, n) => n - 1,
            (false, n) => n,
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let full = self.base.saturating_mul(factor).min(self.max);
        let half = full / 2;
        half + half.mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn doubles_up_to_the_maximum() {
        let backoff = Backoff::new(MS(50), MS(5_000));
        let longest: Vec<_> = (0..9).map(|n| backoff.wait(n, 1.0)).collect();
        assert_eq!(longest, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map(MS));
        assert_eq!(backoff.wait(0, 0.0), MS(25));
    }

    #[test]
    fn the_first_may_come_at_once() {
        let backoff = Backoff::new(MS(25), MS(250)).first_at_once(true);
        assert_eq!(backoff.wait(0, 1.0), Duration::ZERO);
        assert_eq!(backoff.wait(1, 1.0), MS(25));
        assert_eq!(backoff.wait(2, 1.0), MS(50));
    }

    /// T14: the maximum holds and nothing overflows, however late the attempt and however odd the settings.
    #[test]
    fn no_setting_overflows() {
        for backoff in [Backoff::default(), Backoff::new(Duration::MAX, Duration::MAX), Backoff::new(MS(7), MS(0))] {
            for earlier in [0, 1, 31, 32, 64, u32::MAX] {
                for random in [f64::NEG_INFINITY, 0.0, 0.5, 1.0, f64::INFINITY] {
                    assert!(backoff.wait(earlier, random) <= backoff.max);
                }
            }
        }
    }
}
