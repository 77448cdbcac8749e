//! Bodies whose every byte is known, given in parts, with pauses, and broken off if they are told to.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How a body is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) len: usize,
    pub(crate) parts: usize,
    /// Before each part but the first.
    pub(crate) pause: Duration,
    /// Its length is told beforehand.
    pub(crate) known: bool,
}

impl Shape {
    pub(crate) const EMPTY: Self = Self { len: 0, parts: 0, pause: Duration::ZERO, known: true };

    pub(crate) const fn small(len: usize) -> Self {
        Self { len, parts: 1, pause: Duration::ZERO, known: true }
    }
}

/// The body of a request or of a response.
#[derive(Debug, Default)]
pub(crate) struct Content {
    parts: VecDeque<Bytes>,
    left: u64,
    pause: Duration,
    pausing: Option<Pin<Box<Sleep>>>,
    unknown: bool,
    breaks: bool,
    begun: bool,
}

impl Content {
    pub(crate) fn new(data: &Bytes, shape: Shape) -> Self {
        let size = data.len().div_ceil(shape.parts.max(1)).max(1);
        let parts = (0..data.len()).step_by(size).map(|at| data.slice(at..(at + size).min(data.len())));
        Self {
            parts: parts.collect(),
            left: data.len() as u64,
            pause: shape.pause,
            unknown: !shape.known,
            ..Self::default()
        }
    }

    /// Announces all of it, gives so many bytes, and fails.
    pub(crate) fn broken_after(data: &Bytes, bytes: usize) -> Self {
        let given = data.slice(..bytes.min(data.len()));
        Self { left: data.len() as u64, breaks: true, ..Self::new(&given, Shape::small(bytes)) }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.parts.is_empty() {
            let broken = || Err(io::Error::other("the body was broken off, as planned"));
            return Poll::Ready(self.breaks.then(broken));
        }
        if self.begun && !self.pause.is_zero() {
            let pause = self.pause;
            ready!(self.pausing.get_or_insert_with(|| Box::pin(sleep(pause))).as_mut().poll(cx));
            self.pausing = None;
        }
        self.begun = true;
        let part = self.parts.pop_front();
        self.left -= part.as_ref().map_or(0, |part| part.len() as u64);
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        if self.unknown { SizeHint::default() } else { SizeHint::with_exact(self.left) }
    }
}
