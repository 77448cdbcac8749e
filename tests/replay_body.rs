//! The replay body by itself: what is sent again is what was sent, or there is an error.

#[path = "support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use support::bodies::Lying;
use tokio_test::{assert_pending, assert_ready, task};
use tower::BoxError;
use tower_redial::ReplayBody;
use tower_redial::body::{Rewind, SourceError, Superseded, replay};
use tower_redial::fate::BodyUse;

const LIMIT: usize = 64 * 1024;

/// What a scripted body gives at one poll.
#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Wait,
    Fail,
    Panic,
}

/// A one-shot body that is not `Clone` and plays its steps in order.
#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    known_length: Option<u64>,
    dropped: Arc<AtomicBool>,
    /// `Send`, but not `Sync`: what `ReplayBody` must make up for.
    _not_sync: std::cell::Cell<()>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut script = Self::default();
        script.steps.extend(steps);
        script
    }

    fn known_length(mut self, length: u64) -> Self {
        self.known_length = Some(length);
        self
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(data)) => {
                self.known_length = self.known_length.map(|length| length - data.len() as u64);
                Some(Ok(Frame::data(data)))
            }
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Wait) => return Poll::Pending,
            Some(Step::Fail) => Some(Err("the disk is gone".into())),
            Some(Step::Panic) => panic!("planted"),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.known_length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-digest"), http::HeaderValue::from_static("42"))])
}

async fn all(body: ReplayBody<impl Body<Error: Into<BoxError>> + Unpin>) -> (Bytes, Option<HeaderMap>) {
    let collected = body.collect().await.expect("a whole body");
    let trailers = collected.trailers().cloned();
    (collected.to_bytes(), trailers)
}

fn poll<B>(body: &mut ReplayBody<B>) -> Option<Result<Frame<Bytes>, BoxError>>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    assert_ready!(task::spawn(body.frame()).poll())
}

fn next_data<B>(body: &mut ReplayBody<B>) -> Bytes
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    poll(body).expect("a frame").expect("no error").into_data().expect("data")
}

/// B1: chunks, chunks and trailers, and trailers alone come again byte for byte, as often as asked.
#[tokio::test]
async fn what_was_sent_is_sent_again() {
    for steps in [
        vec![data("one")],
        vec![data("one"), data("two"), data("three")],
        vec![data("one"), Step::Trailers(trailers())],
        vec![Step::Trailers(trailers())],
        vec![data(""), data("one"), data("")],
        vec![],
    ] {
        let expected_data: Vec<u8> = steps
            .iter()
            .filter_map(|step| if let Step::Data(data) = step { Some(data.to_vec()) } else { None })
            .flatten()
            .collect();
        let expected_trailers = steps.iter().any(|step| matches!(step, Step::Trailers(_))).then(trailers);
        let (mut body, mut rewind) = replay(Script::new(steps), LIMIT);
        for _ in 0..3 {
            assert_eq!(all(body).await, (Bytes::from(expected_data.clone()), expected_trailers.clone()));
            body = rewind.again().expect("it can be sent again");
        }
    }
}

/// B2: an attempt that died after two of five chunks is followed by one that replays two and goes on with three.
#[tokio::test]
async fn a_new_attempt_goes_on_with_the_source() {
    let (mut first, mut rewind) = replay(Script::new(["1", "2", "3", "4", "5"].map(data)), LIMIT);
    assert_eq!(next_data(&mut first), "1");
    assert_eq!(next_data(&mut first), "2");
    let mut second = rewind.again().unwrap();
    assert_eq!(next_data(&mut second), "12", "small pieces come together");
    let third = rewind.again().unwrap();
    assert_eq!(all(third).await.0, "12345");
}

/// B3: at the limit a body can be sent again; one byte more and it cannot, while the attempt under way is not disturbed.
#[tokio::test]
async fn recording_stops_above_the_limit() {
    for (limit, replayable) in [(10, true), (9, false)] {
        let (body, mut rewind) = replay(Script::new([data("12345"), data("67890")]), limit);
        assert_eq!(all(body).await.0, "1234567890");
        assert_eq!(rewind.again().is_some(), replayable, "limit {limit}");
    }
    let (body, mut rewind) = replay(Script::new([data("12345"), Step::Trailers(trailers())]), 12);
    assert_eq!(all(body).await, (Bytes::from("12345"), Some(trailers())), "eight bytes and two of trailers, too many");
    assert!(rewind.again().is_none());
}

/// B3: what was recorded is freed when the limit is passed, not when the request ends.
#[test]
fn memory_is_freed_when_the_limit_is_passed() {
    let first = Bytes::from(vec![1; 2_000]);
    let mut probe = Some(first.clone());
    let (mut body, _rewind) = replay(Script::new([Step::Data(first), Step::Data(vec![2; 2_000].into())]), 3_000);
    drop(next_data(&mut body));
    assert!(!probe.as_ref().unwrap().is_unique(), "recorded");
    drop(next_data(&mut body));
    assert!(probe.take().unwrap().is_unique(), "freed");
}

/// B4: a body that is known to be too large is never recorded, though it can be taken back while it is whole.
#[test]
fn a_body_known_to_be_too_large_is_not_recorded() {
    let first = Bytes::from(vec![1; 60]);
    let probe = first.clone();
    let script = Script::new([Step::Data(first), Step::Data(vec![2; 60].into())]).known_length(120);
    let (_unpolled, mut rewind) = replay(script, 100);
    let mut body = rewind.again().expect("nobody took anything of it");
    drop(next_data(&mut body));
    assert!(probe.is_unique());
    assert!(rewind.again().is_none());
}

/// B5, B10: the hint is the inner body's, known or not, before, between and after replays.
#[tokio::test]
async fn hints_are_those_of_the_inner_body() {
    let steps = || ["12345", "678"].map(data);
    let (mut body, mut rewind) = replay(Script::new(steps()).known_length(8), LIMIT);
    assert_eq!(body.size_hint().exact(), Some(8));
    next_data(&mut body);
    assert_eq!(body.size_hint().exact(), Some(3));
    let mut again = rewind.again().unwrap();
    assert_eq!(again.size_hint().exact(), Some(8), "five recorded and three to come");
    next_data(&mut again);
    next_data(&mut again);
    assert_eq!(again.size_hint().exact(), Some(0));
    let again = rewind.again().unwrap();
    assert_eq!(again.size_hint().exact(), Some(8));
    assert!(!again.is_end_stream());

    let (mut unknown, mut rewind) = replay(Script::new(steps()), LIMIT);
    assert_eq!(unknown.size_hint().upper(), None);
    while poll(&mut unknown).is_some() {}
    assert!(unknown.is_end_stream());
    let again = rewind.again().unwrap();
    assert_eq!((again.size_hint().lower(), again.size_hint().upper()), (8, None), "as unknown as it was at first");
    assert_eq!(unknown.size_hint().upper(), None, "that the body has ended is nothing to an attempt that has lost it");

    let (mut empty, mut rewind) = replay(Script::new([]), LIMIT);
    assert!(!empty.is_end_stream());
    assert!(poll(&mut empty).is_none());
    assert!(empty.is_end_stream());
    assert!(!rewind.again().unwrap().is_end_stream(), "begins as the first attempt did");

    assert_eq!(body.size_hint().upper(), None, "an attempt that has lost the body promises nothing");
    assert!(!body.is_end_stream(), "and never a clean end");

    for length in [3, 10] {
        let (mut lying, mut rewind) = replay(Lying { inner: Full::new(Bytes::from("12345")), length }, LIMIT);
        assert_eq!(lying.size_hint().exact(), Some(length));
        while poll(&mut lying).is_some() {}
        assert_eq!(rewind.again().unwrap().size_hint().exact(), Some(length), "a lie is told again, not mended");
    }
}

/// B1: an attempt is at its end when it was given all that is recorded, trailers too, and not before.
#[tokio::test]
async fn a_replay_ends_when_all_of_it_was_given() {
    // Small frames would be joined.
    let large = || Step::Data(Bytes::from(vec![b'l'; 10_000]));
    let (mut body, mut rewind) = replay(Script::new([large(), large(), Step::Trailers(trailers())]), LIMIT);
    while poll(&mut body).is_some() {}
    assert!(body.is_end_stream());
    let mut again = rewind.again().unwrap();
    for what in ["the first frame", "the second", "the trailers"] {
        assert!(!again.is_end_stream(), "{what} is still to come");
        assert!(poll(&mut again).is_some(), "{what}");
    }
    assert!(again.is_end_stream());
}

/// B9: an empty body is at its end, exactly zero bytes long, and stays untouched, on every attempt.
#[tokio::test]
async fn an_empty_body_stays_empty() {
    let (body, mut rewind) = replay(Empty::<Bytes>::new(), LIMIT);
    for body in [body, rewind.again().unwrap(), rewind.again().unwrap()] {
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert_eq!(all(body).await, (Bytes::new(), None));
    }
    assert_eq!(rewind.body_use(), BodyUse::Untouched);
}

/// B13: what nobody polled is taken back whole, one-shot or not, whatever the limit.
#[tokio::test]
async fn an_unpolled_body_is_taken_back_without_a_buffer() {
    let payload = Bytes::from(vec![7; 1 << 20]);
    let (_lost, mut rewind) = replay(Script::new([Step::Data(payload.clone())]), 0);
    assert_eq!(rewind.body_use(), BodyUse::Untouched);
    let body = rewind.again().unwrap();
    let (bytes, _) = all(body).await;
    assert_eq!(bytes.as_ptr(), payload.as_ptr(), "the very same memory");
    assert_eq!(rewind.body_use(), BodyUse::Polled);
    assert!(rewind.again().is_none(), "with a limit of 0 a polled body is gone");
}

#[test]
fn replaying_copies_no_payload() {
    let payload = Bytes::from(vec![7; 16 * 1024]);
    let (mut body, mut rewind) = replay(Full::new(payload.clone()), LIMIT);
    assert_eq!(next_data(&mut body).as_ptr(), payload.as_ptr());
    assert_eq!(next_data(&mut rewind.again().unwrap()).as_ptr(), payload.as_ptr());
}

/// B7: the older attempt never polls the source again and never sees an end; it is woken to learn of it.
#[test]
fn an_older_attempt_is_woken_and_gets_an_error() {
    let script = Script::new([data("1"), Step::Wait, data("2")]);
    let (mut old, mut rewind) = replay(script, LIMIT);
    assert_eq!(next_data(&mut old), "1");
    let mut waiting = task::spawn(old.frame());
    assert_pending!(waiting.poll());

    let mut new = rewind.again().unwrap();
    assert!(waiting.is_woken());
    let error = assert_ready!(waiting.poll()).unwrap().unwrap_err();
    assert!(error.is::<Superseded>());
    drop(waiting);
    assert_eq!(next_data(&mut new), "1");
    assert_eq!(next_data(&mut new), "2");
    assert!(poll(&mut old).unwrap().unwrap_err().is::<Superseded>(), "however often it asks");
}

#[test]
fn each_attempt_has_its_own_use() {
    let (mut body, mut rewind) = replay(Full::new(Bytes::from("1")), LIMIT);
    assert_eq!(rewind.body_use(), BodyUse::Untouched);
    next_data(&mut body);
    assert_eq!(rewind.body_use(), BodyUse::Polled);
    let _unpolled = rewind.again();
    assert_eq!(rewind.body_use(), BodyUse::Untouched, "in the new attempt");
}

/// C18: a source that failed fails again at each poll, never ends, and its own error stays to be found.
#[test]
fn a_failed_source_fails_for_ever() {
    let (mut body, mut rewind) = replay(Script::new([data("1"), Step::Fail]), LIMIT);
    next_data(&mut body);
    for _ in 0..3 {
        let error = poll(&mut body).unwrap().unwrap_err();
        let error = error.downcast_ref::<SourceError>().unwrap();
        assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
    }
    assert_eq!(rewind.body_use(), BodyUse::Failed);
    assert_eq!(rewind.source_error().unwrap().get_ref().to_string(), "the disk is gone");
    assert!(rewind.again().is_none());
    assert!(!body.is_end_stream());
}

#[test]
fn a_source_that_panics_counts_as_failed() {
    let (mut body, mut rewind) = replay(Script::new([data("1"), Step::Panic, data("2")]), LIMIT);
    next_data(&mut body);
    catch_unwind(AssertUnwindSafe(|| poll(&mut body))).expect_err("the body's own panic goes through");
    assert!(poll(&mut body).unwrap().unwrap_err().is::<SourceError>(), "and what it would have given next does not");
    assert_eq!(rewind.body_use(), BodyUse::Failed);
    assert!(rewind.again().is_none());
}

/// B14: giving the request up drops the source at once, whoever still holds the body.
#[test]
fn giving_up_drops_the_source() {
    let script = Script::new([data("1"), Step::Wait]);
    let dropped = Arc::clone(&script.dropped);
    let (mut body, rewind) = replay(script, LIMIT);
    next_data(&mut body);
    let mut waiting = task::spawn(body.frame());
    assert_pending!(waiting.poll());
    drop(rewind);
    assert!(dropped.load(Ordering::SeqCst));
    assert!(waiting.is_woken());
    assert!(assert_ready!(waiting.poll()).unwrap().unwrap_err().is::<Superseded>());
}

/// B6, B15: once the head of the response is there the attempt under way sends the rest, unrecorded.
#[test]
fn a_released_body_goes_on_and_is_no_longer_recorded() {
    let [first, second] = [1, 2].map(|byte| Bytes::from(vec![byte; 2_000]));
    let probes = [first.clone(), second.clone()];
    let (mut body, mut rewind) = replay(Script::new([first, second].map(Step::Data)), LIMIT);
    next_data(&mut body);
    let mut again = rewind.again().unwrap();
    rewind.release();
    assert!(!probes[0].is_unique(), "still to be given to the attempt under way");
    assert_eq!(next_data(&mut again), probes[0]);
    assert!(probes[0].is_unique());
    assert_eq!(next_data(&mut again), probes[1]);
    assert!(probes[1].is_unique());
    assert!(poll(&mut again).is_none());
}

/// A body of countless tiny frames costs about its bytes, not a handle for each.
#[tokio::test]
async fn tiny_and_empty_frames_are_joined() {
    let expected: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    let steps = expected.iter().flat_map(|&byte| [Step::Data(vec![byte].into()), data("")]);
    let (body, mut rewind) = replay(Script::new(steps), LIMIT);
    assert_eq!(all(body).await.0, expected);
    let mut again = rewind.again().unwrap();
    let mut frames = 0;
    let mut bytes = Vec::new();
    while let Some(frame) = poll(&mut again) {
        frames += 1;
        bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    assert_eq!(bytes, expected);
    assert!(frames <= 128, "{frames} frames");
}

#[test]
fn a_body_that_is_not_sync_becomes_so() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    let halves = replay(Script::default(), LIMIT);
    is_send_and_sync(&halves.0);
    is_send_and_sync(&halves.1);
}

/// Data that is not `Bytes` comes out whole, in one frame.
#[tokio::test]
async fn other_kinds_of_data_become_bytes() {
    let body = Full::new(VecDeque::from(b"a ring".to_vec())).map_err(|never: Infallible| match never {});
    let (body, mut rewind) = replay(body, LIMIT);
    assert_eq!(all(body).await.0, "a ring");
    assert_eq!(all(rewind.again().unwrap()).await.0, "a ring");
}

/// What a property test does to a body.
#[derive(Clone, Debug)]
enum Op {
    Poll,
    PollOld,
    Again,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let data = prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Step::Data(bytes.into()));
    let step = prop_oneof![8 => data, 2 => Just(Step::Wait), 1 => Just(Step::Fail)];
    (prop::collection::vec(step, 0..300), any::<bool>()).prop_map(|(mut steps, with_trailers)| {
        if with_trailers {
            steps.push(Step::Trailers(trailers()));
        }
        steps
    })
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(prop_oneof![20 => Just(Op::Poll), 1 => Just(Op::PollOld), 1 => Just(Op::Again)], 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Law 5 (B8, B16), against a plain vector: whatever is done, an attempt gives a prefix of the original, and its clean end comes
    /// only after all of it.
    #[test]
    fn every_attempt_gives_a_prefix_of_the_original(steps in steps(), ops in ops(), limit in 0_usize..4_000) {
        let original: Vec<u8> = steps
            .iter()
            .take_while(|step| !matches!(step, Step::Fail))
            .filter_map(|step| if let Step::Data(data) = step { Some(data.to_vec()) } else { None })
            .flatten()
            .collect();
        let fails = steps.iter().any(|step| matches!(step, Step::Fail));
        let has_trailers = matches!(steps.last(), Some(Step::Trailers(_)));

        let (mut body, mut rewind): (_, Rewind<_>) = replay(Script::new(steps), limit);
        let mut old = Vec::new();
        let mut given = Vec::new();
        let mut seen_trailers = false;
        let mut most = 0;
        for op in ops {
            match op {
                Op::Poll => match task::spawn(body.frame()).poll() {
                    Poll::Pending => {}
                    Poll::Ready(None) => {
                        prop_assert!(!fails);
                        prop_assert_eq!(&given, &original);
                        prop_assert_eq!(seen_trailers, has_trailers);
                    }
                    Poll::Ready(Some(Err(error))) => {
                        prop_assert!(error.is::<SourceError>() && fails);
                        prop_assert!(rewind.again().is_none());
                    }
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => given.extend_from_slice(&data),
                        Err(frame) => {
                            prop_assert!(frame.is_trailers() && !seen_trailers);
                            seen_trailers = true;
                        }
                    },
                },
                Op::PollOld => for body in &mut old {
                    prop_assert!(poll(body).unwrap().unwrap_err().is::<Superseded>());
                },
                Op::Again => match rewind.again() {
                    Some(new) => {
                        prop_assert!(most <= limit, "{} bytes passed a limit of {}", most, limit);
                        old.push(std::mem::replace(&mut body, new));
                        given.clear();
                        seen_trailers = false;
                    }
                    None => prop_assert!(most > limit || seen_trailers || fails),
                },
            }
            most = most.max(given.len());
            prop_assert!(original.starts_with(&given));
        }
    }
}
