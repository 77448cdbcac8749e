//! A debug event for each change, with OpenTelemetry's names where it has one.

use super::{Event, EventKind};

pub(super) fn event(event: &Event) {
    let (reason, seconds) = match event.kind {
        EventKind::Downgraded { reason, lasting } => (Some(reason.label()), Some(lasting.as_secs_f64())),
        _ => (None, None),
    };
    tracing::debug!(
        server.address = event.origin.host(),
        server.port = event.origin.port().map(i64::from),
        event = event.kind.label(),
        reason,
        seconds,
        "downgrade",
    );
}
