//! Tasks that wait for the end, and the end.

use std::sync::Arc;
use std::task::Poll;

use loom::thread;

use super::*;
use crate::sync::model::{in_every_order, wait, with_preemptions};

fn wait_for(ended: &Ended) -> Option<usize> {
    let mut key = None;
    wait(|cx| if ended.poll(&mut key, cx) { Poll::Ready(()) } else { Poll::Pending });
    key
}

#[test]
fn who_waits_is_woken_whoever_comes_first() {
    with_preemptions(3, || {
        let ended = Arc::new(Ended::new());
        let waiting = [(); 2].map(|()| {
            let ended = Arc::clone(&ended);
            thread::spawn(move || wait_for(&ended))
        });
        ended.tell();
        waiting.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
        assert_eq!(wait_for(&ended), None, "who comes later need not wait");
    });
}

/// Whoever leaves gives up a place of its own, not one that somebody else has by now.
#[test]
fn who_leaves_takes_nobody_along() {
    with_preemptions(3, || {
        let ended = Arc::new(Ended::new());
        let leaves = thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                let mut key = None;
                let over = ended.poll(&mut key, &Context::from_waker(Waker::noop()));
                assert_eq!(over, key.is_none());
                key.into_iter().for_each(|key| ended.leave(key));
            }
        });
        let waits = thread::spawn({
            let ended = Arc::clone(&ended);
            move || wait_for(&ended)
        });
        leaves.join().unwrap();
        ended.tell();
        waits.join().unwrap();
    });
}

/// Two that find out at once that it has come.
#[test]
fn the_end_may_be_told_twice() {
    in_every_order(|| {
        let ended = Arc::new(Ended::new());
        let tells = thread::spawn({
            let ended = Arc::clone(&ended);
            move || ended.tell()
        });
        ended.tell();
        tells.join().unwrap();
        assert_eq!(wait_for(&ended), None);
    });
}
