//! Timeouts and answers of several origins at once.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::model::in_every_order;

fn origin(name: &str) -> Origin {
    Origin::of(&format!("http://{name}").parse().unwrap()).unwrap()
}

#[test]
fn timeouts_are_counted_by_whoever_has_them() {
    in_every_order(|| {
        let suspects = Arc::new(Suspects::default());
        let other = thread::spawn({
            let suspects = Arc::clone(&suspects);
            move || suspects.timed_out(&origin("one"))
        });
        let mine = suspects.timed_out(&origin("one"));
        let mut counts = [mine, other.join().unwrap()];
        counts.sort_unstable();
        assert_eq!(counts, [1, 2]);
    });
}

/// The answer of one origin does not hide another's timeout from the answers that follow.
#[test]
fn whoever_is_suspected_can_be_cleared() {
    in_every_order(|| {
        let suspects = Arc::new(Suspects::default());
        suspects.timed_out(&origin("one"));
        let answers = thread::spawn({
            let suspects = Arc::clone(&suspects);
            move || suspects.answered(&origin("one"))
        });
        suspects.timed_out(&origin("two"));
        answers.join().unwrap();
        suspects.answered(&origin("two"));
        assert_eq!((suspects.timed_out(&origin("one")), suspects.timed_out(&origin("two"))), (1, 1));
    });
}
