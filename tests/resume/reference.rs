//! A server that needs no socket, and does to a download whatever it is told: each request meets the next [`Turn`].

use std::future::Future;
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Empty;
use tokio::time::{Sleep, sleep};
use tower::{BoxError, Service};

use crate::support::files::noise;

/// What tells one version of the content from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Strong,
    Weak,
    /// A date an hour before the response; another one for each version.
    Modified,
    /// A date in the second of the response, the same for each version.
    JustModified,
    /// A date that is old, beside a weak tag; the same for each version.
    WeakAndModified,
    Nothing,
}

impl Kind {
    pub(crate) const fn is_strong(self) -> bool {
        matches!(self, Self::Strong | Self::Modified)
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Whole,
    /// After so many bytes, cleanly.
    Short(usize),
    /// After so many bytes, with an error.
    Failed(usize),
    /// After so many bytes nothing more comes.
    Stalled(usize),
    /// All is there, and the end of it does not come.
    NoEnd,
    /// So many bytes too much.
    Long(usize),
    Trailers,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// No range for whoever asks for one.
    Ignores,
    /// The same, and a `Content-Length` that is not true.
    WrongLength,
    /// A range that begins elsewhere.
    OtherStart(usize),
    /// One that ends before.
    OtherEnd,
    /// The right one of another length.
    OtherTotal,
    /// One of a length that is not said.
    NoTotal,
    NoContentRange,
    Multipart,
    /// Another validator for the same bytes.
    OtherValidator,
    NoValidator,
    Encoded,
    /// These statuses, without a range.
    Status(u16),
    Redirect,
    /// No answer.
    Error,
    NotReady,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Another version from here on.
    pub(crate) changes: bool,
    pub(crate) lie: Lie,
    pub(crate) ending: Ending,
}

impl Turn {
    pub(crate) const GOOD: Self = Self { changes: false, lie: Lie::None, ending: Ending::Whole };

    /// Whether the download is not whole after it, or may not be.
    pub(crate) fn breaks(&self) -> bool {
        self.lie != Lie::None || matches!(self.ending, Ending::Short(_) | Ending::Failed(_) | Ending::Stalled(_))
    }

    /// Whether a strict client can go on after it.
    pub(crate) fn is_honest(&self) -> bool {
        let honest = matches!(self.lie, Lie::None | Lie::Error | Lie::NotReady);
        !self.changes && honest && !matches!(self.ending, Ending::Long(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerDigest {
    None,
    Right,
    Wrong,
}

#[derive(Clone, Debug)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    size: usize,
    kind: Kind,
    digest: ServerDigest,
    turns: std::vec::IntoIter<Turn>,
    /// The turn of the request that comes next.
    next: Turn,
    version: u64,
    requests: usize,
    seen: Vec<HeaderMap>,
    /// Before each head, and before each piece of a body.
    delay: Duration,
    bodies: Arc<Bodies>,
}

/// What became of the bodies.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    alive: AtomicUsize,
    given: AtomicUsize,
}

/// The content of a version.
pub(crate) fn content(version: u64, size: usize) -> Bytes {
    noise(version, size)
}

impl Server {
    pub(crate) fn new(size: usize, kind: Kind, digest: ServerDigest, turns: Vec<Turn>) -> Self {
        let mut turns = turns.into_iter();
        let next = turns.next().unwrap_or(Turn::GOOD);
        let (seen, delay, bodies) = (Vec::new(), Duration::ZERO, Arc::default());
        let state = State { size, kind, digest, turns, next, version: 1, requests: 0, seen, delay, bodies };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same, but slow: each head and each piece takes this long.
    pub(crate) fn slow(self, delay: Duration) -> Self {
        self.0.lock().unwrap().delay = delay;
        self
    }

    /// How many bytes all bodies have given.
    pub(crate) fn given(&self) -> usize {
        self.0.lock().unwrap().bodies.given.load(Ordering::Relaxed)
    }

    /// How many bodies there are that nobody has dropped.
    pub(crate) fn alive(&self) -> usize {
        self.0.lock().unwrap().bodies.alive.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    pub(crate) fn version(&self) -> u64 {
        self.0.lock().unwrap().version
    }

    /// The heads of the requests.
    pub(crate) fn seen(&self) -> Vec<HeaderMap> {
        self.0.lock().unwrap().seen.clone()
    }
}

impl State {
    fn turn(&mut self) -> Turn {
        let turn = self.next;
        self.next = self.turns.next().unwrap_or(Turn::GOOD);
        turn
    }

    fn answer(&mut self, asked: &HeaderMap) -> Result<Response<Script>, BoxError> {
        self.requests += 1;
        assert_eq!(self.bodies.alive.load(Ordering::Relaxed), 0, "the old body goes before the rest is asked for");
        self.seen.push(asked.clone());
        let turn = self.turn();
        if turn.changes {
            self.version += 1;
        }
        let mut head = HeaderMap::new();
        self.describe(turn, &mut head);
        match turn.lie {
            Lie::Error => return Err(Error::from(ErrorKind::ConnectionReset).into()),
            Lie::Status(status) => {
                let answer = Response::builder().status(status).body(self.script(Bytes::from("no"), Ending::Whole))?;
                return Ok(answer);
            }
            Lie::Redirect => {
                let answer = Response::builder().status(302).header(LOCATION, "/elsewhere");
                return Ok(answer.body(self.script(Bytes::new(), Ending::Whole))?);
            }
            _ => {}
        }
        let content = content(self.version, self.size);
        let ignores = matches!(turn.lie, Lie::Ignores | Lie::WrongLength);
        let range =
            asked.get(RANGE).filter(|_| !ignores && self.is_the_same(asked)).and_then(|range| self.range(range));
        let (status, bytes) = match range {
            None => {
                let length = if turn.lie == Lie::WrongLength { content.len() + 1 } else { content.len() };
                head.insert(CONTENT_LENGTH, HeaderValue::from(length));
                (StatusCode::OK, content)
            }
            Some(None) => {
                head.insert(CONTENT_RANGE, text(format!("bytes */{}", self.size)));
                (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new())
            }
            Some(Some((first, last))) => self.part(turn.lie, first, last, &content, &mut head),
        };
        let mut response = Response::new(self.script(bytes, turn.ending));
        *response.status_mut() = status;
        *response.headers_mut() = head;
        Ok(response)
    }

    fn script(&self, bytes: Bytes, ending: Ending) -> Script {
        Script::new(bytes, ending, self.delay, Arc::clone(&self.bodies))
    }

    /// The bytes are those that the head speaks of, whatever was asked for.
    fn part(&self, lie: Lie, first: usize, last: usize, content: &Bytes, head: &mut HeaderMap) -> (StatusCode, Bytes) {
        let (mut first, mut last, mut total) = (first, last, self.size.to_string());
        match lie {
            Lie::OtherStart(by) => first = (first + by) % (last + 1),
            Lie::OtherEnd => last = last.saturating_sub(1).max(first),
            Lie::OtherTotal => total = (self.size + 1).to_string(),
            Lie::NoTotal => total = "*".into(),
            _ => {}
        }
        let bytes = content.slice(first..=last);
        head.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        if lie != Lie::NoContentRange {
            head.insert(CONTENT_RANGE, text(format!("bytes {first}-{last}/{total}")));
        }
        if lie == Lie::Multipart {
            head.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/byteranges; boundary=b"));
        }
        (StatusCode::PARTIAL_CONTENT, bytes)
    }

    fn describe(&self, turn: Turn, head: &mut HeaderMap) {
        let now = || HeaderValue::from_static("Wed, 21 Oct 2015 09:00:00 GMT");
        let version = if turn.lie == Lie::OtherValidator { self.version + 1_000 } else { self.version };
        head.insert(DATE, now());
        if turn.lie != Lie::NoValidator {
            match self.kind {
                Kind::Strong => drop(head.insert(ETAG, text(format!("\"v{version}\"")))),
                Kind::Weak => drop(head.insert(ETAG, HeaderValue::from_static("W/\"v\""))),
                Kind::Modified => drop(head.insert(LAST_MODIFIED, modified(version))),
                Kind::JustModified => drop(head.insert(LAST_MODIFIED, now())),
                Kind::WeakAndModified => {
                    head.insert(ETAG, HeaderValue::from_static("W/\"v\""));
                    head.insert(LAST_MODIFIED, modified(1));
                }
                Kind::Nothing => {}
            }
        }
        if turn.lie == Lie::Encoded {
            head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let described = match self.digest {
            ServerDigest::None => return,
            ServerDigest::Right => content(self.version, self.size),
            ServerDigest::Wrong => content(self.version + 5_000, self.size),
        };
        head.insert("repr-digest", text(repr_digest(&described)));
    }

    /// What `If-Range` asks for.
    fn is_the_same(&self, asked: &HeaderMap) -> bool {
        let Some(condition) = asked.get(IF_RANGE) else { return true };
        match self.kind {
            Kind::Strong => *condition == format!("\"v{}\"", self.version),
            Kind::Modified => condition == modified(self.version),
            // Nobody may ask by these. A server that answers all the same is what shows who did.
            _ => true,
        }
    }

    /// `Some(None)` where it cannot be satisfied.
    fn range(&self, value: &HeaderValue) -> Option<Option<(usize, usize)>> {
        let (first, last) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        let end = self.size.checked_sub(1);
        if first.is_empty() {
            let length: usize = last.parse().ok()?;
            return Some(end.map(|end| ((end + 1).saturating_sub(length), end)));
        }
        let first: usize = first.parse().ok()?;
        let last: usize = if last.is_empty() { usize::MAX } else { last.parse().ok()? };
        Some(end.filter(|end| first <= *end).map(|end| (first, last.min(end))))
    }
}

pub(crate) fn repr_digest(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(content);
    format!("sha-256=:{}:", base64(&digest))
}

/// By hand: the crate under test has a library for it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain([&0, &0]).take(3).fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        for at in 0..4 {
            let sign = ALPHABET[(word >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { sign as char } else { '=' });
        }
    }
    text
}

fn modified(version: u64) -> HeaderValue {
    text(format!("Wed, 21 Oct 2015 08:00:{:02} GMT", version % 60))
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap()
}

impl Service<Request<Empty<Bytes>>> for Server {
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Script>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut state = self.0.lock().unwrap();
        if state.next.lie == Lie::NotReady {
            state.turn();
            return Poll::Ready(Err(Error::from(ErrorKind::ConnectionReset).into()));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let mut state = self.0.lock().unwrap();
        let (answer, delay) = (state.answer(request.headers()), state.delay);
        Box::pin(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            answer
        })
    }
}

/// A body in several pieces, with an ending.
#[derive(Debug)]
pub(crate) struct Script {
    rest: Bytes,
    ending: Ending,
    ended: bool,
    delay: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    bodies: Arc<Bodies>,
}

impl Script {
    fn new(bytes: Bytes, ending: Ending, delay: Duration, bodies: Arc<Bodies>) -> Self {
        bodies.alive.fetch_add(1, Ordering::Relaxed);
        let rest = match ending {
            Ending::Whole | Ending::Trailers | Ending::NoEnd => bytes,
            Ending::Short(at) | Ending::Failed(at) | Ending::Stalled(at) => bytes.slice(..at.min(bytes.len())),
            Ending::Long(by) => [&bytes[..], &vec![0; by + 1]].concat().into(),
        };
        Self { rest, ending, ended: false, delay, sleep: None, bodies }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.bodies.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.delay.is_zero() && !self.ended {
            let delay = self.delay;
            ready!(self.sleep.get_or_insert_with(|| Box::pin(sleep(delay))).as_mut().poll(cx));
            self.sleep = None;
        }
        if !self.rest.is_empty() {
            let piece = self.rest.len().min(37);
            self.bodies.given.fetch_add(piece, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))));
        }
        match self.ending {
            Ending::Stalled(_) | Ending::NoEnd => Poll::Pending,
            Ending::Failed(_) if !self.ended => {
                self.ended = true;
                Poll::Ready(Some(Err("the connection is gone".into())))
            }
            Ending::Trailers if !self.ended => {
                self.ended = true;
                Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new()))))
            }
            _ => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
