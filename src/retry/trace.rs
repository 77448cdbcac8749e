//! One debug event for each decision, with OpenTelemetry's names where it has one.

use super::event::{Decision, Event};

pub(super) fn event(event: &Event<'_>) {
    let failure = event.failure();
    let (decision, reason, waited) = match event.decision() {
        Decision::Resend { waited } => ("resend", None, Some(waited)),
        Decision::Stop(stop) => ("stop", Some(stop.label()), None),
    };
    tracing::debug!(
        http.request.method = %event.method(),
        server.address = event.uri().host(),
        http.request.resend_count = event.attempt() - 1,
        error.type = failure.cause().label(),
        fate = failure.fate().label(),
        cause = %failure.cause(),
        decision,
        reason,
        waited_ms = waited.map(|waited| waited.as_millis() as u64),
        "request attempt failed",
    );
}
