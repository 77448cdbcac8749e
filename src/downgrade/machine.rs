//! One origin: what became of its requests and the time in, where the next request goes out. No IO and no clock of its own.
//!
//! ```text
//!          HTTP_1_1_REQUIRED, or too many deaths                    the time is over
//!  Http2 ────────────────────────────────────────> Http1 { until } ──────────────────> Probing
//!    ^                                               ^                                  │  │
//!    │                                               └── the probe failed: a new time ──┤  │
//!    │                                               └── it says nothing: no new time ──┘  │
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
    Http1 { until: Duration },
    Probing { probe: u64 },
}

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
    downgrades: u64,
}

impl Machine {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, state: State::Http2, deaths: VecDeque::new(), epoch: 0, probes: 0, downgrades: 0 }
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
            State::Http1 { until } => now < until,
            State::Probing { .. } => true,
        }
    }

    /// Where the next request goes.
    pub(super) fn route(&mut self, now: Duration) -> (Route, Option<EventKind>) {
        match self.state {
            State::Http2 => (Route::Http2 { epoch: self.epoch }, None),
            State::Http1 { until } if now >= until => {
                self.probes += 1;
                self.state = State::Probing { probe: self.probes };
                (Route::Probe(self.probes), Some(EventKind::Probing))
            }
            State::Http1 { .. } | State::Probing { .. } => (Route::Http1, None),
        }
    }

    /// HTTP/2 was of use.
    pub(super) fn answered(&mut self) {
        self.deaths.clear();
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
            (State::Http1 { until }, _) if now >= until => Some(self.downgrade(Trouble::Died, now)),
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
        if self.state != (State::Probing { probe }) {
            return None;
        }
        Some(match outcome {
            Outcome::Answered => {
                self.state = State::Http2;
                EventKind::Restored
            }
            Outcome::Required => self.downgrade(Trouble::Http11Required, now),
            Outcome::Died => self.downgrade(Trouble::Died, now),
            Outcome::Nothing => {
                // The next request tries.
                self.state = State::Http1 { until: now };
                EventKind::Inconclusive
            }
        })
    }

    fn downgrade(&mut self, reason: Trouble, now: Duration) -> EventKind {
        self.state = State::Http1 { until: now.saturating_add(self.settings.lasting) };
        self.deaths.clear();
        self.epoch += 1;
        self.downgrades += 1;
        EventKind::Downgraded { reason, lasting: self.settings.lasting }
    }
}

#[cfg(test)]
mod tests;
