//! The probes' ledger, by which no peer takes them for a flood.

use std::time::Duration;

/// Waits between probes for silence, from the second on; the last is kept.
const SILENCE_GAPS: [Duration; 3] = [Duration::from_secs(30), Duration::from_secs(60), Duration::from_secs(330)];

/// When probes were sent, and how many since HEADERS or DATA last came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledger {
    last: Option<Duration>,
    pub(super) since_data: usize,
    /// The last probe's own acknowledgement has not come. What comes before it may have been sent before the probe arrived,
    /// and then does not count with the peer either.
    pub(super) unacknowledged: bool,
}

impl Ledger {
    /// When the next probe for silence may be sent, as far as the earlier ones are concerned.
    pub(super) fn next_for_silence(&self) -> Duration {
        match (self.last, self.since_data.checked_sub(1)) {
            (Some(last), Some(earlier)) => last.saturating_add(SILENCE_GAPS[earlier.min(SILENCE_GAPS.len() - 1)]),
            _ => Duration::ZERO,
        }
    }

    /// A probe is sent.
    pub(super) fn enter(&mut self, now: Duration) {
        self.last = Some(now);
        self.since_data += 1;
        self.unacknowledged = true;
    }
}
