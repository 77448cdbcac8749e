//! Attempts of several ages, each in its own thread, and whoever takes the body back.

use std::convert::Infallible;

use loom::thread;

use super::*;
use crate::sync::model::{in_every_order, wait, with_preemptions};

/// Gives its pieces one by one, and then ends; or never does.
struct Pieces {
    left: std::vec::IntoIter<&'static [u8]>,
    ends: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.left.next() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

fn ending(limit: usize) -> Shared<Pieces> {
    Shared::new(Pieces { left: vec![&b"one"[..], b"two"].into_iter(), ends: true }, limit)
}

fn silent() -> Shared<Pieces> {
    Shared::new(Pieces { left: Vec::new().into_iter(), ends: false }, 64)
}

/// How an attempt came to its end.
#[derive(Debug, PartialEq)]
enum End {
    Clean,
    Superseded,
}

/// Reads an attempt's body to its end, as the task of a connection does.
fn read(shared: &Shared<Pieces>, epoch: Epoch) -> (Vec<u8>, End) {
    let mut bytes = Vec::new();
    loop {
        match wait(|cx| shared.poll_frame(epoch, cx)) {
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().expect("there are no trailers")),
            Some(Err(error)) => {
                assert!(error.is::<Superseded>());
                return (bytes, End::Superseded);
            }
            None => return (bytes, End::Clean),
        }
    }
}

/// What an attempt may be given: all of the body, or its beginning and then an error.
fn assert_unmixed((bytes, end): &(Vec<u8>, End)) {
    assert!(b"onetwo".starts_with(bytes), "{bytes:?}");
    assert!(*end == End::Superseded || bytes.len() == 6, "half a body must not look whole");
}

#[test]
fn the_newest_attempt_has_all_and_an_older_one_no_frame_of_its() {
    in_every_order(|| {
        let shared = ending(64);
        let older = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, 0)
        });
        let newest = shared.take_back().expect("it is short enough");
        assert_eq!(read(&shared, newest), (b"onetwo".to_vec(), End::Clean));
        assert_unmixed(&older.join().unwrap());
    });
}

#[test]
fn the_newest_of_three_wins() {
    with_preemptions(3, || {
        let shared = ending(64);
        let second = shared.take_back().expect("it is short enough");
        let older = [0, second].map(|epoch| {
            let shared = shared.clone();
            thread::spawn(move || read(&shared, epoch))
        });
        let newest = shared.take_back().expect("it is short enough");
        assert_eq!(read(&shared, newest), (b"onetwo".to_vec(), End::Clean));
        let [first, second] = older.map(|thread| thread.join().unwrap());
        assert_eq!(first, (Vec::new(), End::Superseded));
        assert_unmixed(&second);
    });
}

/// Where more has passed than may be kept, it stays with the attempt that has it.
#[test]
fn what_was_not_kept_is_not_taken_away() {
    in_every_order(|| {
        let shared = ending(4);
        let older = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, 0)
        });
        let newest = shared.take_back();
        if let Some(newest) = newest {
            assert_eq!(read(&shared, newest), (b"onetwo".to_vec(), End::Clean));
        }
        let older = older.join().unwrap();
        assert_unmixed(&older);
        assert_eq!(newest.is_none(), older.1 == End::Clean, "one of the two has it");
    });
}

#[test]
fn who_waits_is_woken_when_the_body_is_taken_back() {
    in_every_order(|| {
        let shared = silent();
        let older = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, 0)
        });
        shared.take_back().expect("nothing has passed");
        assert_eq!(older.join().unwrap(), (Vec::new(), End::Superseded));
    });
}

#[test]
fn who_waits_is_woken_when_the_body_is_closed() {
    in_every_order(|| {
        let shared = silent();
        let older = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, 0)
        });
        shared.close();
        assert_eq!(older.join().unwrap(), (Vec::new(), End::Superseded));
    });
}

/// Two attempts that read, while the body is taken back for the second and then given up.
#[test]
fn what_is_closed_looks_whole_to_nobody() {
    with_preemptions(3, || {
        let shared = ending(64);
        let older = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, 0)
        });
        let newest = shared.take_back().expect("it is short enough");
        let newer = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, newest)
        });
        shared.close();
        assert_unmixed(&older.join().unwrap());
        assert_unmixed(&newer.join().unwrap());
        assert_eq!(read(&shared, newest), (Vec::new(), End::Superseded));
    });
}

#[test]
fn what_is_released_is_sent_to_its_end() {
    in_every_order(|| {
        let shared = ending(64);
        let newest = shared.take_back().expect("nothing has passed");
        let reader = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, newest)
        });
        shared.release();
        assert_eq!(reader.join().unwrap(), (b"onetwo".to_vec(), End::Clean));
    });
}

/// That a body was polled is evidence about the attempt that did: an older one's poll, however late, is none.
#[test]
fn an_older_attempt_leaves_no_trace_on_the_newest() {
    in_every_order(|| {
        let shared = ending(64);
        let older = thread::spawn({
            let shared = shared.clone();
            move || read(&shared, 0)
        });
        shared.take_back().expect("it is short enough");
        assert_eq!(shared.body_use(), BodyUse::Untouched);
        assert_unmixed(&older.join().unwrap());
        assert_eq!(shared.body_use(), BodyUse::Untouched);
    });
}
