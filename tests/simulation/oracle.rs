//! Who writes down what happened: every host of a run has a handle.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tower_redial::{resume, retry};

use crate::history::{Attempt, Client, History, Outcome, Request};
use crate::support::Ledger;

/// The run's history, its trace and its counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    inner: Arc<Mutex<Inner>>,
    /// The servers' book.
    pub(crate) ledger: Ledger,
}

#[derive(Debug, Default)]
struct Inner {
    history: History,
    trace: Vec<String>,
    counts: BTreeMap<String, u64>,
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) history: History,
    /// A line for each thing that happened.
    pub(crate) trace: Vec<String>,
    /// How often each kind of thing happened.
    pub(crate) counts: BTreeMap<String, u64>,
}

/// The time of the simulated world.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

impl Oracle {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn begin(&self, clients: Vec<Client>, faults_end: Duration) {
        let history = &mut self.lock().history;
        history.clients = clients;
        history.faults_end = faults_end;
    }

    /// Writes a line, at the time of the host that runs.
    pub(crate) fn note(&self, what: impl Display) {
        self.note_at(now(), what);
    }

    pub(crate) fn note_at(&self, at: Duration, what: impl Display) {
        self.lock().trace.push(format!("{:>6} ms  {what}", at.as_millis()));
    }

    pub(crate) fn count(&self, what: impl Into<String>, times: u64) {
        if times > 0 {
            *self.lock().counts.entry(what.into()).or_default() += times;
        }
    }

    pub(crate) fn wrong(&self, what: String) {
        self.lock().history.wrong.push(what);
    }

    pub(crate) fn sent(&self, id: &str, request: Request) {
        self.note(format_args!("{id}: sent"));
        self.lock().history.requests.insert(id.to_owned(), request);
    }

    pub(crate) fn ended(&self, id: &str, outcome: Outcome) {
        let at = now();
        self.note(format_args!("{id}: {outcome:?}"));
        self.with(id, |request| {
            request.ended = Some(at);
            request.outcome = Some(outcome);
        });
    }

    /// A server has all of a request's body.
    pub(crate) fn body(&self, id: &str, right: bool) {
        self.note(format_args!("{id}: its body came{}", if right { "" } else { ", and is not what was sent" }));
        self.with(id, |request| {
            request.bodies += 1;
            request.wrong_bodies += u32::from(!right);
        });
    }

    pub(crate) fn retried(&self, event: &retry::Event<'_>) {
        let at = now();
        let (failure, decision) = (event.failure(), event.decision());
        let stop = match decision {
            retry::Decision::Stop(stop) => Some(stop),
            _ => None,
        };
        let attempt = Attempt {
            at,
            elapsed: event.elapsed(),
            fate: failure.fate(),
            cause: failure.cause(),
            at_most_once: failure.at_most_once(),
            stop,
        };
        let id = id_of(event.uri());
        self.note(format_args!("{id}: attempt {}: {}, {}: {decision:?}", event.attempt(), attempt.fate, attempt.cause));
        let resent = format!("resent after {}, {}", attempt.fate, attempt.cause);
        self.count(stop.map_or(resent, |stop| format!("stopped: {stop}")), 1);
        self.with(id, |request| request.attempts.push(attempt));
    }

    pub(crate) fn resumed(&self, event: &resume::Event<'_>) {
        let id = id_of(event.uri());
        let decision = event.decision();
        self.note(format_args!("{id}: {:?} after {} bytes: {decision:?}", event.broke(), event.received()));
        if matches!(decision, resume::Decision::Resume { .. }) {
            self.count("resumed", 1);
            self.with(id, |request| request.resumes += 1);
        }
    }

    fn with(&self, id: &str, change: impl FnOnce(&mut Request)) {
        if let Some(request) = self.lock().history.requests.get_mut(id) {
            change(request);
        }
    }

    /// Closes the book.
    pub(crate) fn close(&self) -> Record {
        let mut inner = self.lock();
        for (id, request) in &mut inner.history.requests {
            request.seen = self.ledger.seen(id);
            request.processed = self.ledger.times(id);
        }
        let Inner { history, trace, counts } = std::mem::take(&mut *inner);
        Record { history, trace, counts }
    }
}

/// Every request's path ends with its id.
fn id_of(uri: &http::Uri) -> &str {
    uri.path().rsplit('/').next().unwrap_or_default()
}
