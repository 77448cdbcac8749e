//! Whoever asks whether it was said.

use loom::thread;

use super::*;
use crate::sync::model::in_every_order;

#[test]
fn what_was_said_once_is_taken_once() {
    in_every_order(|| {
        let said = NextOverHttp1::default();
        said.say();
        let other = thread::spawn({
            let said = said.clone();
            move || said.take()
        });
        let mine = said.take();
        assert_ne!(mine, other.join().unwrap());
        assert!(!said.take());
    });
}
