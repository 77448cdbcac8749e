//! Sends a request's body.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::BoxError;

use crate::fate::sources;

use super::head;

/// h2 takes no more at once than a window can be (RFC 9113, section 6.9.1).
const MOST: usize = 1 << 30;

pin_project! {
    /// Sends a body on its stream, a frame at a time, as the peer's windows allow.
    ///
    /// As hyper does it (`proto/h2/mod.rs`, `PipeToSendStream`): no window is reserved before there is something to send, since
    /// a reservation is taken from the other streams of the connection.
    pub(super) struct Pump<B> {
        stream: SendStream<Bytes>,
        // Waits for a window.
        chunk: Option<Chunk>,
        // Its stream needs nothing more of it.
        over: bool,
        #[pin]
        body: B,
    }

    impl<B> PinnedDrop for Pump<B> {
        fn drop(this: Pin<&mut Self>) {
            // A peer that waits for the rest would wait for ever.
            let this = this.project();
            if !*this.over {
                this.stream.send_reset(Reason::CANCEL);
            }
        }
    }
}

struct Chunk {
    data: Bytes,
    last: bool,
}

/// Why a body was not sent to its end.
pub(super) enum Stopped {
    /// It failed itself; its stream was reset.
    Body(BoxError),
    /// Its stream ended. Why, its response tells.
    Stream,
}

impl From<h2::Error> for Stopped {
    fn from(_: h2::Error) -> Self {
        Self::Stream
    }
}

impl<B> Pump<B> {
    pub(super) const fn new(stream: SendStream<Bytes>, body: B) -> Self {
        Self { stream, chunk: None, over: false, body }
    }
}

impl<B> Future for Pump<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<(), Stopped>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = ready!(self.as_mut().poll_send(cx));
        *self.project().over = true;
        Poll::Ready(output)
    }
}

impl<B> Pump<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    fn poll_send(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        let mut this = self.project();
        loop {
            // Asked each time, so that this task is woken by a reset.
            if this.stream.poll_reset(cx)?.is_ready() {
                return Poll::Ready(Err(Stopped::Stream));
            }
            if let Some(mut chunk) = this.chunk.take() {
                if this.stream.capacity() == 0 && !chunk.data.is_empty() {
                    match this.stream.poll_capacity(cx) {
                        Poll::Ready(Some(granted)) => {
                            granted?;
                            *this.chunk = Some(chunk);
                            continue;
                        }
                        Poll::Ready(None) => return Poll::Ready(Err(Stopped::Stream)),
                        Poll::Pending => {
                            *this.chunk = Some(chunk);
                            return Poll::Pending;
                        }
                    }
                }
                if chunk.data.len() > MOST {
                    this.stream.send_data(chunk.data.split_to(MOST), false)?;
                    this.stream.reserve_capacity(1);
                    *this.chunk = Some(chunk);
                    continue;
                }
                this.stream.send_data(chunk.data, chunk.last)?;
                if chunk.last {
                    return Poll::Ready(Ok(()));
                }
            }
            let frame = match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let error = error.into();
                    this.stream.send_reset(reason_in(&*error));
                    return Poll::Ready(Err(Stopped::Body(error)));
                }
                None => {
                    this.stream.send_data(Bytes::new(), true)?;
                    return Poll::Ready(Ok(()));
                }
            };
            match frame.into_data() {
                Ok(mut data) => {
                    let data = data.copy_to_bytes(data.remaining());
                    if !data.is_empty() {
                        this.stream.reserve_capacity(1);
                    }
                    *this.chunk = Some(Chunk { data, last: this.body.is_end_stream() });
                }
                Err(frame) => {
                    if let Ok(mut trailers) = frame.into_trailers() {
                        // h2 would take none of them, and the body would not end.
                        head::strip(&mut trailers);
                        this.stream.reserve_capacity(0);
                        this.stream.send_trailers(trailers)?;
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

/// The HTTP/2 code somewhere in the chain of a body's error: a proxy passes on what its own upstream said.
fn reason_in(error: &(dyn StdError + 'static)) -> Reason {
    let reason = |error: &(dyn StdError + 'static)| error.downcast_ref::<h2::Error>().and_then(h2::Error::reason);
    sources(error).find_map(reason).unwrap_or(Reason::INTERNAL_ERROR)
}
