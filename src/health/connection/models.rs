//! A connection's socket half, its requests and its owner, each in a thread of its own.

use std::task::Poll;

use http::Request;
use hyper_util::client::legacy::connect::capture_connection;
use loom::thread;

use super::super::config::Builder;
use super::super::frame;
use super::super::machine::Drain;
use super::*;
use crate::sync::model::{in_every_order, wait, with_preemptions};

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(Builder::default().config))
}

fn connect(hub: &Arc<Hub>) -> Connection {
    hub.connected(&Origin::of(&"http://origin".parse().unwrap()).unwrap())
}

/// SETTINGS that allow so many streams.
fn greet(connection: &Connection, limit: u32) {
    let settings = frame::Frame::Settings { ack: false, max_concurrent_streams: Some(limit) };
    connection.step(|inner, now| {
        inner.outbound(&frame::Event::Preface, now);
        inner.inbound(&frame::Event::End(settings), now);
    });
}

/// Nothing is left of it but what is remembered, and nothing keeps it.
fn assert_over(hub: &Hub, connection: &Connection) {
    let snapshot = hub.snapshot();
    assert_eq!((snapshot.connections.len(), snapshot.ended.len()), (0, 1));
    assert_eq!(Arc::strong_count(&connection.0), 1);
}

#[test]
fn whose_connection_ends_is_woken() {
    in_every_order(|| {
        let hub = hub();
        let connection = connect(&hub);
        let waits = thread::spawn({
            let connection = connection.clone();
            move || {
                let mut key = None;
                wait(|cx| if connection.poll_ended(&mut key, cx) { Poll::Ready(()) } else { Poll::Pending });
                assert_eq!(connection.state(), State::Closed(Close::Peer));
            }
        });
        connection.ended(|_, _| (), Close::Peer);
        waits.join().unwrap();
        assert_over(&hub, &connection);
    });
}

/// The client and the transport find out at once.
#[test]
fn it_ends_once() {
    with_preemptions(3, || {
        let hub = hub();
        let mut events = hub.subscribe();
        let connection = connect(&hub);
        let other = thread::spawn({
            let connection = connection.clone();
            move || connection.ended(|_, _| (), Close::Transport)
        });
        connection.ended(|_, _| (), Close::Peer);
        other.join().unwrap();
        assert_over(&hub, &connection);
        let told = std::iter::from_fn(|| events.try_recv().ok());
        let closed = told.filter(|event| matches!(event.kind, EventKind::Closed { .. })).count();
        assert_eq!(closed, 1);
    });
}

/// A capture that an ended connection kept would keep it in turn, for ever.
#[test]
fn what_has_ended_keeps_no_capture() {
    with_preemptions(3, || {
        let hub = hub();
        let connection = connect(&hub);
        let adopts = thread::spawn({
            let connection = connection.clone();
            move || connection.adopt(&capture_connection(&mut Request::new(())))
        });
        connection.ended(|_, _| (), Close::Peer);
        adopts.join().unwrap();
        assert!(connection.lock().capture.is_none());
        assert_over(&hub, &connection);
    });
}

/// The task that reads says that it waits first and looks second; who wants something of it does it the other way round.
#[test]
fn the_task_that_reads_hears_of_a_drain() {
    in_every_order(|| {
        let hub = hub();
        let connection = connect(&hub);
        let reads = thread::spawn({
            let connection = connection.clone();
            move || {
                wait(|cx| {
                    connection.waits_to_read(cx.waker());
                    connection.turn(|_, _| ());
                    if connection.state() == State::Draining(Drain::Asked) { Poll::Ready(()) } else { Poll::Pending }
                });
                connection.ended(|_, _| (), Close::Client);
            }
        });
        connection.drain();
        reads.join().unwrap();
        assert_over(&hub, &connection);
    });
}

/// A request that waits for the peer's limit is let in when the connection ends, and may go to the next.
#[test]
fn who_waits_for_a_stream_is_let_in_when_it_ends() {
    with_preemptions(3, || {
        let hub = hub();
        let connection = connect(&hub);
        greet(&connection, 0);
        let waits = thread::spawn({
            let site = Arc::clone(&connection.0.site);
            move || {
                let mut ticket = None;
                wait(|cx| match ticket {
                    Some(ticket) => site.gate.poll(ticket, cx),
                    None => site.gate.enter(cx.waker()).map_or_else(
                        |place| {
                            ticket = Some(place);
                            Poll::Pending
                        },
                        Poll::Ready,
                    ),
                });
                site.gate.release(None, false);
            }
        });
        connection.ended(|_, _| (), Close::Peer);
        waits.join().unwrap();
        assert_over(&hub, &connection);
        assert_eq!(connection.0.site.gate.load(), (0, 0));
    });
}

/// Of a stream that is told to be unsent nothing is given to the transport afterwards; one that may have been given is not told to
/// be.
#[cfg(feature = "connect")]
#[test]
fn what_was_told_to_be_unsent_is_never_sent() {
    in_every_order(|| {
        let hub = hub();
        let connection = connect(&hub);
        connection.be_exact();
        let writes = thread::spawn({
            let connection = connection.clone();
            move || {
                let given = connection.offer(Offer { stream_id: 1, torn: false }).is_ok();
                if given {
                    let headers = frame::Header { length: 1, kind: 0x1, flags: 0, stream_id: 1 };
                    connection.sent(|inner, now| inner.outbound(&frame::Event::Begin(headers), now));
                    connection.taken(false);
                }
                given
            }
        });
        let truth = connection.truth(1, true);
        let given = writes.join().unwrap();
        assert!(!given || truth == Truth::Sent, "{truth:?}");
        connection.ended(|_, _| (), Close::Client);
    });
}
