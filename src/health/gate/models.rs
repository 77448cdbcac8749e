//! Requests before the gate, and the socket half that makes room behind it.

use loom::thread;

use super::*;
use crate::sync::model::{in_every_order, wait, with_preemptions};

const ID: ConnectionId = ConnectionId(1);

/// A gate with one connection, on which `open` streams of others are open.
fn connected(standing: Standing, limit: Option<u32>, open: usize) -> (Arc<Gate>, Arc<View>) {
    let (gate, view) = (Arc::new(Gate::new(1)), Arc::new(View::new()));
    gate.connected(ID, Arc::clone(&view));
    gate.learned(limit);
    // loom 0.7 does not take what an atomic began with for one of its SeqCst stores (`rt/atomic.rs`, `match_load_to_stores`): so
    // that all have one.
    view.publish(standing, limit, open);
    gate.lock().admit(&gate.waiting);
    (gate, view)
}

/// Comes through the gate, as a request's task does.
fn pass(gate: &Gate) -> Pass {
    let mut ticket = None;
    wait(|cx| match ticket {
        Some(ticket) => gate.poll(ticket, cx),
        None => match gate.enter(cx.waker()) {
            Ok(pass) => Poll::Ready(pass),
            Err(place) => {
                ticket = Some(place);
                Poll::Pending
            }
        },
    })
}

/// Who is behind the gate at once.
struct Inside {
    count: AtomicU32,
    most: u32,
}

impl Inside {
    fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { count: AtomicU32::new(0), most })
    }

    fn visit(&self) {
        assert!(self.count.fetch_add(1, Ordering::Relaxed) < self.most, "beyond the limit");
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn assert_empty(gate: &Gate) {
    assert_eq!(gate.load(), (0, 0));
    assert_eq!(gate.in_call(ID), 0);
}

#[test]
fn the_limit_holds_and_all_come_in() {
    with_preemptions(3, || {
        let (gate, _) = connected(Standing::Open, Some(1), 0);
        let inside = Inside::new(1);
        let visit = {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            move || {
                assert_eq!(pass(&gate), Pass::Counted);
                inside.visit();
                gate.release(None, false);
            }
        };
        let others = [thread::spawn(visit.clone()), thread::spawn(visit.clone())];
        visit();
        others.into_iter().for_each(|thread| thread.join().unwrap());
        assert_empty(&gate);
    });
}

/// A place that is given up, before its turn or just after, is not lost for whoever comes next, and not given twice.
#[test]
fn who_leaves_takes_nothing_along() {
    with_preemptions(3, || {
        let (gate, _) = connected(Standing::Open, Some(1), 0);
        assert_eq!(gate.try_enter(), Some(Pass::Counted));
        let leaves = thread::spawn({
            let gate = Arc::clone(&gate);
            move || match gate.enter(futures_util::task::noop_waker_ref()) {
                Ok(_) => gate.release(None, false),
                Err(ticket) => gate.leave(ticket),
            }
        });
        let inside = Inside::new(1);
        let waits = thread::spawn({
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            move || {
                pass(&gate);
                inside.visit();
                gate.release(None, false);
            }
        });
        gate.release(None, false);
        leaves.join().unwrap();
        waits.join().unwrap();
        assert_empty(&gate);
        assert_eq!(gate.try_enter(), Some(Pass::Counted));
        assert_eq!(gate.try_enter(), None, "there is room for one");
    });
}

/// The socket half publishes first and looks who waits second; who begins to wait says so first and looks for room second. With
/// less than SeqCst each may miss the other: `AcqRel` for `publish`, or `Acquire` in `standing`, `limit`, `open` or `look_again`,
/// or `Release` for `waiting`, and the request waits for ever.
fn is_let_in_when(before: (Standing, Option<u32>, usize), after: (Standing, Option<u32>, usize)) {
    in_every_order(move || {
        let (gate, view) = connected(before.0, before.1, before.2);
        let waits = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                if pass(&gate) == Pass::Counted {
                    gate.release(None, false);
                }
            }
        });
        if view.publish(after.0, after.1, after.2) {
            gate.look_again();
        }
        waits.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_stream_that_ends_on_the_wire_lets_somebody_in() {
    is_let_in_when((Standing::Open, Some(1), 1), (Standing::Open, Some(1), 0));
}

#[test]
fn a_limit_that_is_raised_lets_somebody_in() {
    is_let_in_when((Standing::Open, Some(0), 0), (Standing::Open, Some(1), 0));
}

#[test]
fn a_connection_that_is_held_no_more_lets_somebody_in() {
    is_let_in_when((Standing::Held, Some(1), 0), (Standing::Open, Some(1), 0));
}

#[test]
fn a_connection_that_is_gone_lets_somebody_in_to_the_next() {
    is_let_in_when((Standing::Held, Some(1), 0), (Standing::Gone, Some(1), 0));
}

#[test]
fn one_that_is_not_http2_lets_everybody_in() {
    is_let_in_when((Standing::New, None, 100), (Standing::Ungated, None, 0));
}

/// Q4: what is published with the peer's SETTINGS is seen in a state of before or after, never as an open connection without a
/// limit.
#[test]
fn while_the_limit_becomes_known_no_more_are_let_in() {
    in_every_order(|| {
        let (gate, view) = (Arc::new(Gate::new(1)), Arc::new(View::new()));
        gate.connected(ID, Arc::clone(&view));
        assert_eq!(gate.try_enter(), Some(Pass::Counted));
        let second = thread::spawn({
            let gate = Arc::clone(&gate);
            move || gate.try_enter()
        });
        view.publish(Standing::Open, Some(1), 1);
        gate.learned(Some(1));
        assert_eq!(second.join().unwrap(), None);
    });
}

/// A connection that goes away lets those in who waited for it: they find out what the next one allows.
#[test]
fn who_waits_for_a_connection_that_is_lost_goes_to_the_next() {
    in_every_order(|| {
        let (gate, view) = connected(Standing::Open, Some(0), 0);
        let waits = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                assert_eq!(pass(&gate), Pass::Counted);
                gate.release(None, false);
            }
        });
        view.publish(Standing::Gone, Some(0), 0);
        gate.disconnected(ID);
        waits.join().unwrap();
        assert_empty(&gate);
    });
}

/// A request that got onto a connection just as it began to drain makes room on the next, whoever tells first.
#[test]
fn a_request_on_a_draining_connection_holds_no_place() {
    with_preemptions(3, || {
        let (gate, view) = connected(Standing::Open, Some(1), 0);
        assert_eq!(gate.try_enter(), Some(Pass::Counted));
        let waits = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                pass(&gate);
                gate.release(None, false);
            }
        });
        let drains = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                if view.publish(Standing::Gone, Some(1), 1) {
                    gate.look_again();
                }
            }
        });
        gate.assign(ID, None);
        drains.join().unwrap();
        waits.join().unwrap();
        gate.release(Some(ID), true);
        assert_eq!(gate.load(), (0, 0));
    });
}
