use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::future::ResponseFuture;
use super::layer::Config;
use super::spare::Spare;
use super::{AsError, Resendable, Typed};
use crate::body::ReplayBody;

/// Resends requests that a closed or canceled connection took down.
///
/// Made by [`RetryOnCanceledLayer`](super::RetryOnCanceledLayer); see the [module](super) for what it does.
///
/// # Clone
///
/// The inner service must be `Clone`, as clients are: what is sent again is sent by a clone. All of them are made from one that
/// was cloned at the first request.
pub struct RetryOnCanceled<S, M = Typed> {
    inner: S,
    spare: Spare<S>,
    config: Arc<Config>,
    marker: PhantomData<fn() -> M>,
}

impl<S, M> RetryOnCanceled<S, M> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, spare: Spare::new(), config, marker: PhantomData }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        // It may be another afterwards.
        self.spare = Spare::new();
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, M> RetryOnCanceled<S, M> {
    pub(crate) fn respond<Q: Resendable>(&mut self, request: Q) -> ResponseFuture<S, Q, M>
    where
        S: Service<Q::Sent>,
    {
        ResponseFuture::new(&mut self.inner, &self.spare, request, Arc::clone(&self.config))
    }
}

// One implementation for each kind of request, not one for all kinds: the compiler then finds out by itself which of them a
// client takes, where nothing but the client tells.
impl<S, M, B, R> Service<Request<B>> for RetryOnCanceled<S, M>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: AsError<M>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request<B>, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.respond(request)
    }
}

impl<S: Clone, M> Clone for RetryOnCanceled<S, M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            spare: self.spare.clone(),
            config: Arc::clone(&self.config),
            marker: PhantomData,
        }
    }
}

impl<S: fmt::Debug, M> fmt::Debug for RetryOnCanceled<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryOnCanceled").field("inner", &self.inner).field("config", &self.config).finish()
    }
}
