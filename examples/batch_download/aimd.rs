//! How many downloads run at a time, if nobody has said: additive increase, multiplicative decrease.
//!
//! It is what TCP does with its congestion window (RFC 5681, 3.1: congestion avoidance; RFC 6582: one halving for all losses of a
//! window) and what the `AIMDLimit` of Netflix's concurrency-limits does with requests. What it is told are counts; it knows no
//! clock, no connection and no client.

use std::time::Duration;

/// How many at first, once the peer has been heard.
pub(crate) const FEW: usize = 4;

/// After so long even what began before the last halving may halve again: some downloads take hours.
const LONG: Duration = Duration::from_secs(10);

/// The number of one origin.
#[derive(Clone, Debug)]
pub(crate) struct Aimd {
    limit: usize,
    /// What the peer allows.
    most: usize,
    /// Whether the peer has been heard. Until then one download goes ahead: what the others may do is not known.
    heard: bool,
    /// Those that ended well since the last change, with places taken.
    ended_well: usize,
    /// The number of the next download.
    next: u64,
    /// When it was halved last, and which download was to be the next then.
    halved: Option<(Duration, u64)>,
    highest: usize,
    halvings: u64,
}

/// Which download it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(u64);

impl Aimd {
    /// A number that will not be more than `most`.
    pub(crate) fn new(most: usize) -> Self {
        let (limit, most) = (FEW, most.max(1));
        Self { limit, most, heard: false, ended_well: 0, next: 0, halved: None, highest: 1, halvings: 0 }
    }

    /// How many may run now. At least 1.
    pub(crate) fn limit(&self) -> usize {
        if self.heard { self.limit.clamp(1, self.most) } else { 1 }
    }

    /// The highest there was.
    pub(crate) fn highest(&self) -> usize {
        self.highest
    }

    /// How often it was halved.
    pub(crate) fn halvings(&self) -> u64 {
        self.halvings
    }

    /// The peer has been heard.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
        self.highest = self.highest.max(self.limit());
    }

    /// The peer allows so many at once. More are not waited for, should it allow more later: the way there is the usual one.
    pub(crate) fn allowed(&mut self, most: usize) {
        self.most = most.max(1);
        self.limit = self.limit.min(self.most);
    }

    /// A download begins.
    pub(crate) fn begun(&mut self) -> Serial {
        self.next += 1;
        Serial(self.next - 1)
    }

    /// One ended well when so many were running, it among them. When as many have as fit at once, there is room for one more; but
    /// not while fewer than half of the places are taken: then nothing says that more would do.
    pub(crate) fn ended_well(&mut self, running: usize) {
        if running.saturating_mul(2) < self.limit() {
            return;
        }
        self.ended_well += 1;
        if self.ended_well >= self.limit() {
            self.ended_well = 0;
            self.limit = (self.limit() + 1).min(self.most);
            self.highest = self.highest.max(self.limit());
        }
    }

    /// Its connection failed, at this time since some beginning. A connection takes all down that are on it: so what began before
    /// the last halving has been counted with that, unless it is long ago.
    pub(crate) fn failed(&mut self, serial: Serial, now: Duration) {
        if self.halved.is_some_and(|(at, next)| serial.0 < next && now.saturating_sub(at) < LONG) {
            return;
        }
        self.limit = (self.limit() / 2).max(1);
        self.halved = Some((now, self.next));
        self.halvings += 1;
        self.ended_well = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn heard(most: usize) -> Aimd {
        let mut aimd = Aimd::new(most);
        aimd.heard();
        aimd
    }

    /// As many as fit, side by side, all of which end well.
    fn round(aimd: &mut Aimd) {
        let running = aimd.limit();
        (0..running).for_each(|_| _ = aimd.begun());
        (0..running).for_each(|_| aimd.ended_well(running));
    }

    #[test]
    fn one_goes_ahead_until_the_peer_has_been_heard() {
        let mut aimd = Aimd::new(100);
        assert_eq!(aimd.limit(), 1);
        aimd.heard();
        assert_eq!((aimd.limit(), aimd.highest()), (FEW, FEW));
    }

    #[test]
    fn grows_by_one_each_round_up_to_what_is_allowed() {
        let mut aimd = heard(7);
        let limits: Vec<_> = (0..5)
            .map(|_| {
                round(&mut aimd);
                aimd.limit()
            })
            .collect();
        assert_eq!(limits, [5, 6, 7, 7, 7]);
        assert_eq!((aimd.highest(), aimd.halvings()), (7, 0));
    }

    #[test]
    fn does_not_grow_while_places_are_free() {
        let mut aimd = heard(100);
        (0..50).for_each(|_| aimd.ended_well(FEW / 2 - 1));
        assert_eq!(aimd.limit(), FEW);
    }

    #[test]
    fn halves_once_for_all_that_one_connection_takes_down() {
        let mut aimd = heard(100);
        (0..12).for_each(|_| round(&mut aimd));
        assert_eq!(aimd.limit(), 16);
        let lost: Vec<_> = (0..16).map(|_| aimd.begun()).collect();
        lost.iter().for_each(|serial| aimd.failed(*serial, NOW));
        assert_eq!((aimd.limit(), aimd.halvings(), aimd.highest()), (8, 1, 16));
        // What began since is another matter.
        let later = aimd.begun();
        aimd.failed(later, NOW);
        assert_eq!((aimd.limit(), aimd.halvings()), (4, 2));
        // And so is what goes on for long.
        aimd.failed(lost[0], NOW + LONG / 2);
        assert_eq!(aimd.limit(), 4);
        aimd.failed(lost[0], NOW + LONG);
        assert_eq!(aimd.limit(), 2);
    }

    #[test]
    fn comes_down_to_one_and_up_again() {
        let mut aimd = heard(100);
        for _ in 0..10 {
            let serial = aimd.begun();
            aimd.failed(serial, NOW);
            assert!(aimd.limit() >= 1);
        }
        assert_eq!(aimd.limit(), 1);
        round(&mut aimd);
        assert_eq!(aimd.limit(), 2);
    }

    #[test]
    fn a_failure_takes_back_what_led_to_the_next_place() {
        let mut aimd = heard(100);
        (0..FEW - 1).for_each(|_| aimd.ended_well(FEW));
        let serial = aimd.begun();
        aimd.failed(serial, NOW);
        aimd.ended_well(2);
        assert_eq!(aimd.limit(), 2);
        aimd.ended_well(2);
        assert_eq!(aimd.limit(), 3);
    }

    #[test]
    fn follows_the_peer_down_at_once_and_up_step_by_step() {
        let mut aimd = heard(100);
        aimd.allowed(2);
        assert_eq!(aimd.limit(), 2);
        round(&mut aimd);
        assert_eq!(aimd.limit(), 2);
        aimd.allowed(100);
        assert_eq!(aimd.limit(), 2);
        round(&mut aimd);
        assert_eq!(aimd.limit(), 3);
        // A peer that allows none for now: one waits.
        aimd.allowed(0);
        assert_eq!(aimd.limit(), 1);
    }
}
