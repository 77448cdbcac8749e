//! A counter.

use metrics::counter;

use super::{Event, EventKind};
use crate::health::metrics::with;

pub(super) fn event(event: &Event) {
    let reason = match event.kind {
        EventKind::Downgraded { reason, .. } => Some(("reason", reason.label())),
        _ => None,
    };
    let labels = with(&event.origin, [("event", event.kind.label())].into_iter().chain(reason));
    counter!("tower_redial.downgrade.events", labels).increment(1);
}
