//! The half at the socket, as a connector.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::client::legacy::connect::Connection;
use pin_project_lite::pin_project;
use tower::{BoxError, Service};

use super::attempt::with_alpn;
use super::registry::Hub;
use super::{DowngradeLayer, ObservedIo, OneClient};
use crate::fate::Verdict;
use crate::health::Origin;
use crate::over_http1;

/// A connector for hyper-util's client, with another beside it for origins that get HTTP/1.1.
///
/// Made by [`Downgrade::connector`](super::Downgrade::connector). Its HTTP/2 connections are looked at until they have been of
/// use. What a connection says of itself, that it is proxied, its ALPN and its extras, is passed on; but not of the fallback's
/// that they are proxied.
///
/// # Errors
///
/// The connectors' own, boxed; and [`Verdict::not_connected`], where the fallback's connection negotiated HTTP/2, or where a
/// request comes for the fallback of another connector and this one has none.
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
    /// It has effect under this connector's [`layer`](Self::layer) only, which sends requests there. Its connections are used for
    /// nothing but HTTP/1.1: one that negotiated HTTP/2 all the same is given up, and so is one on which a client that is
    /// `http2_only` begins to speak it. What they say of a proxy is not passed on, since a URI of `https` is in origin-form also
    /// through a proxy's tunnel.
    pub fn fallback<G>(self, http1: G) -> DowngradeConnector<C, G> {
        self.hub.fall_back();
        DowngradeConnector { http2: self.http2, http1: Some(http1), hub: self.hub }
    }

    /// The layer for the one client that is built with this connector, once it has its [`fallback`](Self::fallback); below
    /// [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer). Of a connector without one, it lets all requests pass.
    ///
    /// It is for no other client. A client with another [`DowngradeConnector`] uses the fallback of that, and where there is none the
    /// request fails. A client with none at all takes the mark in the request's [URI](super#order-of-layers) to the server.
    pub fn layer(&self) -> DowngradeLayer {
        DowngradeLayer::new(Arc::clone(&self.hub), OneClient { falls_back: self.http1.is_some() })
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
    C::Response: Connection,
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
            // A connection of HTTP/2 would take the mark to the server.
            (Some(_), None) => Connecting { state: State::Refused },
            (None, _) => {
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
        Refused,
    }
}

impl<F, G, T, E, X> Future for Connecting<F, G>
where
    F: Future<Output = Result<T, E>>,
    G: Future<Output = Result<T, X>>,
    T: Connection,
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
                let io = ready!(future.poll(cx)).map_err(Into::into)?;
                if io.connected().is_negotiated_h2() {
                    Err(Verdict::not_connected("the fallback for HTTP/1.1 negotiated HTTP/2").into())
                } else {
                    Ok(ObservedIo::over_http1(io))
                }
            }
            StateProj::Refused => Err(Verdict::not_connected("this connector has no fallback for HTTP/1.1").into()),
        })
    }
}

impl<F, G> fmt::Debug for Connecting<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = match &self.state {
            State::Http2 { .. } => "Http2",
            State::Http1 { .. } => "Http1",
            State::Refused => "Refused",
        };
        f.debug_struct("Connecting").field("to", &to).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    use hyper_util::client::legacy::connect::Connected;
    use tower::{ServiceExt, service_fn};

    use super::super::Downgrade;
    use super::*;
    use crate::fate::{BodyUse, Cause, Failure};

    /// A connection that knows who made it, and to where.
    #[derive(Debug, PartialEq)]
    struct Made(&'static str, Uri);

    impl Connection for Made {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }

    fn named(
        name: &'static str,
    ) -> impl Service<Uri, Response = Made, Error = Infallible, Future = Ready<Result<Made, Infallible>>> + Clone {
        service_fn(move |uri| ready(Ok(Made(name, uri))))
    }

    /// The mark says which connector, and neither of them sees it.
    #[tokio::test]
    async fn no_connector_sees_the_mark() {
        let uri = Uri::from_static("https://user@example.com:8443/");
        let marked = over_http1::mark(&uri).unwrap();
        let both = Downgrade::default().connector(named("http2")).fallback(named("http1"));
        for (name, connected) in [
            ("http2", both.clone().oneshot(uri.clone()).await.unwrap()),
            ("http1", both.oneshot(marked).await.unwrap()),
        ] {
            assert_eq!(*connected.get_ref(), Made(name, uri.clone()));
        }
    }

    /// One without a fallback makes no connection for a marked request: it could be of HTTP/2, and have the mark in its frames.
    #[tokio::test]
    async fn without_a_fallback_a_marked_request_gets_no_connection() {
        let uri = Uri::from_static("https://example.com/");
        let one = Downgrade::default().connector(named("http2"));
        let error = one.clone().oneshot(over_http1::mark(&uri).unwrap()).await.unwrap_err();
        assert_eq!(Failure::of(&*error, BodyUse::Untouched).cause(), Cause::Connect);
        one.oneshot(uri).await.unwrap();
    }
}
