//! Attempts at one origin that fail at once.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::model::with_preemptions;

fn origin() -> Origin {
    Origin::of(&"https://origin".parse().unwrap()).unwrap()
}

/// Runs it in two threads, for an origin that two deaths in a row downgrade. Gives what was told of it too.
fn at_once(happen: impl Fn(&Hub) + Copy + Send + Sync + 'static) -> (Arc<Hub>, Vec<EventKind>) {
    let hub = Arc::new(Hub::new(Settings { after: Some((2, Duration::MAX)), ..Settings::default() }, 16));
    hub.fall_back();
    let mut events = hub.subscribe();
    let other = thread::spawn({
        let hub = Arc::clone(&hub);
        move || happen(&hub)
    });
    happen(&hub);
    other.join().unwrap();
    let told = std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.kind).collect();
    (hub, told)
}

fn count(hub: &Hub) -> (usize, u64) {
    let snapshot = hub.snapshot();
    let [origin] = &*snapshot.origins else { panic!("{snapshot:?}") };
    (origin.died, origin.downgrades)
}

#[test]
fn those_who_are_told_at_once_downgrade_once() {
    with_preemptions(3, || {
        let (hub, told) = at_once(|hub| hub.required(&origin()));
        assert!(matches!(*told, [EventKind::Downgraded { .. }]), "{told:?}");
        assert_eq!(count(&hub), (0, 1));
        assert!(hub.is_downgraded(&origin()));
    });
}

/// Connections that were open side by side and die of one cause are one death.
#[test]
fn connections_that_die_at_once_are_one_death() {
    with_preemptions(3, || {
        let (hub, told) = at_once(|hub| hub.died(&origin(), 0));
        assert!(matches!(*told, [EventKind::Died { in_a_row: 1 }]), "{told:?}");
        assert_eq!(count(&hub), (1, 0));
        hub.died(&origin(), hub.epoch(&origin()));
        assert_eq!(count(&hub), (0, 1), "the next is the second");
    });
}
