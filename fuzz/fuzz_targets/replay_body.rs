//! A body that can be sent again, and everybody who may do something with it, in any order.
//!
//! An input is a byte for each of [`Script::new`]'s and [`Model::new`]'s questions, then steps of two bytes: see [`Model::step`].
//! Beside the body runs a model that knows all bytes that its source has given.

#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Buf, Bytes, buf::Chain};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use libfuzzer_sys::fuzz_target;
use tower_redial::body::{ReplayBody, Rewind, SourceError, Superseded, replay};
use tower_redial::fate::BodyUse;

/// As many attempts as one input may make.
const ATTEMPTS: usize = 64;

/// What a body's recording copies instead of keeping it.
const SMALL: usize = 1024;

fuzz_target!(|data: &[u8]| {
    let [limit, how, count, rest @ ..] = data else { return };
    let (script, steps) = rest.split_at((usize::from(*count) * 2).min(rest.len()));
    let mut model = Model::new(*limit, Script::new(*how, script));
    model.check();
    for step in steps.chunks_exact(2) {
        model.step(step[0], step[1]);
        model.check();
    }
    model.finish();
});

/// What the source gives next.
#[derive(Clone, Debug)]
enum Part {
    Data(usize),
    Trailers(usize),
    Pending,
    Error,
}

/// Whether what it tells of itself beforehand is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    Nothing,
    Truth,
    AtLeast,
    TooMuch,
    TooLittle,
}

#[derive(Debug)]
struct Script {
    parts: VecDeque<Part>,
    tells: Tells,
    /// Whether it says so when it is at its end.
    tells_end: bool,
}

impl Script {
    /// The first byte is what it tells of itself; of the others each two are a part. Trailers and an error are the last.
    fn new(how: u8, script: &[u8]) -> Self {
        let mut parts = VecDeque::new();
        for part in script.chunks_exact(2) {
            let amount = usize::from(part[1]);
            parts.push_back(match part[0] % 8 {
                0..=2 => Part::Data(amount),
                3 => Part::Data(amount * 32),
                4 | 5 => Part::Pending,
                6 => Part::Trailers(amount),
                _ => Part::Error,
            });
            if let Some(Part::Trailers(_) | Part::Error) = parts.back() {
                break;
            }
        }
        let tells = match how % 8 {
            0 | 1 => Tells::Nothing,
            2 | 3 => Tells::Truth,
            4 => Tells::AtLeast,
            5 => Tells::TooMuch,
            _ => Tells::TooLittle,
        };
        Self { parts, tells, tells_end: how & 8 != 0 }
    }

    fn left(&self) -> u64 {
        self.parts.iter().map(|part| if let Part::Data(length) = part { *length as u64 } else { 0 }).sum()
    }
}

/// Bytes of which is known how many are still kept somewhere.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

/// What is known of the source outside.
struct Known {
    /// All that it gave.
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    ended: bool,
    failed: bool,
    dropped: bool,
    /// As its limit counts: what was held, had it no limit.
    weight: usize,
    kept: Arc<AtomicUsize>,
    waker: Option<Waker>,
    script: Script,
}

struct Source(Rc<RefCell<Known>>);

impl Drop for Source {
    fn drop(&mut self) {
        self.0.borrow_mut().dropped = true;
    }
}

impl Known {
    fn bytes(&mut self, length: usize) -> Bytes {
        let from = self.data.len();
        let bytes: Vec<u8> = (from..from + length).map(|at| (at % 251) as u8).collect();
        self.data.extend(&bytes);
        self.kept.fetch_add(length, Ordering::Relaxed);
        Bytes::from_owner(Counted(bytes, Arc::clone(&self.kept)))
    }
}

impl Body for Source {
    /// In two chunks, which a caller may have to join.
    type Data = Chain<Bytes, Bytes>;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut known = self.0.borrow_mut();
        assert!(!known.ended && !known.failed, "polled after its end");
        let Some(part) = known.script.parts.pop_front() else {
            known.ended = true;
            return Poll::Ready(None);
        };
        Poll::Ready(Some(match part {
            Part::Pending => {
                known.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Part::Data(length) => {
                let bytes = known.bytes(length);
                known.weight += length;
                // Whole, or in two.
                let second = if length.is_multiple_of(3) { Bytes::new() } else { bytes.slice(length / 2..) };
                let first = bytes.slice(..length - second.len());
                Ok(Frame::data(first.chain(second)))
            }
            Part::Trailers(length) => {
                let mut trailers = HeaderMap::new();
                let value = HeaderValue::from_bytes(&vec![b'v'; length]).expect("a value");
                trailers.append(HeaderName::from_static("trailer-one"), value.clone());
                trailers.append(HeaderName::from_static("trailer-one"), value);
                known.weight += 2 * ("trailer-one".len() + length);
                known.trailers = Some(trailers.clone());
                Ok(Frame::trailers(trailers))
            }
            Part::Error => {
                known.failed = true;
                Err(io::Error::other("the source's own"))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        let known = self.0.borrow();
        known.script.tells_end && known.script.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.borrow().hint()
    }
}

impl Known {
    fn hint(&self) -> SizeHint {
        let left = self.script.left();
        let mut hint = SizeHint::new();
        match self.script.tells {
            Tells::Nothing => {}
            Tells::Truth => hint = SizeHint::with_exact(left),
            Tells::AtLeast => hint.set_lower(left / 2),
            Tells::TooMuch => hint = SizeHint::with_exact(left + 7),
            Tells::TooLittle => hint = SizeHint::with_exact(left / 2),
        }
        hint
    }

    fn is_honest(&self) -> bool {
        matches!(self.script.tells, Tells::Nothing | Tells::Truth | Tells::AtLeast)
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Attempt {
    body: ReplayBody<Source>,
    number: usize,
    /// It was told to wait, and nothing was heard since.
    waits: bool,
    woken: Arc<Flag>,
}

struct Model {
    known: Rc<RefCell<Known>>,
    limit: usize,
    rewind: Option<Rewind<Source>>,
    attempts: Vec<Attempt>,
    newest: usize,
    /// What the newest attempt was given, and whether it asked.
    given: usize,
    trailers_given: bool,
    polled: bool,
    /// There never was anything to send.
    empty: bool,
    closed: bool,
    released: bool,
    announced: Option<u64>,
}

impl Model {
    /// Nothing, a little, or much.
    fn new(limit: u8, script: Script) -> Self {
        let limit = match limit {
            0..=3 => usize::from(limit),
            255 => usize::MAX,
            limit => usize::from(limit) * 16,
        };
        let known = Known {
            data: Vec::new(),
            trailers: None,
            ended: false,
            failed: false,
            dropped: false,
            weight: 0,
            kept: Arc::default(),
            waker: None,
            script,
        };
        let hint = known.hint();
        let known = Rc::new(RefCell::new(known));
        let source = Source(Rc::clone(&known));
        let empty = source.is_end_stream();
        let (body, rewind) = replay(source, limit);
        assert_eq!(known.borrow().dropped, empty, "what is empty needs no source");
        let limit = if hint.lower() > limit as u64 { 0 } else { limit };
        Self {
            known,
            limit,
            rewind: Some(rewind),
            attempts: vec![Attempt { body, number: 0, waits: false, woken: Arc::default() }],
            newest: 0,
            given: 0,
            trailers_given: false,
            polled: false,
            empty,
            closed: false,
            released: false,
            announced: hint.exact(),
        }
    }

    fn step(&mut self, what: u8, which: u8) {
        match what % 16 {
            // The newest attempt, mostly.
            0..=5 => {
                if let Some(at) = self.attempts.len().checked_sub(1) {
                    self.poll(at);
                }
            }
            6 => {
                if !self.attempts.is_empty() {
                    self.poll(usize::from(which) % self.attempts.len());
                }
            }
            7..=9 => self.again(),
            10 => {
                if !self.attempts.is_empty() {
                    self.attempts.remove(usize::from(which) % self.attempts.len());
                }
            }
            // The source has more.
            11..=13 => {
                let waker = self.known.borrow_mut().waker.take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            14 => {
                if let Some(rewind) = self.rewind.take() {
                    rewind.release();
                    self.released = true;
                }
            }
            _ => {
                if self.rewind.take().is_some() {
                    self.closed = !self.empty;
                    assert!(self.known.borrow().dropped, "the source of a body that was given up is dropped");
                    self.taken_away();
                }
            }
        }
    }

    fn is_whole(&self) -> bool {
        let known = self.known.borrow();
        known.weight <= self.limit
    }

    fn again(&mut self) {
        let Some(rewind) = &mut self.rewind else { return };
        let again = rewind.again();
        let failed = self.known.borrow().failed;
        let expected = self.empty || (self.is_whole() && !failed);
        assert_eq!(again.is_some(), expected, "whether it can be sent again");
        let Some(body) = again else { return };
        if !self.empty {
            self.taken_away();
            self.newest += 1;
            (self.given, self.trailers_given, self.polled) = (0, false, false);
        }
        if self.attempts.len() == ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt { body, number: self.newest, waits: false, woken: Arc::default() });
    }

    /// Whoever waited is told.
    fn taken_away(&mut self) {
        for attempt in &mut self.attempts {
            if attempt.waits {
                assert!(attempt.woken.0.load(Ordering::Relaxed), "an attempt waits for what was taken away");
                attempt.waits = false;
            }
        }
    }

    fn poll(&mut self, at: usize) {
        let attempt = &mut self.attempts[at];
        attempt.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&attempt.woken));
        let is_newest = attempt.number == self.newest;
        let (had, had_failed, had_ended) = {
            let known = self.known.borrow();
            (known.data.len(), known.failed, known.ended)
        };
        let said_end = attempt.body.is_end_stream();
        let polled = Pin::new(&mut attempt.body).poll_frame(&mut Context::from_waker(&waker));
        attempt.waits = polled.is_pending();
        let known = self.known.borrow();
        if self.empty {
            assert!(matches!(polled, Poll::Ready(None)));
            return;
        }
        if !is_newest || self.closed {
            let Poll::Ready(Some(Err(error))) = polled else {
                panic!("{polled:?} for an attempt whose body was taken")
            };
            // A failure may be told to the last who had it.
            assert!(error.is::<Superseded>(), "{error}");
            assert_eq!(known.data.len(), had, "it took something of the source");
            return;
        }
        self.polled = true;
        let all = self.given == known.data.len() && (self.trailers_given || known.trailers.is_none());
        match polled {
            Poll::Pending => {
                assert!(all && known.waker.is_some(), "it waits although there is something");
            }
            Poll::Ready(None) => {
                assert!(known.ended && all, "it ended before its end");
            }
            Poll::Ready(Some(Err(error))) => {
                assert!(known.failed, "{error}");
                assert!(error.is::<SourceError>(), "{error}");
            }
            Poll::Ready(Some(Ok(frame))) => {
                assert!(!said_end || !known.is_honest(), "it said that it was at its end");
                assert!(!had_failed, "a source that failed goes on");
                match frame.into_data() {
                    Ok(data) => {
                        assert!(!self.trailers_given, "data after trailers");
                        let rest = &known.data[self.given..];
                        assert!(rest.starts_with(&data), "{} bytes that are not those of the body", data.len());
                        assert!(!data.is_empty() || self.given == had, "an empty frame that was not given");
                        self.given += data.len();
                    }
                    Err(frame) => {
                        assert_eq!(self.given, known.data.len(), "trailers before all data");
                        assert!(!self.trailers_given && !had_ended | known.trailers.is_some());
                        assert_eq!(frame.into_trailers().ok(), known.trailers);
                        self.trailers_given = true;
                    }
                }
            }
        }
    }

    fn check(&self) {
        let known = self.known.borrow();
        for attempt in &self.attempts {
            let (hint, ends) = (attempt.body.size_hint(), attempt.body.is_end_stream());
            if self.empty {
                assert!(ends && hint.exact() == Some(0));
                continue;
            }
            if attempt.number != self.newest || self.closed || known.failed {
                assert!(!ends, "what was taken away, or failed, never ends well");
                continue;
            }
            let left = (known.data.len() - self.given) as u64 + known.script.left();
            let fails = known.script.parts.iter().any(|part| matches!(part, Part::Error));
            if known.is_honest() && !fails {
                assert!(hint.lower() <= left && hint.upper().is_none_or(|upper| left <= upper), "{hint:?} of {left}");
            }
            if ends {
                assert_eq!(self.given, known.data.len(), "it says that it ends, and has more");
                assert!(known.script.parts.is_empty() && (self.trailers_given || known.trailers.is_none()));
            }
            match self.announced {
                // A length that was announced is kept to, be it true or not.
                Some(announced) if attempt.number > 0 => {
                    assert_eq!(hint.exact(), Some(announced.saturating_sub(self.given as u64)));
                }
                None if attempt.number > 0 => assert_eq!(hint.exact(), None),
                _ if !known.dropped && !known.ended => {
                    assert_eq!((hint.lower(), hint.upper()), (known.hint().lower(), known.hint().upper()));
                }
                _ => {}
            }
        }
        if let Some(rewind) = &self.rewind {
            let expected = match (known.failed, self.polled) {
                _ if self.empty => BodyUse::Untouched,
                (true, _) => BodyUse::Failed,
                (_, true) => BodyUse::Polled,
                _ => BodyUse::Untouched,
            };
            assert_eq!(rewind.body_use(), expected);
            assert_eq!(rewind.source_error().is_some(), known.failed);
        }
        self.memory(&known);
        // Whoever may go on is woken when the source is.
        if let (None, Some(newest)) = (&known.waker, self.attempts.last()) {
            assert!(!newest.waits || newest.woken.0.load(Ordering::Relaxed), "an attempt is not woken");
        }
    }

    fn memory(&self, known: &Known) {
        let kept = known.kept.load(Ordering::Relaxed);
        assert!(
            kept <= self.limit.max(known.data.len().min(self.limit)),
            "{kept} bytes are kept, {} at the most",
            self.limit
        );
        let lost = known.weight > self.limit || known.failed || self.closed;
        if lost {
            assert_eq!(kept, 0, "a body that cannot be sent again is kept");
        }
        if self.released {
            // What the newest attempt was given is of no use to anybody.
            assert!(
                kept <= known.data.len() - self.given + SMALL,
                "{kept} bytes are kept of a body that was left to its attempt"
            );
        }
    }

    /// The newest attempt gets all of it in the end, or an error.
    fn finish(mut self) {
        for _ in 0..10_000 {
            let Some(last) = self.attempts.len().checked_sub(1) else { break };
            let waker = self.known.borrow_mut().waker.take();
            waker.into_iter().for_each(Waker::wake);
            let known = self.known.borrow();
            let over = known.failed
                || self.closed
                || self.attempts[last].number != self.newest
                || (known.ended && self.given == known.data.len());
            drop(known);
            self.poll(last);
            self.check();
            if over {
                break;
            }
        }
        drop(self.rewind.take());
        self.attempts.clear();
        assert!(self.known.borrow().dropped, "the source is left over");
        assert_eq!(self.known.borrow().kept.load(Ordering::Relaxed), 0, "bytes are left over");
    }
}
