//! Connections and requests of one origin, counted from several threads.

use loom::thread;

use super::super::config::Builder;
use super::super::machine::Close;
use super::*;
use crate::fate::{Cause, Fate};
use crate::sync::model::with_preemptions;

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(Builder::default().config))
}

fn origin() -> Origin {
    Origin::of(&"http://origin".parse().unwrap()).unwrap()
}

/// Two at once are two, at one site; what ends leaves the other.
#[test]
fn connections_come_and_go() {
    with_preemptions(2, || {
        let hub = hub();
        let other = thread::spawn({
            let hub = Arc::clone(&hub);
            move || {
                let connection = hub.connected(&origin());
                connection.ended(|_, _| (), Close::Peer);
                connection.id()
            }
        });
        let mine = hub.connected(&origin());
        let ended = other.join().unwrap();
        assert_ne!(mine.id(), ended);
        let snapshot = hub.snapshot();
        assert_eq!(snapshot.connections.iter().map(|it| it.id).collect::<Vec<_>>(), [mine.id()]);
        assert_eq!(snapshot.ended.iter().map(|it| it.id).collect::<Vec<_>>(), [ended]);
        assert_eq!(snapshot.origins.len(), 1);
        mine.ended(|_, _| (), Close::Peer);
    });
}

/// A snapshot that is taken meanwhile shows a connection once at the most, and never one that nobody made.
#[test]
fn a_snapshot_may_be_taken_at_any_time() {
    with_preemptions(2, || {
        let hub = hub();
        let connection = hub.connected(&origin());
        let id = connection.id();
        let ends = thread::spawn(move || connection.ended(|_, _| (), Close::Peer));
        let snapshot = hub.snapshot();
        assert!(snapshot.connections.iter().all(|it| it.id == id) && snapshot.connections.len() <= 1);
        ends.join().unwrap();
        assert_eq!(hub.snapshot().ended.len(), 1);
    });
}

#[test]
fn every_outcome_is_counted() {
    with_preemptions(3, || {
        let site = hub().site(&origin());
        let refused = Failure::new(Fate::NotProcessed, Cause::Refused);
        let fails = thread::spawn({
            let site = Arc::clone(&site);
            move || {
                site.failed(refused);
                site.answered();
            }
        });
        site.failed(refused);
        site.answered();
        fails.join().unwrap();
        let snapshot = site.snapshot();
        assert_eq!(snapshot.answered, 2);
        assert_eq!(
            snapshot.failures,
            [FailureCount { fate: Fate::NotProcessed, cause: Cause::Refused.label(), count: 2 }]
        );
    });
}
