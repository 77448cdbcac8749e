//! Every live connection and every origin.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use http::Uri;
use tokio::sync::broadcast;

use super::config::Config;
use super::event::EventKind;
use super::gate::Gate;
use super::origins::Origins;
use super::snapshot::{ConnectionSnapshot, FailureCount, OriginSnapshot, Snapshot};
use super::{Connection, ConnectionId, Event, Origin};
use crate::fate::Failure;
use crate::jitter;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, redial_loom))]
mod models;

/// How many ended connections are remembered.
const ENDED: usize = 64;

/// What both halves share.
pub(super) struct Hub {
    pub(super) config: Config,
    sites: Origins<Site>,
    last_id: AtomicU64,
    /// Whether there is a socket half at all.
    monitors: AtomicBool,
    events: broadcast::Sender<Event>,
    ended: Mutex<VecDeque<ConnectionSnapshot>>,
}

/// One origin.
pub(super) struct Site {
    pub(super) origin: Origin,
    pub(super) gate: Gate,
    connections: Mutex<Vec<Connection>>,
    answered: AtomicU64,
    failures: Mutex<Vec<FailureCount>>,
    /// What its metrics are labelled with: made once, and not for each request.
    #[cfg(feature = "metrics")]
    pub(super) labels: Vec<metrics::Label>,
}

impl Hub {
    pub(super) fn new(config: Config) -> Self {
        let (events, _) = broadcast::channel(config.event_capacity);
        Self {
            config,
            sites: Origins::new(),
            last_id: AtomicU64::new(0),
            monitors: AtomicBool::new(false),
            events,
            ended: Mutex::default(),
        }
    }

    pub(super) fn site(&self, origin: &Origin) -> Arc<Site> {
        let make = || Site::new(origin.clone(), self.config.streams_before_settings);
        // Those that nothing is going on at are forgotten.
        self.sites.get(origin, make, |site| Arc::strong_count(site) > 1)
    }

    /// The site of a request to this URI, or to the one origin that its client has.
    pub(super) fn site_of(&self, uri: &Uri, origin: Option<&Origin>) -> Option<Arc<Site>> {
        match Origin::of(uri) {
            Some(origin) => Some(self.site(&origin)),
            None => origin.map(|origin| self.site(origin)),
        }
    }

    /// Registers a new connection.
    pub(super) fn connected(self: &Arc<Self>, origin: &Origin) -> Connection {
        let id = ConnectionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let site = self.site(origin);
        let settings = self.config.settings(jitter::random());
        let connection = Connection::new(id, Arc::clone(self), Arc::clone(&site), settings);
        site.connected(&connection);
        self.emit(Event { connection: id, origin: origin.clone(), kind: EventKind::Opened });
        connection
    }

    pub(super) fn monitor(&self) {
        self.monitors.store(true, Ordering::Relaxed);
    }

    pub(super) fn monitors(&self) -> bool {
        self.monitors.load(Ordering::Relaxed)
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(super) fn emit(&self, event: Event) {
        #[cfg(feature = "tracing")]
        super::trace::event(&event);
        #[cfg(feature = "metrics")]
        super::metrics::event(&event);
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    pub(super) fn keep_ended(&self, connection: ConnectionSnapshot) {
        #[cfg(feature = "metrics")]
        super::metrics::ended(&connection);
        let mut ended = lock(&self.ended);
        if ended.len() == ENDED {
            ended.pop_front();
        }
        ended.push_back(connection);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let sites = self.sites.all();
        let connections = sites.iter().flat_map(|site| site.connections());
        let mut connections: Vec<_> = connections.map(|connection| connection.snapshot()).collect();
        connections.sort_by_key(|connection| connection.id);
        let mut origins: Vec<_> = sites.iter().map(|site| site.snapshot()).collect();
        origins.sort_by_key(|origin| origin.origin.to_string());
        Snapshot { connections, ended: lock(&self.ended).iter().cloned().collect(), origins }
    }

    pub(super) fn drain_all(&self) {
        self.sites.all().iter().for_each(|site| site.drain());
    }
}

impl Site {
    fn new(origin: Origin, streams_before_settings: u32) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            labels: super::metrics::server(&origin),
            origin,
            gate: Gate::new(streams_before_settings),
            connections: Mutex::default(),
            answered: AtomicU64::new(0),
            failures: Mutex::default(),
        }
    }

    fn connected(&self, connection: &Connection) {
        lock(&self.connections).push(connection.clone());
        self.gate.connected(connection.id(), connection.view());
    }

    pub(super) fn disconnected(&self, id: ConnectionId) {
        let gone = {
            let mut connections = lock(&self.connections);
            connections.iter().position(|connection| connection.id() == id).map(|at| connections.swap_remove(at))
        };
        drop(gone);
        self.gate.disconnected(id);
    }

    /// The connections that live.
    fn connections(&self) -> Vec<Connection> {
        lock(&self.connections).clone()
    }

    pub(super) fn drain(&self) {
        self.connections().iter().for_each(Connection::drain);
    }

    pub(super) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, failure: Failure) {
        let (fate, cause) = (failure.fate(), failure.cause().label());
        let mut failures = lock(&self.failures);
        match failures.iter_mut().find(|known| (known.fate, known.cause) == (fate, cause)) {
            Some(known) => known.count += 1,
            None => failures.push(FailureCount { fate, cause, count: 1 }),
        }
    }

    fn snapshot(&self) -> OriginSnapshot {
        let (in_flight, waiting) = self.gate.load();
        OriginSnapshot {
            origin: self.origin.clone(),
            connections: lock(&self.connections).len(),
            in_flight,
            waiting,
            answered: self.answered.load(Ordering::Relaxed),
            failures: lock(&self.failures).clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::config::Builder;
    use super::super::origins::{ORIGINS_PER_SHARD, SHARDS};
    use super::*;

    fn origin(n: usize) -> Origin {
        Origin::of(&format!("http://host-{n}:80").parse().unwrap()).unwrap()
    }

    /// A client with a million hosts does not fill the memory.
    #[test]
    fn origins_are_forgotten() {
        let hub = Arc::new(Hub::new(Builder::default().config));
        let kept = hub.connected(&origin(0));
        for n in 1..20_000 {
            hub.site(&origin(n)).answered();
        }
        let origins = hub.snapshot().origins;
        assert!(origins.len() <= SHARDS * ORIGINS_PER_SHARD, "{}", origins.len());
        assert!(origins.iter().any(|known| known.origin == origin(0) && known.connections == 1));
        drop(kept);
    }
}
