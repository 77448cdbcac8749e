//! Every origin that was in trouble.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;

use super::event::{Event, EventKind};
use super::machine::{self, Machine, Outcome, Route, Settings};
use super::snapshot::{OriginSnapshot, Snapshot, State};
use crate::health::{Origin, Origins};
use crate::retry::NextOverHttp1;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, redial_loom))]
mod models;

/// What all parts share.
pub(super) struct Hub {
    settings: Settings,
    began: Instant,
    /// Only those that were in trouble: a request to another costs a look and no memory.
    sites: Origins<Site>,
    /// Whether there is anything to fall back on.
    falls_back: AtomicBool,
    events: broadcast::Sender<Event>,
}

struct Site {
    origin: Origin,
    machine: Mutex<Machine>,
}

impl Hub {
    pub(super) fn new(settings: Settings, event_capacity: usize) -> Self {
        Self {
            settings,
            began: Instant::now(),
            sites: Origins::new(),
            falls_back: AtomicBool::new(false),
            events: broadcast::channel(event_capacity).0,
        }
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// There is something to fall back on. Until then nothing is downgraded.
    pub(super) fn fall_back(&self) {
        NextOverHttp1::announce();
        self.falls_back.store(true, Ordering::Relaxed);
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Where the next request to this origin goes.
    pub(super) fn route(&self, origin: &Origin, spared: bool) -> Route {
        let Some(site) = self.sites.find(origin) else { return Route::Http2 { epoch: 0 } };
        let (route, event) = site.lock().route(spared, self.now());
        self.emit(origin, event);
        route
    }

    /// To be kept from the beginning of a connection, or of an attempt that is not routed, for [`died`](Self::died).
    pub(super) fn epoch(&self, origin: &Origin) -> u64 {
        self.sites.find(origin).map_or(0, |site| site.lock().epoch())
    }

    /// A response came over HTTP/2.
    pub(super) fn answered(&self, origin: &Origin) {
        if let Some(site) = self.sites.find(origin) {
            site.lock().answered();
        }
    }

    /// A connection was of use.
    pub(super) fn useful(&self, origin: &Origin, epoch: u64) {
        if let Some(site) = self.sites.find(origin) {
            let event = site.lock().useful(epoch);
            self.emit(origin, event);
        }
    }

    /// A connection died before it was of use.
    pub(super) fn died(&self, origin: &Origin, epoch: u64) {
        // Where deaths do not count they make nothing known, but may tell of a probe.
        if self.settings.after.is_some() || self.sites.find(origin).is_some() {
            self.trouble(origin, |machine, now| machine.died(epoch, now));
        }
    }

    /// The origin asked for HTTP/1.1.
    pub(super) fn required(&self, origin: &Origin) {
        self.trouble(origin, Machine::required);
    }

    /// What became of a probe.
    pub(super) fn probed(&self, origin: &Origin, probe: u64, outcome: Outcome) {
        if let Some(site) = self.sites.find(origin) {
            let event = site.lock().probed(probe, outcome, self.now());
            self.emit(origin, event);
        }
    }

    /// Whether requests to this origin go over HTTP/1.1.
    pub(super) fn is_downgraded(&self, origin: &Origin) -> bool {
        self.sites.find(origin).is_some_and(|site| site.lock().state() != machine::State::Http2)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let now = self.now();
        let mut origins: Vec<_> = self.sites.all().iter().map(|site| site.snapshot(now)).collect();
        origins.sort_by_key(|origin| origin.origin.to_string());
        Snapshot { origins }
    }

    fn trouble(&self, origin: &Origin, happen: impl FnOnce(&mut Machine, Duration) -> Option<EventKind>) {
        if !self.falls_back.load(Ordering::Relaxed) {
            return;
        }
        let now = self.now();
        let make = || Site { origin: origin.clone(), machine: Mutex::new(Machine::new(self.settings)) };
        let site = self.sites.get(origin, make, |site| site.lock().is_worth_keeping(now));
        let event = happen(&mut site.lock(), now);
        self.emit(origin, event);
    }

    fn emit(&self, origin: &Origin, kind: Option<EventKind>) {
        let Some(kind) = kind else { return };
        let event = Event { origin: origin.clone(), kind };
        #[cfg(feature = "tracing")]
        super::trace::event(&event);
        #[cfg(feature = "metrics")]
        super::metrics::event(&event);
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Site {
    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self, now: Duration) -> OriginSnapshot {
        let machine = self.lock();
        OriginSnapshot {
            origin: self.origin.clone(),
            state: match machine.state() {
                machine::State::Http2 => State::Http2,
                machine::State::Http1 { until, .. } => State::Http1 { left: until.saturating_sub(now) },
                machine::State::Probing { .. } => State::Probing,
            },
            died: machine.deaths(now),
            downgrades: machine.downgrades(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(n: usize) -> Origin {
        Origin::of(&format!("https://host-{n}").parse().unwrap()).unwrap()
    }

    fn hub(settings: Settings) -> Hub {
        let hub = Hub::new(settings, 16);
        hub.fall_back();
        hub
    }

    /// A hostile set of origins does not fill the memory, and those of which nothing is known take none.
    #[test]
    fn origins_are_bounded() {
        let hub = hub(Settings::default());
        hub.required(&origin(0));
        for n in 1..20_000 {
            assert_eq!(hub.route(&origin(n), true), Route::Http2 { epoch: 0 });
            hub.answered(&origin(n));
        }
        assert_eq!(hub.snapshot().origins.len(), 1);
        for n in 1..20_000 {
            hub.required(&origin(n));
        }
        assert!(hub.snapshot().origins.len() <= 16_384);
        assert_eq!(hub.route(&origin(0), true), Route::Http1, "what is downgraded is not forgotten for others");
    }

    /// What is over is forgotten where there is no room.
    #[test]
    fn what_is_over_makes_room() {
        let hub = hub(Settings { lasting: Duration::ZERO, ..Settings::default() });
        for n in 0..20_000 {
            hub.required(&origin(n));
            assert!(matches!(hub.route(&origin(n), true), Route::Probe(_)), "{n}");
            hub.probed(&origin(n), 1, Outcome::Answered);
        }
    }

    /// Where deaths downgrade nothing they still decide a probe, and make no other origin known.
    #[test]
    fn deaths_that_do_not_count_decide_a_probe() {
        let hub = hub(Settings { lasting: Duration::ZERO, ..Settings::default() });
        hub.died(&origin(0), hub.epoch(&origin(0)));
        assert!(hub.snapshot().origins.is_empty());
        hub.required(&origin(0));
        assert_eq!(hub.route(&origin(0), true), Route::Probe(1));
        hub.died(&origin(0), hub.epoch(&origin(0)));
        assert_eq!(hub.route(&origin(0), true), Route::Probe(2), "the first was decided");
        assert_eq!(hub.snapshot().origins[0].downgrades, 2);
    }

    #[test]
    fn without_a_fallback_nothing_is_downgraded() {
        let hub = Hub::new(Settings { after: Some((1, Duration::MAX)), ..Settings::default() }, 16);
        hub.required(&origin(0));
        hub.died(&origin(0), 0);
        assert_eq!((hub.route(&origin(0), true), hub.snapshot().origins.len()), (Route::Http2 { epoch: 0 }, 0));
    }
}
