//! A debug event for each change, with OpenTelemetry's names where it has one.

use super::Event;
use super::event::EventKind;

pub(super) fn event(event: &Event) {
    let (reason, millis) = match event.kind {
        EventKind::Draining { reason } => (Some(reason.label()), None),
        EventKind::Closed { reason, silent_for } => (Some(reason.label()), Some(silent_for.as_millis() as u64)),
        EventKind::Answered { round_trip } => (None, Some(round_trip.as_millis() as u64)),
        _ => (None, None),
    };
    tracing::debug!(
        connection = event.connection.get(),
        server.address = event.origin.host(),
        server.port = event.origin.port().map(i64::from),
        event = event.kind.label(),
        reason,
        millis,
        "connection",
    );
}
