//! The place where a body lies, shared by the attempts that send it and by whoever may send it again.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use super::recording::Recording;
use super::{SourceError, Superseded};
use crate::body_use::BodyUse;
use crate::sync::{Arc, Mutex, MutexGuard, clear_poison};

#[cfg(all(test, redial_loom))]
mod models;

/// A number for each attempt; the newest owns the body.
pub(super) type Epoch = u32;

pub(super) struct Shared<B>(Arc<Mutex<Slot<B>>>);

/// What lies in the slot.
struct Slot<B> {
    source: Source<B>,
    recording: Recording,
    epoch: Epoch,
    /// The body's length, if it was known from the start.
    length: Option<u64>,
    /// Bytes that the newest attempt was given.
    given: u64,
    /// Whether the newest attempt was ever polled.
    polled: bool,
    /// The attempt that waits for the source, to be woken when the body is taken from it.
    waiting: Option<Waker>,
}

enum Source<B> {
    Live(B),
    Ended,
    Failed(SourceError),
    /// Nobody may have it any more.
    Closed,
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Body> Shared<B> {
    pub(super) fn new(body: B, limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Slot {
            length: body.size_hint().exact(),
            given: 0,
            source: Source::Live(body),
            recording: Recording::new(limit),
            epoch: 0,
            polled: false,
            waiting: None,
        })))
    }
}

impl<B> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, Slot<B>> {
        self.0.lock().unwrap_or_else(|poisoned| {
            // The source panicked while it was polled: nobody knows what it would give next.
            let mut slot = poisoned.into_inner();
            slot.source = Source::Failed(SourceError::new("the request body panicked".into()));
            clear_poison(&self.0);
            slot
        })
    }

    pub(super) fn body_use(&self) -> BodyUse {
        let slot = self.lock();
        match slot.source {
            Source::Failed(_) => BodyUse::Failed,
            _ if slot.polled => BodyUse::Polled,
            _ => BodyUse::Untouched,
        }
    }

    pub(super) fn source_error(&self) -> Option<SourceError> {
        match &self.lock().source {
            Source::Failed(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// Takes the body from the newest attempt for one that is newer still, if all of it can be given again.
    pub(super) fn take_back(&self) -> Option<Epoch> {
        let (epoch, waiting) = {
            let mut slot = self.lock();
            if !slot.recording.is_whole() || matches!(slot.source, Source::Failed(_) | Source::Closed) {
                return None;
            }
            // At the last number the body just cannot be taken back any more.
            slot.epoch = slot.epoch.checked_add(1)?;
            slot.polled = false;
            slot.given = 0;
            slot.recording.rewind();
            (slot.epoch, slot.waiting.take())
        };
        wake(waiting);
        Some(epoch)
    }

    /// Takes the body away from everybody and drops it.
    pub(super) fn close(&self) {
        let (source, waiting) = {
            let mut slot = self.lock();
            slot.recording.clear();
            (std::mem::replace(&mut slot.source, Source::Closed), slot.waiting.take())
        };
        drop(source);
        wake(waiting);
    }

    /// Leaves the body to the newest attempt for good: nothing is recorded any more.
    pub(super) fn release(&self) {
        self.lock().recording.end();
    }
}

impl<B> Shared<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    pub(super) fn poll_frame(
        &self,
        epoch: Epoch,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.lock().poll_frame(epoch, cx)
    }
}

impl<B: Body> Shared<B> {
    pub(super) fn is_end_stream(&self, epoch: Epoch) -> bool {
        let slot = self.lock();
        // The first attempt began with a body that was not at its end, so every one does, even if it turned out to be empty.
        epoch == slot.epoch
            && slot.polled
            && slot.recording.is_given()
            && match &slot.source {
                Source::Live(body) => body.is_end_stream(),
                Source::Ended => true,
                Source::Failed(_) | Source::Closed => false,
            }
    }

    pub(super) fn size_hint(&self, epoch: Epoch) -> SizeHint {
        let slot = self.lock();
        let rest = match &slot.source {
            Source::Live(body) if epoch == slot.epoch => body.size_hint(),
            Source::Ended if epoch == slot.epoch => SizeHint::with_exact(0),
            _ => return SizeHint::default(),
        };
        if epoch == 0 {
            return rest;
        }
        // What a later attempt says of itself at its beginning is what the first one said, whether it is true or not: a
        // length that was announced is not mended to what came, which would make a body that broke off a whole one, and
        // one that was not is not told, or hyper would add a `Content-Length` and leave trailers out.
        if let Some(length) = slot.length {
            return SizeHint::with_exact(length.saturating_sub(slot.given));
        }
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(slot.recording.bytes_left()));
        hint
    }
}

impl<B> Slot<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_frame(&mut self, epoch: Epoch, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if epoch != self.epoch {
            return Poll::Ready(Some(Err(Superseded::new().into())));
        }
        self.polled = true;
        let body = match &mut self.source {
            Source::Failed(error) => return Poll::Ready(Some(Err(error.clone().into()))),
            Source::Closed => return Poll::Ready(Some(Err(Superseded::new().into()))),
            Source::Live(body) => Some(body),
            Source::Ended => None,
        };
        if let Some(data) = self.recording.next_data() {
            self.given = self.given.saturating_add(data.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = self.recording.next_trailers() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(body) = body else { return Poll::Ready(None) };

        let polled = Pin::new(body).poll_frame(cx);
        if polled.is_pending() {
            match &mut self.waiting {
                Some(waker) => waker.clone_from(cx.waker()),
                None => self.waiting = Some(cx.waker().clone()),
            }
        }
        Poll::Ready(match ready!(polled) {
            None => {
                self.source = Source::Ended;
                None
            }
            Some(Err(error)) => Some(Err(self.fail(error.into()))),
            Some(Ok(frame)) => Some(self.pass(frame)),
        })
    }

    fn pass(&mut self, frame: Frame<B::Data>) -> Result<Frame<Bytes>, BoxError> {
        match frame.into_data() {
            Ok(mut data) => {
                let data = data.copy_to_bytes(data.remaining());
                self.recording.push_data(&data);
                self.given = self.given.saturating_add(data.len() as u64);
                Ok(Frame::data(data))
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => {
                    self.recording.push_trailers(&trailers);
                    Ok(Frame::trailers(trailers))
                }
                // `http_body::Frame` may grow kinds: what cannot be recorded must not be lost unnoticed.
                Err(_) => Err(self.fail("the request body gave a frame of an unknown kind".into())),
            },
        }
    }

    fn fail(&mut self, error: BoxError) -> BoxError {
        let error = SourceError::new(error);
        self.recording.clear();
        self.source = Source::Failed(error.clone());
        error.into()
    }
}

fn wake(waiting: Option<Waker>) {
    if let Some(waker) = waiting {
        waker.wake();
    }
}
