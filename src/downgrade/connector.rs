//! The half at the socket, as a connector.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Uri;
use pin_project_lite::pin_project;
use tower::{BoxError, Service};

use super::ObservedIo;
use super::attempt::with_alpn;
use super::registry::Hub;
use crate::health::Origin;
use crate::over_http1;

/// A connector for hyper-util's client, with another beside it for origins that get HTTP/1.1.
///
/// Made by [`Downgrade::connector`](super::Downgrade::connector). Its HTTP/2 connections are looked at until they have been of
/// use. What a connection says of itself, that it is proxied, its ALPN and its extras, is passed on.
///
/// # Errors
///
/// The connectors' own, boxed.
#[derive(Clone)]
pub struct DowngradeConnector<C, F = C> {
    http2: C,
    http1: Option<F>,
    hub: Arc<Hub>,
}

impl<C> DowngradeConnector<C> {
    pub(super) fn new(http2: C, hub: Arc<Hub>) -> Self {
        Self { http2, http1: None, hub }
    }
}

impl<C, F> DowngradeConnector<C, F> {
    /// The connector for origins that get HTTP/1.1: it must not offer `h2` in its ALPN.
    ///
    /// It has effect under [`Downgrade::layer`](super::Downgrade::layer) only, which sends requests there.
    pub fn fallback<G>(self, http1: G) -> DowngradeConnector<C, G> {
        self.hub.fall_back_in_connector();
        DowngradeConnector { http2: self.http2, http1: Some(http1), hub: self.hub }
    }

    /// The connector for HTTP/2.
    pub fn get_ref(&self) -> &C {
        &self.http2
    }

    /// The connector for HTTP/2.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.http2
    }

    /// The connector for HTTP/2.
    pub fn into_inner(self) -> C {
        self.http2
    }
}

impl<C, F> Service<Uri> for DowngradeConnector<C, F>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    F: Service<Uri, Response = C::Response>,
    F::Error: Into<BoxError>,
{
    type Response = ObservedIo<C::Response>;
    type Error = BoxError;
    type Future = Connecting<C::Future, F::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.http2.poll_ready(cx).map_err(Into::into))?;
        match &mut self.http1 {
            Some(http1) => http1.poll_ready(cx).map_err(Into::into),
            None => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match (over_http1::unmark(&uri), &mut self.http1) {
            (Some(uri), Some(http1)) => Connecting { state: State::Http1 { future: http1.call(uri) } },
            (unmarked, _) => {
                let uri = unmarked.unwrap_or(uri);
                // One client falls back where ALPN had a choice.
                let origin = if self.http1.is_some() { with_alpn(&uri) } else { Origin::of(&uri) };
                let watched = origin.map(|origin| (Arc::clone(&self.hub), origin));
                Connecting { state: State::Http2 { future: self.http2.call(uri), watched } }
            }
        }
    }
}

impl<C: fmt::Debug, F: fmt::Debug> fmt::Debug for DowngradeConnector<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DowngradeConnector")
            .field("http2", &self.http2)
            .field("http1", &self.http1)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`DowngradeConnector`].
    pub struct Connecting<F, G> {
        #[pin]
        state: State<F, G>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, G> {
        Http2 {
            #[pin]
            future: F,
            watched: Option<(Arc<Hub>, Origin)>,
        },
        Http1 {
            #[pin]
            future: G,
        },
    }
}

impl<F, G, T, E, X> Future for Connecting<F, G>
where
    F: Future<Output = Result<T, E>>,
    G: Future<Output = Result<T, X>>,
    E: Into<BoxError>,
    X: Into<BoxError>,
{
    type Output = Result<ObservedIo<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProj::Http2 { future, watched } => {
                let result = ready!(future.poll(cx));
                result.map(|io| ObservedIo::new(io, watched.take())).map_err(Into::into)
            }
            StateProj::Http1 { future } => {
                ready!(future.poll(cx)).map(|io| ObservedIo::new(io, None)).map_err(Into::into)
            }
        })
    }
}

impl<F, G> fmt::Debug for Connecting<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = match &self.state {
            State::Http2 { .. } => "Http2",
            State::Http1 { .. } => "Http1",
        };
        f.debug_struct("Connecting").field("to", &to).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    use tower::{ServiceExt, service_fn};

    use super::super::Downgrade;
    use super::*;

    /// A connector that gives back where it was to connect to, with its name.
    fn names(
        name: &'static str,
    ) -> impl Service<
        Uri,
        Response = (&'static str, Uri),
        Error = Infallible,
        Future = Ready<Result<(&'static str, Uri), Infallible>>,
    > + Clone {
        service_fn(move |uri| ready(Ok((name, uri))))
    }

    /// The mark says which connector, and neither of them sees it.
    #[tokio::test]
    async fn no_connector_sees_the_mark() {
        let uri = Uri::from_static("https://user@example.com:8443/");
        let marked = over_http1::mark(&uri).unwrap();
        let both = Downgrade::default().connector(names("http2")).fallback(names("http1"));
        let one = Downgrade::default().connector(names("http2"));
        for (name, connected) in [
            ("http2", both.clone().oneshot(uri.clone()).await.unwrap()),
            ("http1", both.oneshot(marked.clone()).await.unwrap()),
            ("http2", one.oneshot(marked).await.unwrap()),
        ] {
            assert_eq!(*connected.get_ref(), (name, uri.clone()));
        }
    }
}
