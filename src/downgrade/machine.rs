//! One origin: what became of its requests and the time in, where the next request goes out. No IO and no clock of its own.
//!
//! ```text
//!          HTTP_1_1_REQUIRED, or too many deaths                    the time is over
//!  Http2 ────────────────────────────────────────> Http1 { until } ──────────────────> Probing
//!    ^                                               ^                                  │  │
//!    │                                               └── the probe failed: a new time ──┤  │
//!    │                                               └── it says nothing: a short time ─┘  │
//!    └─────────────────────────────────── the probe was answered ──────────────────────────┘
//! ```
//!
//! Times are `Duration`s on a clock of the caller's.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::{EventKind, Trouble};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// How many deaths within how long.
    pub(super) after: Option<(u32, Duration)>,
    pub(super) lasting: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { after: None, lasting: Duration::from_secs(300) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Http2,
    /// Until then no request tries HTTP/2. When the time of the downgrade was over is `due`: from then on it is to be decided.
    Http1 {
        until: Duration,
        due: Duration,
    },
    Probing {
        probe: u64,
        since: Duration,
    },
}

/// How many times a probe that says nothing may be followed by another within one [`lasting`](Settings::lasting).
const SHARES: u32 = 8;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// [`died`](Machine::died) is to be told the epoch, if it comes to that.
    Http2 {
        epoch: u64,
    },
    Http1,
    /// Over HTTP/2, and [`probed`](Machine::probed) is to be told what became of it.
    Probe(u64),
}

/// What became of an attempt over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A response came.
    Answered,
    /// HTTP_1_1_REQUIRED.
    Required,
    /// Its connection died.
    Died,
    /// Neither: nothing is learned of HTTP/2.
    Nothing,
}

/// Follows one origin. See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Machine {
    settings: Settings,
    state: State,
    /// When connections died, since a response came.
    deaths: VecDeque<Duration>,
    /// What began before the last death that counted, or before the last downgrade, is no other sign.
    epoch: u64,
    probes: u64,
    /// Probes in a row that said nothing.
    inconclusive: u32,
    downgrades: u64,
}

impl Machine {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Http2,
            deaths: VecDeque::new(),
            epoch: 0,
            probes: 0,
            inconclusive: 0,
            downgrades: 0,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// How many deaths count now.
    pub(super) fn deaths(&self, now: Duration) -> usize {
        let within = self.settings.after.map_or(Duration::ZERO, |(_, within)| within);
        self.deaths.iter().filter(|at| now <= at.saturating_add(within)).count()
    }

    pub(super) const fn downgrades(&self) -> u64 {
        self.downgrades
    }

    /// To be kept by an attempt, or a connection, from its beginning, for [`died`](Self::died).
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether anything would be lost if this origin were forgotten.
    pub(super) fn is_worth_keeping(&self, now: Duration) -> bool {
        match self.state {
            State::Http2 => self.deaths(now) > 0,
            State::Http1 { until, .. } => now < until,
            State::Probing { .. } => true,
        }
    }

    /// Where the next request goes. One that may be processed twice can be `spared` for a probe: lost, it is just sent again. Others
    /// try only where there was none like that for as long again.
    pub(super) fn route(&mut self, spared: bool, now: Duration) -> (Route, Option<EventKind>) {
        let lasting = self.settings.lasting;
        let from = match self.state {
            State::Http2 => return (Route::Http2 { epoch: self.epoch }, None),
            State::Http1 { until, .. } => until,
            // One that has not ended by then may never do.
            State::Probing { since, .. } => since.saturating_add(lasting),
        };
        if now < if spared { from } else { from.saturating_add(lasting) } {
            return (Route::Http1, None);
        }
        self.probes += 1;
        self.state = State::Probing { probe: self.probes, since: now };
        (Route::Probe(self.probes), Some(EventKind::Probing))
    }

    /// A response came over HTTP/2.
    pub(super) fn answered(&mut self) {
        self.deaths.clear();
    }

    /// A connection that had begun at this epoch was of use: a response came to its end on it.
    pub(super) fn useful(&mut self, epoch: u64) -> Option<EventKind> {
        self.deaths.clear();
        match self.state {
            State::Probing { .. } if epoch == self.epoch => Some(self.restore()),
            _ => None,
        }
    }

    /// A connection died that was of no use, and had begun at this epoch.
    pub(super) fn died(&mut self, epoch: u64, now: Duration) -> Option<EventKind> {
        if epoch != self.epoch {
            return None;
        }
        match (self.state, self.settings.after) {
            (State::Http2, Some((most, within))) => {
                self.epoch += 1;
                self.deaths.retain(|at| now <= at.saturating_add(within));
                self.deaths.push_back(now);
                let deaths = self.deaths.len() as u32;
                Some(if deaths < most {
                    EventKind::Died { in_a_row: deaths }
                } else {
                    self.downgrade(Trouble::Died, now)
                })
            }
            // Whoever it was for, HTTP/2 is of no use yet. The probe may not even have got it, or its caller may not have waited.
            (State::Probing { .. }, _) => Some(self.downgrade(Trouble::Died, now)),
            (State::Http1 { due, .. }, Some(_)) if now >= due => Some(self.downgrade(Trouble::Died, now)),
            (State::Http2 | State::Http1 { .. }, _) => None,
        }
    }

    /// The origin asked for HTTP/1.1.
    pub(super) fn required(&mut self, now: Duration) -> Option<EventKind> {
        // While it has it, what still comes from HTTP/2 is no news.
        (self.state == State::Http2).then(|| self.downgrade(Trouble::Http11Required, now))
    }

    /// What became of a probe. Each is to be told once; what is dropped is [`Nothing`](Outcome::Nothing).
    pub(super) fn probed(&mut self, probe: u64, outcome: Outcome, now: Duration) -> Option<EventKind> {
        if !matches!(self.state, State::Probing { probe: current, .. } if current == probe) {
            return None;
        }
        Some(match outcome {
            Outcome::Answered => self.restore(),
            Outcome::Required => self.downgrade(Trouble::Http11Required, now),
            Outcome::Died => self.downgrade(Trouble::Died, now),
            Outcome::Nothing => {
                // HTTP/2 may be broken in a way that says nothing: ever fewer requests find out.
                let wait = (self.settings.lasting / SHARES).saturating_mul(1 << self.inconclusive.min(31));
                self.inconclusive = self.inconclusive.saturating_add(1);
                self.state = State::Http1 { until: now.saturating_add(wait.min(self.settings.lasting)), due: now };
                EventKind::Inconclusive
            }
        })
    }

    const fn restore(&mut self) -> EventKind {
        self.state = State::Http2;
        self.inconclusive = 0;
        EventKind::Restored
    }

    fn downgrade(&mut self, reason: Trouble, now: Duration) -> EventKind {
        let until = now.saturating_add(self.settings.lasting);
        self.state = State::Http1 { until, due: until };
        self.deaths.clear();
        self.inconclusive = 0;
        self.epoch += 1;
        self.downgrades += 1;
        EventKind::Downgraded { reason, lasting: self.settings.lasting }
    }
}

#[cfg(test)]
mod tests;
