//! The silent connections of a run: how many were found, and what each cost.

use std::collections::HashSet;

use futures_util::FutureExt;
use serde::Serialize;
use tower_redial::ConnectionHealth;
use tower_redial::health::{Close, ConnectionId, EventKind, Events, Notice};

/// A connection that answered no probe.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SilentConnection {
    /// From the last byte that came on it to its end.
    pub(crate) seconds: f64,
}

/// Looks for them.
pub(crate) struct Silences {
    events: Events,
    /// Silent, and not ended yet.
    suspects: HashSet<ConnectionId>,
    found: Vec<SilentConnection>,
}

impl Silences {
    /// From now on.
    pub(crate) fn new(health: &ConnectionHealth) -> Self {
        Self { events: health.subscribe(), suspects: HashSet::new(), found: Vec::new() }
    }

    /// Reads what has happened until now. To be called now and then: the events that wait to be read are bounded in number.
    pub(crate) fn look(&mut self) {
        while let Some(Some(notice)) = self.events.next().now_or_never() {
            let Notice::Event(event) = notice else { continue };
            match event.kind {
                EventKind::Silent => _ = self.suspects.insert(event.connection),
                // Heard again; the client of the latter cannot be told to use it again.
                EventKind::Recovered | EventKind::Draining { .. } => _ = self.suspects.remove(&event.connection),
                EventKind::Closed { reason, silent_for } => {
                    // Its client lets go of it before it is given up where all its requests have timed out.
                    let silent = self.suspects.remove(&event.connection) || reason == Close::Dead;
                    self.found.extend(silent.then_some(SilentConnection { seconds: silent_for.as_secs_f64() }));
                }
                _ => {}
            }
        }
    }

    /// All that were found.
    pub(crate) fn into_found(mut self) -> Vec<SilentConnection> {
        self.look();
        self.found
    }
}
