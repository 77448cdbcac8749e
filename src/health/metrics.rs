//! Counters, gauges and histograms, named after OpenTelemetry's HTTP client conventions where they have a name.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Label, SharedString, counter, gauge, histogram};

use super::event::EventKind;
use super::machine::State;
use super::snapshot::ConnectionSnapshot;
use super::{Event, Origin};

/// An origin's labels. Their texts are shared, so that those who keep them can tell them often.
pub(super) fn server(origin: &Origin) -> Vec<Label> {
    let shared = |text: &str| SharedString::from_shared(Arc::from(text));
    let mut labels =
        vec![Label::new("server.address", shared(origin.host())), Label::new("url.scheme", shared(origin.scheme()))];
    labels.extend(origin.port().map(|port| Label::new("server.port", shared(&port.to_string()))));
    labels
}

pub(crate) fn with(origin: &Origin, more: impl IntoIterator<Item = (&'static str, &'static str)>) -> Vec<Label> {
    let mut labels = server(origin);
    labels.extend(more.into_iter().map(|(name, value)| Label::new(name, value)));
    labels
}

fn open(origin: &Origin, state: &'static str) -> metrics::Gauge {
    gauge!("http.client.open_connections", with(origin, [("http.connection.state", state)]))
}

pub(super) fn event(event: &Event) {
    let origin = &event.origin;
    let reason = match event.kind {
        EventKind::Draining { reason } => Some(("reason", reason.label())),
        EventKind::Closed { reason, .. } => Some(("reason", reason.label())),
        _ => None,
    };
    let labels = with(origin, [("event", event.kind.label())].into_iter().chain(reason));
    counter!("tower_redial.connection.events", labels).increment(1);
    match event.kind {
        EventKind::Opened => open(origin, "idle").increment(1),
        EventKind::Answered { round_trip } => {
            histogram!("tower_redial.probe.duration", server(origin)).record(round_trip);
        }
        // It was told to be idle before it is told to have ended.
        EventKind::Closed { .. } => open(origin, "idle").decrement(1),
        _ => {}
    }
}

/// The connection's first stream was opened, or its last one ended.
pub(super) fn busy(origin: &Origin, busy: bool) {
    let (now, before) = if busy { ("active", "idle") } else { ("idle", "active") };
    open(origin, before).decrement(1);
    open(origin, now).increment(1);
}

pub(super) fn ended(connection: &ConnectionSnapshot) {
    let version = connection.protocol.version().map(|version| ("network.protocol.version", version));
    let why = match connection.state {
        State::Closed(close) => Some(("reason", close.label())),
        _ => None,
    };
    let labels = with(&connection.origin, version.into_iter().chain(why));
    histogram!("http.client.connection.duration", labels).record(connection.age);
}

/// A request is under way, until this is dropped.
pub(super) struct Active(metrics::Gauge);

impl Active {
    pub(super) fn new(server: &[Label]) -> Self {
        let active = gauge!("http.client.active_requests", server.to_vec());
        active.increment(1);
        Self(active)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// An attempt ended: with a response's head, or with an error.
pub(super) fn attempt(server: &[Label], took: Duration, outcome: Result<http::StatusCode, &'static str>) {
    let mut labels = Vec::with_capacity(server.len() + 1);
    labels.extend_from_slice(server);
    labels.push(match outcome {
        Ok(status) => Label::new("http.response.status_code", status.as_str().to_owned()),
        Err(cause) => Label::new("error.type", cause),
    });
    histogram!("http.client.request.duration", labels).record(took);
}

/// A request waited for a stream.
pub(super) fn waited(server: &[Label], took: Duration) {
    histogram!("tower_redial.request.wait.duration", server.to_vec()).record(took);
}
