use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use super::Error;
use crate::body::whole::{Announced, announced};
use crate::body_use::BodyUse;
use crate::fate::{Failure, Verdict};

/// The body of a response from an [`Http2Connection`](super::Http2Connection).
///
/// The peer may send on as it is read. Dropping it before its end resets the stream with CANCEL.
///
/// # Errors
///
/// Whatever ended it before its end: a reset, the connection's end. A reset with NO_ERROR is one of them, unless all that its
/// content-length promised has come: hyper takes it for the end (`body/incoming.rs`).
pub struct ResponseBody {
    stream: RecvStream,
    /// What its content-length promises and has not come yet.
    left: Option<u64>,
    part: Part,
    /// The task that sends what is left of the request's body.
    upload: Option<AbortHandle>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Data,
    Trailers,
    End,
}

impl ResponseBody {
    pub(super) fn new(
        stream: RecvStream,
        method: &Method,
        status: StatusCode,
        headers: &HeaderMap,
        upload: Option<AbortHandle>,
    ) -> Self {
        let left = match announced(method, status, headers) {
            Announced::Length(length) => Some(length),
            Announced::Unsaid | Announced::Nothing => None,
        };
        Self { stream, left, part: Part::Data, upload }
    }
}

fn error(source: h2::Error) -> Error {
    let failure = Failure::of(&source, BodyUse::Untouched);
    Error::new(Verdict::new(failure, "the response's body was cut").because(source))
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.part == Part::Data {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    // Only a stream that is gone has nothing to release.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(source)) => {
                    self.part = Part::End;
                    let whole = self.left == Some(0) && source.reason() == Some(Reason::NO_ERROR);
                    return Poll::Ready(if whole { None } else { Some(Err(error(source))) });
                }
                None => self.part = Part::Trailers,
            }
        }
        if self.part == Part::Trailers {
            let trailers = ready!(self.stream.poll_trailers(cx));
            self.part = Part::End;
            return Poll::Ready(trailers.map_err(error).map(|trailers| trailers.map(Frame::trailers)).transpose());
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.part == Part::End || self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // h2 resets a stream that is given up once nobody holds it: the upload does too.
        if let Some(upload) = self.upload.take().filter(|_| self.part != Part::End) {
            upload.abort();
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("stream_id", &self.stream.stream_id()).finish_non_exhaustive()
    }
}
