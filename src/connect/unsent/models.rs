//! Two that hold one error.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::model::in_every_order;

/// Two retries above that share an error do not both send its request.
#[test]
fn a_request_is_taken_once() {
    in_every_order(|| {
        let unsent = Arc::new(Unsent::new(Request::new(()), Verdict::not_sent("it was not")));
        let other = thread::spawn({
            let unsent = Arc::clone(&unsent);
            move || unsent.take().is_some()
        });
        let mine = unsent.take().is_some();
        assert_ne!(mine, other.join().unwrap());
        assert!(unsent.take().is_none());
    });
}
