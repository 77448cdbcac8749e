//! Failed requests that all want another client.
//!
//! Two threads each: of several that wait, tokio's `watch` wakes first whom chance says, and a model must do the same each time.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use loom::thread;

use super::*;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::model::{in_every_order, wait, with_preemptions};

/// A client is its generation.
fn turns() -> Arc<Turns<u64>> {
    Arc::new(Turns::new(0))
}

/// Wants the first client replaced, does it if it is its turn, and comes back when there is another.
fn renew(turns: &Turns<u64>) {
    let (wish, begins) = turns.ask(0, Duration::ZERO);
    if begins {
        assert_eq!(turns.install(1), 1);
        turns.end();
    }
    if let Wish::UnderWay(rebuilding) = wish {
        let mut ended = pin!(rebuilding.ended());
        wait(|cx| ended.as_mut().poll(cx));
    }
    assert_eq!((turns.current().client, turns.current().generation), (1, 1));
}

#[test]
fn all_wait_for_one_rebuild() {
    in_every_order(|| {
        let turns = turns();
        let other = thread::spawn({
            let turns = Arc::clone(&turns);
            move || renew(&turns)
        });
        renew(&turns);
        other.join().unwrap();
    });
}

/// The end of a rebuild that failed is not taken for that of the next, which may begin before the first was told of.
#[test]
fn each_waits_for_the_end_of_its_own() {
    with_preemptions(3, || {
        let turns = turns();
        let building = Arc::new(AtomicBool::new(false));
        let fail = {
            let turns = Arc::clone(&turns);
            move || {
                let (wish, begins) = turns.ask(0, Duration::ZERO);
                let Wish::UnderWay(rebuilding) = wish else { panic!("there is no newer client") };
                let mut ended = pin!(rebuilding.ended());
                if begins {
                    assert!(!building.swap(true, Ordering::Relaxed), "one at a time");
                    assert!(ended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                    building.store(false, Ordering::Relaxed);
                    turns.end();
                }
                wait(|cx| ended.as_mut().poll(cx));
            }
        };
        let other = thread::spawn(fail.clone());
        fail();
        other.join().unwrap();
        assert_eq!(turns.current().generation, 0);
    });
}

#[test]
fn who_asks_now_begins_once() {
    in_every_order(|| {
        let turns = turns();
        let other = thread::spawn({
            let turns = Arc::clone(&turns);
            move || turns.ask_now()
        });
        let mine = turns.ask_now();
        assert_ne!(mine, other.join().unwrap());
        turns.end();
        assert!(turns.ask_now());
    });
}

/// A client that is put in place meanwhile is seen whole.
#[test]
fn a_client_is_seen_with_its_own_generation() {
    in_every_order(|| {
        let turns = turns();
        let installs = thread::spawn({
            let turns = Arc::clone(&turns);
            move || turns.install(1)
        });
        let current = turns.current();
        assert_eq!(current.client, current.generation);
        assert_eq!(installs.join().unwrap(), 1);
    });
}
