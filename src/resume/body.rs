use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{BoxError, Service};

use super::Incomplete;
use super::resuming::Resuming;
use super::unknown::Unknown;
use crate::body::Whole;

pin_project! {
    /// The body of a response that [`Resume`](super::Resume) gave: where it breaks it goes on with the rest.
    ///
    /// Its errors are boxed: [`Incomplete`] for what was a download, and otherwise the inner body's own, or
    /// [`WrongLength`](crate::body::WrongLength). After an [`Incomplete`] it gives the same again, and never a clean end.
    ///
    /// Dropping it stops everything at once: the attempt, the wait, and the reading.
    pub struct ResumeBody<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        body: Option<Whole<R>>,
        kind: Kind<S, B>,
    }
}

enum Kind<S, B>
where
    S: Service<Request<B>>,
{
    Other,
    Unknown(Box<Unknown>),
    Download(Box<Resuming<S, B>>),
    Failed(Incomplete),
    Ended,
}

impl<S, B, R> ResumeBody<S, B, R>
where
    S: Service<Request<B>>,
{
    /// One that is passed on as it is.
    pub(super) const fn other(body: Whole<R>) -> Self {
        Self { body: Some(body), kind: Kind::Other }
    }

    /// One that cannot be resumed.
    pub(super) fn unknown(body: Whole<R>, unknown: Unknown) -> Self {
        Self { body: Some(body), kind: Kind::Unknown(Box::new(unknown)) }
    }

    pub(super) fn download(body: Whole<R>, resuming: Resuming<S, B>) -> Self {
        Self { body: Some(body), kind: Kind::Download(Box::new(resuming)) }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<S, B, R> Body for ResumeBody<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Default,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let mut this = self.project();
        let ended = match this.kind {
            Kind::Download(resuming) => match ready!(poll_download(this.body.as_mut(), resuming, cx)) {
                Ok(Some(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                // There is nothing behind trailers.
                Ok(end) => Ok(end),
                Err(incomplete) => Err(incomplete),
            },
            Kind::Other => return poll_body(this.body, cx),
            Kind::Unknown(unknown) => {
                let frame = ready!(poll_body(this.body.as_mut(), cx));
                if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    unknown.take(data);
                    return Poll::Ready(frame);
                }
                let expected = this.body.as_ref().as_pin_ref().and_then(|body| body.expected());
                match frame {
                    Some(Err(error)) => Err(unknown.fail(expected, error)),
                    end => unknown.finish(expected).map(|()| end.and_then(Result::ok)),
                }
            }
            Kind::Failed(incomplete) => return Poll::Ready(Some(Err(incomplete.again().into()))),
            Kind::Ended => return Poll::Ready(None),
        };
        // The connection, and what is kept for a resume, are let go of at once.
        this.body.set(None);
        *this.kind = ended.as_ref().err().map_or(Kind::Ended, |incomplete| Kind::Failed(incomplete.again()));
        Poll::Ready(ended.map_err(Into::into).transpose())
    }

    fn is_end_stream(&self) -> bool {
        let ends = self.body.as_ref().is_some_and(Body::is_end_stream);
        match &self.kind {
            Kind::Other => ends,
            Kind::Unknown(unknown) => ends && unknown.is_checked(),
            Kind::Download(resuming) => ends && resuming.is_checked(),
            Kind::Failed(_) => false,
            Kind::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Download(resuming) => SizeHint::with_exact(resuming.missing()),
            Kind::Ended => SizeHint::with_exact(0),
            _ => self.body.as_ref().map(Body::size_hint).unwrap_or_default(),
        }
    }
}

fn poll_body<R>(body: Pin<&mut Option<Whole<R>>>, cx: &mut Context<'_>) -> Polled
where
    R: Body,
    R::Error: Into<BoxError>,
{
    let Some(body) = body.as_pin_mut() else { return Poll::Ready(None) };
    let to_bytes = |mut data: R::Data| data.copy_to_bytes(data.remaining());
    body.poll_frame(cx).map_ok(|frame| frame.map_data(to_bytes))
}

/// The next frame; `None` at the end.
fn poll_download<S, B, R>(
    mut body: Pin<&mut Option<Whole<R>>>,
    resuming: &mut Resuming<S, B>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Frame<Bytes>>, Incomplete>>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Default,
    R: Body,
    R::Error: Into<BoxError>,
{
    loop {
        if !resuming.is_reading() {
            let rest = ready!(resuming.poll_rest(cx))?;
            body.set(Some(rest));
        }
        let Some(reading) = body.as_mut().as_pin_mut().filter(|_| !resuming.is_cut_off()) else {
            resuming.finish()?;
            return Poll::Ready(Ok(None));
        };
        let error = match reading.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => match resuming.take(data)? {
                    Some(bytes) => return Poll::Ready(Ok(Some(Frame::data(bytes)))),
                    None => continue,
                },
                Err(end) => {
                    resuming.finish()?;
                    let trailers = end.into_trailers().ok().map(|trailers| resuming.trailers(trailers));
                    return Poll::Ready(Ok(trailers.map(Frame::trailers)));
                }
            },
            Poll::Ready(None) => {
                resuming.finish()?;
                return Poll::Ready(Ok(None));
            }
            Poll::Ready(Some(Err(error))) => Some(error),
            Poll::Pending if resuming.is_stalled(cx) => None,
            Poll::Pending => return Poll::Pending,
        };
        // The old attempt goes first, and whatever it holds of its connection.
        body.set(None);
        if resuming.break_off(error)? {
            return Poll::Ready(Ok(None));
        }
    }
}

impl<S, B, R> fmt::Debug for ResumeBody<S, B, R>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = f.debug_struct("ResumeBody");
        match &self.kind {
            Kind::Other => body.field("kind", &"Other"),
            Kind::Unknown(unknown) => body.field("not_resumable", &unknown.why()),
            Kind::Download(resuming) => body.field("download", resuming.progress()),
            Kind::Failed(incomplete) => body.field("failed", incomplete),
            Kind::Ended => body.field("kind", &"Ended"),
        };
        body.finish_non_exhaustive()
    }
}
