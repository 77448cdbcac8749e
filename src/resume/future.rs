use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::Service;

use super::digest::{self, Running};
use super::layer::Config;
use super::part::Content;
use super::range::Asked;
use super::resuming::Resuming;
use super::unknown::Unknown;
use super::{ResumeBody, Why};
use crate::body::Whole;

pin_project! {
    /// The future of [`Resume`](super::Resume).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        future: S::Future,
        // What a response is read with, until there is one.
        reader: Option<Reader<S>>,
    }
}

/// How the body of the response is to be read.
pub(super) enum Reader<S> {
    /// As it is: a response to this method.
    Plain(Method),
    /// As a download.
    Resuming(Box<Kept<S>>),
}

/// What is kept of a request that may be resumed.
pub(super) struct Kept<S> {
    pub(super) service: S,
    pub(super) head: Parts,
    pub(super) asked: Asked,
    /// No coding was asked for.
    pub(super) is_identity: bool,
    pub(super) config: Arc<Config>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) const fn new(future: S::Future, reader: Reader<S>) -> Self {
        Self { future, reader: Some(reader) }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Output = Result<Response<ResumeBody<S, B, R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx));
        let Some(reader) = this.reader.take() else { return Poll::Pending };
        let response = response?;
        Poll::Ready(Ok(match reader {
            Reader::Plain(method) => Whole::of(response, &method).map(ResumeBody::other),
            Reader::Resuming(kept) => kept.read(response),
        }))
    }
}

impl<S> Kept<S> {
    fn read<B, R>(self, response: Response<R>) -> Response<ResumeBody<S, B, R>>
    where
        S: Service<Request<B>>,
        R: Body,
    {
        let content = Content::of(self.asked, response.status(), response.headers());
        let mut response = Whole::of(response, &self.head.method);
        match content {
            Content::Other => response.map(ResumeBody::other),
            Content::Unknown(why) => {
                // What a coding was asked of may have been decoded below, and the digest is of what was coded.
                let is_all = why == Why::NoLength && response.status() == StatusCode::OK && self.is_identity;
                let digest = is_all.then(|| digest::Announced::of(response.headers())).flatten();
                let digest = digest.filter(|_| self.config.check_digest).map(|digest| Running::new(&digest));
                response.map(|body| ResumeBody::unknown(body, Unknown::new(why, digest)))
            }
            Content::Part(part) => {
                let length = part.length();
                let came_from = response.extensions().get().cloned();
                let resuming = Resuming::new(self.service, self.head, self.config, part, came_from);
                response.extensions_mut().insert(resuming.progress().clone());
                // Where the head's length is that of a range, it says the same as this.
                response.map(|body| ResumeBody::download(Whole::new(body.into_inner(), Some(length)), resuming))
            }
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resumable = matches!(self.reader, Some(Reader::Resuming(_)));
        f.debug_struct("ResponseFuture").field("resumable", &resumable).finish_non_exhaustive()
    }
}
