//! The half at the socket, as a connector.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, Service};

use super::registry::Hub;
use super::{MonitoredIo, Origin};
use crate::fate::Verdict;
use crate::timer::can_wait;

/// Wraps any connector of hyper's, so that its connections are watched.
///
/// Made by [`ConnectionHealth::connector`](super::ConnectionHealth::connector). What the connection says of itself, that it
/// is proxied, its ALPN and its extras, is passed on.
///
/// # Errors
///
/// The inner connector's, boxed; and, where it takes longer than
/// [`connect_timeout`](super::Builder::connect_timeout), a [`Verdict`] that it was not established.
#[derive(Clone)]
pub struct MonitoredConnector<C> {
    inner: C,
    hub: Arc<Hub>,
}

impl<C> MonitoredConnector<C> {
    pub(super) fn new(inner: C, hub: Arc<Hub>) -> Self {
        hub.monitor();
        Self { inner, hub }
    }

    /// The inner connector.
    pub fn get_ref(&self) -> &C {
        &self.inner
    }

    /// The inner connector.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.inner
    }

    /// The inner connector.
    pub fn into_inner(self) -> C {
        self.inner
    }
}

impl<C> Service<Uri> for MonitoredConnector<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
{
    type Response = MonitoredIo<C::Response>;
    type Error = BoxError;
    type Future = Connecting<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let origin = Origin::of(&uri);
        let deadline = Instant::now().checked_add(self.hub.config.connect_timeout).filter(|_| can_wait());
        Connecting {
            future: self.inner.call(uri),
            timeout: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            origin,
            hub: Arc::clone(&self.hub),
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for MonitoredConnector<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitoredConnector").field("inner", &self.inner).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`MonitoredConnector`].
    pub struct Connecting<F> {
        #[pin]
        future: F,
        // Boxed: hyper-util asks for a future that is `Unpin`.
        timeout: Option<Pin<Box<Sleep>>>,
        origin: Option<Origin>,
        hub: Arc<Hub>,
    }
}

impl<F, T, E> Future for Connecting<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<MonitoredIo<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.future.poll(cx) {
            return Poll::Ready(result.map_err(Into::into).map(|io| {
                // hyper's clients connect to absolute URIs only.
                let origin = this.origin.take().unwrap_or_else(Origin::unknown);
                MonitoredIo::new(io, this.hub.connected(&origin))
            }));
        }
        let late = this.timeout.as_mut().is_some_and(|timeout| timeout.as_mut().poll(cx).is_ready());
        if late {
            return Poll::Ready(Err(Verdict::not_connected("the connection was not established in time").into()));
        }
        Poll::Pending
    }
}

impl<F> fmt::Debug for Connecting<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("origin", &self.origin).finish_non_exhaustive()
    }
}
