//! Gathers what is shown: from snapshots what is, from events what was.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tower::BoxError;
use tower_redial::ConnectionHealth;
use tower_redial::health::{ConnectionSnapshot, EventKind, Events, Notice, Origin};

use crate::load::{self, Outcomes};
use crate::model::{Connection, Counted, Entry, Happening, Model, Requests};
use crate::server;
use crate::support::FaultyServer;

/// How many events are kept to be shown.
const LOG: usize = 100;

/// How often `--once` looks whether there is enough to see.
const LOOK: Duration = Duration::from_millis(50);

/// The server, the requests to it, and what comes of them. All of it ends when this is dropped.
pub(crate) struct Watch {
    server: FaultyServer,
    workers: usize,
    began: Instant,
    health: ConnectionHealth,
    outcomes: Outcomes,
    journal: Arc<Mutex<Journal>>,
    /// The workers, and who reads the events.
    tasks: JoinSet<()>,
}

/// What events told.
#[derive(Debug, Default)]
struct Journal {
    drains: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
    log: VecDeque<Entry>,
    silent: bool,
}

impl Watch {
    pub(crate) async fn start(workers: usize) -> Self {
        let server = server::start().await;
        let began = Instant::now();
        let (health, outcomes) = (load::health(), Outcomes::default());
        let journal = Arc::<Mutex<Journal>>::default();
        // Before the first connection, so that none goes untold.
        let events = health.subscribe();
        let mut tasks = load::start(workers, &server.uri("/"), &health, &outcomes);
        tasks.spawn(keep(events, began, Arc::clone(&journal)));
        Self { server, workers, began, health, outcomes, journal, tasks }
    }

    /// Waits until there is something of everything to show: a connection that drains, one that fell silent, a probe that
    /// was answered, and a resend.
    ///
    /// # Errors
    ///
    /// A task that panicked.
    pub(crate) async fn seen_enough(&mut self) -> Result<(), BoxError> {
        while !self.has_seen_enough() {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                Some(Err(panic)) = self.tasks.join_next() => return Err(panic.into()),
            }
        }
        Ok(())
    }

    fn has_seen_enough(&self) -> bool {
        let Model { drains, resends, connections, .. } = self.model();
        let probed = connections.iter().any(|connection| connection.round_trip.is_some());
        probed && self.journal().silent && !drains.is_empty() && !resends.is_empty()
    }

    /// Has all connections replaced.
    pub(crate) fn drain_all(&self) {
        self.health.drain_all();
    }

    /// How things are now.
    pub(crate) fn model(&self) -> Model {
        let snapshot = self.health.snapshot();
        let counts = self.outcomes.counts();
        let journal = self.journal();
        let connection = |connection: &ConnectionSnapshot| Connection {
            id: connection.id.get(),
            state: connection.state,
            drained: connection.drained,
            streams: connection.open_streams,
            limit: connection.max_concurrent_streams,
            round_trip: connection.round_trip,
            age: connection.age,
            requests: connection.requests,
            received: connection.bytes_received,
            sent: connection.bytes_sent,
            said: connection.debug_data.clone(),
        };
        Model {
            hint: "",
            origin: Origin::of(&self.server.uri("/")).map(|origin| origin.to_string()).unwrap_or_default(),
            workers: self.workers,
            running: self.began.elapsed(),
            requests: Requests {
                ok: counts.ok,
                resent: counts.resent,
                failed: counts.failed,
                under_way: snapshot.origins.iter().map(|origin| origin.in_flight).sum(),
                waiting: snapshot.origins.iter().map(|origin| origin.waiting).sum(),
            },
            drains: counted(&journal.drains),
            ends: counted(&journal.ends),
            resends: counted(&counts.resends),
            given_up: counted(&counts.given_up),
            connections: snapshot.connections.iter().chain(snapshot.ended.iter().rev()).map(connection).collect(),
            log: journal.log.iter().copied().collect(),
        }
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }
}

/// Writes down what happens.
async fn keep(mut events: Events, began: Instant, journal: Arc<Mutex<Journal>>) {
    while let Some(notice) = events.next().await {
        lock(&journal).note(began.elapsed(), notice);
    }
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most frequent first.
fn counted(counts: &BTreeMap<String, u64>) -> Counted {
    let mut counted: Counted = counts.iter().map(|(name, count)| (name.clone(), *count)).collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counted
}

impl Journal {
    fn note(&mut self, at: Duration, notice: Notice) {
        let what = match notice {
            Notice::Event(event) => {
                self.count(event.kind);
                Happening::Event { connection: event.connection.get(), kind: event.kind }
            }
            Notice::Missed(missed) => Happening::Missed(missed),
        };
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(Entry { at, what });
    }

    fn count(&mut self, kind: EventKind) {
        match kind {
            EventKind::Draining { reason } => *self.drains.entry(reason.to_string()).or_default() += 1,
            EventKind::Closed { reason, .. } => *self.ends.entry(reason.label().to_owned()).or_default() += 1,
            EventKind::Silent => self.silent = true,
            _ => {}
        }
    }
}
