//! Requests before the gate of one connection, and the task that tells it how the connection stands.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::health::Drain;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::model::{in_every_order, wait, with_preemptions};

fn wire(limit: u32, open: usize) -> Wire {
    Wire { state: State::Open, greeted: true, limit: Some(limit), open, begun: 0 }
}

fn gate(limit: u32) -> Arc<Gate> {
    let gate = Gate::with(None, 1);
    gate.add_handle();
    gate.sync(&wire(limit, 0)).wake();
    Arc::new(gate)
}

/// Comes through the gate, as a request's task does.
fn pass(gate: &Gate) -> Result<(), Closed> {
    let mut ticket = None;
    wait(|cx| match ticket {
        Some(ticket) => gate.poll(ticket, cx),
        None => match gate.enter(cx.waker()) {
            Ok(None) => Poll::Ready(Ok(())),
            Ok(place) => {
                ticket = place;
                Poll::Pending
            }
            Err(closed) => Poll::Ready(Err(closed)),
        },
    })
}

fn assert_empty(gate: &Gate) {
    assert_eq!((gate.in_flight(), gate.load().1), (0, 0));
}

#[test]
fn the_limit_holds_and_all_come_in() {
    with_preemptions(3, || {
        let gate = gate(1);
        let inside = Arc::new(AtomicUsize::new(0));
        let visit = {
            let gate = Arc::clone(&gate);
            move || {
                pass(&gate).unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "beyond the limit");
                inside.fetch_sub(1, Ordering::Relaxed);
                gate.release();
            }
        };
        let others = [thread::spawn(visit.clone()), thread::spawn(visit.clone())];
        visit();
        others.into_iter().for_each(|thread| thread.join().unwrap());
        assert_empty(&gate);
    });
}

#[test]
fn who_leaves_takes_nothing_along() {
    with_preemptions(3, || {
        let gate = gate(1);
        assert!(gate.try_enter());
        let leaves = thread::spawn({
            let gate = Arc::clone(&gate);
            move || match gate.enter(Waker::noop()).unwrap() {
                None => gate.release(),
                Some(ticket) => gate.leave(ticket),
            }
        });
        let waits = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                pass(&gate).unwrap();
                gate.release();
            }
        });
        gate.release();
        leaves.join().unwrap();
        waits.join().unwrap();
        assert_empty(&gate);
        assert!(gate.try_enter() && !gate.try_enter(), "there is room for one");
    });
}

#[test]
fn a_stream_that_ends_lets_somebody_in() {
    in_every_order(|| {
        let gate = gate(0);
        let waits = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                pass(&gate).unwrap();
                gate.release();
            }
        });
        gate.sync(&wire(1, 0)).wake();
        waits.join().unwrap();
        assert_empty(&gate);
    });
}

/// G6: one drains while somebody comes, and nobody waits for it.
#[test]
fn nobody_waits_for_what_drains() {
    with_preemptions(3, || {
        let gate = gate(1);
        assert!(gate.try_enter());
        let waits = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                let passed = pass(&gate);
                if passed.is_ok() {
                    gate.release();
                }
                passed
            }
        });
        let leaves = thread::spawn({
            let gate = Arc::clone(&gate);
            move || gate.release()
        });
        let state = State::Draining(Drain::Asked);
        gate.sync(&Wire { state, ..wire(1, 0) }).wake();
        leaves.join().unwrap();
        assert!(matches!(waits.join().unwrap(), Ok(()) | Err(Closed(State::Draining(Drain::Asked)))));
        assert_eq!(gate.in_flight(), 0);
    });
}

/// Who waits for a byte on the wire is told of it, whoever comes first.
#[test]
fn a_stream_that_begins_is_told_of() {
    in_every_order(|| {
        let gate = gate(1);
        gate.lock().opening.push_back((1, None));
        let waits = thread::spawn({
            let gate = Arc::clone(&gate);
            move || wait(|cx| gate.poll_begun(1, cx))
        });
        gate.sync(&Wire { begun: 1, ..wire(1, 1) }).wake();
        waits.join().unwrap();
    });
}

/// Of those who let go at once, one is the last.
#[test]
fn one_handle_is_the_last() {
    in_every_order(|| {
        let gate = gate(1);
        gate.add_handle();
        let other = thread::spawn({
            let gate = Arc::clone(&gate);
            move || gate.remove_handle()
        });
        let mine = gate.remove_handle();
        assert_ne!(mine, other.join().unwrap());
    });
}
