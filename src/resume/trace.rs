//! One debug event for each download that broke, with OpenTelemetry's names where it has one.

use super::event::{Decision, Event};

pub(super) fn event(event: &Event<'_>) {
    let (decision, reason, waited) = match event.decision() {
        Decision::Resume { waited } => ("resume", None, Some(waited)),
        Decision::Stop(why) => ("stop", Some(why.label()), None),
    };
    tracing::debug!(
        server.address = event.uri().host(),
        error.type = event.broke().label(),
        resumes = event.resumes(),
        received = event.received(),
        expected = event.expected(),
        decision,
        reason,
        waited_ms = waited.map(|waited| waited.as_millis() as u64),
        "download broke",
    );
}
