use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::{Method, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

use super::WrongLength;
use super::expected::{Announced, announced};

pin_project! {
    /// A body that ends in an error if it is not as long as was said.
    ///
    /// Its errors are those of the body inside, boxed, and [`WrongLength`]. After an error it gives the same
    /// [`WrongLength`] again, and never a clean end.
    pub struct Whole<B> {
        #[pin]
        inner: B,
        expected: Option<u64>,
        received: u64,
    }
}

impl<B> Whole<B> {
    /// Checks a body against a length; against none, if it is `None`.
    pub fn new(inner: B, expected: Option<u64>) -> Self {
        Self { inner, expected, received: 0 }
    }

    /// The body inside.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The body inside, unchecked from here on.
    pub fn into_inner(self) -> B {
        self.inner
    }

    /// How many bytes it has to have, if that is known.
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// How many bytes have come so far.
    pub fn received(&self) -> u64 {
        self.received
    }
}

impl<B: Body> Whole<B> {
    /// Checks the body of the response to a request with this method against what its head says.
    pub fn of(response: Response<B>, method: &Method) -> Response<Self> {
        let announced = announced(method, response.status(), response.headers());
        response.map(|body| {
            let expected = match announced {
                Announced::Length(length) => Some(length),
                Announced::Unsaid => body.size_hint().exact(),
                Announced::Nothing => None,
            };
            Self::new(body, expected)
        })
    }
}

impl<B> Body for Whole<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        let wrong = |expected, received| Poll::Ready(Some(Err(WrongLength::new(expected, received).into())));
        if let Some(expected) = this.expected.filter(|expected| *this.received > *expected) {
            return wrong(expected, *this.received);
        }
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
            let len = data.map_or(0, Buf::remaining) as u64;
            *this.received = this.received.saturating_add(len);
        }
        let Some(expected) = *this.expected else { return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))) };
        let ends = match &frame {
            None => true,
            // There is no data behind them.
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
        };
        if *this.received > expected || (ends && *this.received < expected) {
            return wrong(expected, *this.received);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        // Who asks this does not poll again, and would not hear of an error.
        self.expected.is_none_or(|expected| expected == self.received) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.expected {
            Some(expected) => SizeHint::with_exact(expected.saturating_sub(self.received)),
            None => self.inner.size_hint(),
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for Whole<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole")
            .field("inner", &self.inner)
            .field("expected", &self.expected)
            .field("received", &self.received)
            .finish()
    }
}
