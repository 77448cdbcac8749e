use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use super::slot::{Epoch, Shared};

/// One attempt's hold on a request body that can be sent again.
///
/// This is the body type that the service below [`RetryOnCanceled`](crate::RetryOnCanceled) is given. Its data is
/// [`Bytes`] and its error a [`BoxError`]; both fit hyper, `reqwest::Body::wrap` and `tonic::body::Body::new`. It is
/// `Send` and `Sync` wherever `B` is `Send`.
///
/// What it tells of itself, [`size_hint`](Body::size_hint) and [`is_end_stream`](Body::is_end_stream), is what the body
/// inside tells: a request that had a `Content-Length` still has it, on every attempt.
///
/// # Errors
///
/// - [`SourceError`](super::SourceError) where the body inside failed, at every poll from then on;
/// - [`Superseded`](super::Superseded) where the body was taken back for a newer attempt.
pub struct ReplayBody<B> {
    hold: Option<(Shared<B>, Epoch)>,
}

impl<B> ReplayBody<B> {
    pub(super) fn new(hold: Option<(Shared<B>, Epoch)>) -> Self {
        Self { hold }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &self.hold {
            Some((shared, epoch)) => shared.poll_frame(*epoch, cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.hold.as_ref().is_none_or(|(shared, epoch)| shared.is_end_stream(*epoch))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.hold {
            Some((shared, epoch)) => shared.size_hint(*epoch),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt = self.hold.as_ref().map(|(_, epoch)| epoch);
        f.debug_struct("ReplayBody").field("attempt", &attempt).finish_non_exhaustive()
    }
}
