use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::permit::Permit;

pin_project! {
    /// A response's body that knows when it has ended: until then its request counts against the peer's stream limit.
    ///
    /// Dropping it ends it too. One that is kept and not read holds its place, as it holds its stream.
    #[derive(Default)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        held: Option<Held>,
    }
}

/// What lasts as long as the body does.
pub(super) struct Held {
    #[expect(dead_code, reason = "dropped in time")]
    pub(super) permit: Option<Permit>,
    #[cfg(feature = "metrics")]
    #[expect(dead_code, reason = "dropped in time")]
    pub(super) active: Option<super::metrics::Active>,
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn new(inner: B, held: Held) -> Self {
        let held = (!inner.is_end_stream()).then_some(held);
        Self { inner, held }
    }
}

impl<B> ResponseBody<B> {
    /// The body inside.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The body inside. Its request counts no longer against the peer's stream limit.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        // Where it is known that there is more, nobody has to be asked: hyper would lock its connection for it.
        let ends = match frame {
            Some(Ok(_)) => this.inner.size_hint().exact().is_none_or(|left| left == 0) && this.inner.is_end_stream(),
            _ => true,
        };
        if ends {
            *this.held = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}
