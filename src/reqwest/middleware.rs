//! The layers as middleware of reqwest-middleware.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use http::Extensions;
use http::request::Parts;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
#[cfg(feature = "resume")]
use tower::{BoxError, ServiceExt};
use tower::{Layer, Service};

use super::Renew;
use super::downgrade::need;
use super::request::{KeptRequest, uri};
use super::whole::whole;
use crate::body::{ReplayBody, SourceError, WholeBodyLayer};
use crate::body_use::BodyUse;
use crate::downgrade::{Way, prepare};
#[cfg(feature = "resume")]
use crate::resume::Resume;
use crate::retry::head::SavedHead;
use crate::retry::request::Kept;
use crate::retry::request::sealed::{Keeping, Kind};
use crate::retry::{ResendCount, Typed};
use crate::{ConnectionHealthLayer, DowngradeLayer, RetryOnCanceledLayer};

#[async_trait]
impl Middleware for RetryOnCanceledLayer<Typed> {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let rest = Rest { next, newest: Arc::default() };
        let newest = Arc::clone(&rest.newest);
        let request = WithExtensions { request, extensions: extensions.clone() };
        let result = self.layer(rest).respond(request).await;
        // What the last attempt's middleware left there is for those above; our own mark is not.
        if let Some(mut left) = newest.lock().unwrap_or_else(PoisonError::into_inner).take() {
            match extensions.get::<ResendCount>() {
                Some(above) => drop(left.insert(*above)),
                None => drop(left.remove::<ResendCount>()),
            }
            *extensions = left;
        }
        result
    }
}

#[async_trait]
impl Middleware for ConnectionHealthLayer {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let watched = self.watch(&uri(&request));
        let result = next.run(request, extensions).await;
        watched.note(&result);
        result
    }
}

#[async_trait]
impl Middleware for WholeBodyLayer {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let method = request.method().clone();
        Ok(whole(next.run(request, extensions).await?, &method))
    }
}

/// Always the last: requests that go over HTTP/1.1 go to its own client.
#[async_trait]
impl Middleware for DowngradeLayer<reqwest::Client> {
    async fn handle(&self, mut request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        match self.way(&uri(&request), need(&request)) {
            Way::Http1 => {
                prepare(request.headers_mut());
                Ok(self.get_fallback().execute(request).await?)
            }
            Way::Unseen => next.run(request, extensions).await,
            Way::Http2(attempt) => {
                let result = next.run(request, extensions).await;
                attempt.note(&result);
                result
            }
        }
    }
}

/// Always the last: requests go to its own client.
#[async_trait]
impl Middleware for Renew {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        Ok(self.clone().call(request).await?)
    }
}

/// Always the last: downloads, and what is missing of them, come by its own service.
#[cfg(feature = "resume")]
#[async_trait]
impl<S> Middleware for Resume<S>
where
    S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError> + Into<reqwest_middleware::Error> + Send,
    S::Future: Send + 'static,
{
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        self.clone().oneshot(request).await.map_err(Into::into)
    }
}

/// A request and the extensions that reqwest-middleware carries beside it.
struct WithExtensions {
    request: Request,
    extensions: Extensions,
}

impl Kind for WithExtensions {
    type Sent = Self;
    type Kept = KeptWithExtensions;

    const SINGLE_HOP: bool = <Request as Kind>::SINGLE_HOP;

    fn keep(self, keeping: Keeping) -> (Self, KeptWithExtensions) {
        let extensions = self.extensions.clone();
        let (request, kept) = KeptRequest::new(self.request, self.extensions, keeping);
        (Self { request, extensions }, KeptWithExtensions(kept))
    }
}

struct KeptWithExtensions(KeptRequest);

impl Kept for KeptWithExtensions {
    type Sent = WithExtensions;
    type Taken = Option<ReplayBody<reqwest::Body>>;

    fn head(&self) -> &SavedHead {
        self.0.head()
    }

    fn body_use(&self) -> BodyUse {
        self.0.body_use()
    }

    fn source_error(&self) -> Option<SourceError> {
        self.0.source_error()
    }

    fn take_back(&mut self) -> Option<Self::Taken> {
        self.0.take_back()
    }

    fn resend(&self, head: Parts, body: Self::Taken) -> WithExtensions {
        let (request, extensions) = self.0.request(head, body);
        WithExtensions { request, extensions }
    }

    fn release(self) {
        self.0.release();
    }
}

/// The middleware below this one, and the client, as a service.
#[derive(Clone)]
struct Rest<'a> {
    next: Next<'a>,
    /// The extensions of the newest attempt that has ended.
    newest: Arc<Mutex<Option<Extensions>>>,
}

impl<'a> Service<WithExtensions> for Rest<'a> {
    type Response = Response;
    type Error = reqwest_middleware::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: WithExtensions) -> Self::Future {
        let Self { next, newest } = self.clone();
        let WithExtensions { request, mut extensions } = request;
        Box::pin(async move {
            let result = next.run(request, &mut extensions).await;
            *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(extensions);
            result
        })
    }
}
