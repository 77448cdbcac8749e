use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use http_body::Body;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection as Connects;
use tokio::runtime::Handle as Runtime;
use tower::{BoxError, Service};

use super::{Error, Http1Connection, Http2Connection, Http2Settings, HttpConnection};
use crate::ConnectionHealth;
use crate::fate::{Failure, Verdict};
use crate::health::MonitoredConnector;

/// Makes connections: over any connector of hyper's, each watched, and speaking what its peer agreed to.
///
/// HTTP/2 where TLS's ALPN chose it (`Connected::is_negotiated_h2`, as hyper-util's client asks), or where
/// [`prior_knowledge`](Self::prior_knowledge) says so; HTTP/1.1 otherwise. TLS ends in the connector, which has to offer `h2`.
///
/// It is a maker of services for `tower::reconnect::Reconnect` and the pools of hyper-util's `client::pool`.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Uri};
/// use http_body_util::Full;
/// use hyper_util::client::legacy::connect::HttpConnector;
/// use tower::reconnect::Reconnect;
/// use tower::{BoxError, Service, ServiceExt};
/// use tower_redial::ConnectionHealth;
/// use tower_redial::connect::MakeConnection;
///
/// # async fn run() -> Result<(), BoxError> {
/// let uri = Uri::from_static("http://localhost:8080/");
/// let make = MakeConnection::new(&ConnectionHealth::default(), HttpConnector::new()).prior_knowledge(true);
/// let mut client = Reconnect::new(make, uri.clone());
///
/// let request = Request::get(uri).body(Full::<Bytes>::default())?;
/// let response = client.ready().await?.call(request).await?;
/// # drop(response);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The connector's: [`NotSent`](crate::Fate::NotSent), [`Connect`](crate::Cause::Connect), or what
/// [`fate`](crate::fate) says of certificates and settings; and where there is no tokio runtime.
pub struct MakeConnection<C, B> {
    connector: MonitoredConnector<C>,
    settings: Http2Settings,
    prior_knowledge: bool,
    marker: PhantomData<fn(B)>,
}

impl<C, B> MakeConnection<C, B> {
    /// Over this connector, watched by `health`.
    pub fn new(health: &ConnectionHealth, connector: C) -> Self {
        Self {
            connector: health.connector(connector),
            settings: Http2Settings::default(),
            prior_knowledge: false,
            marker: PhantomData,
        }
    }

    /// How HTTP/2 is set up.
    #[must_use]
    pub fn http2_settings(mut self, settings: Http2Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Whether all peers are known to speak HTTP/2 (RFC 9113, section 3.3), whatever ALPN says. Default: `false`.
    #[must_use]
    pub fn prior_knowledge(mut self, prior_knowledge: bool) -> Self {
        self.prior_knowledge = prior_knowledge;
        self
    }

    /// The connector.
    pub fn get_ref(&self) -> &C {
        self.connector.get_ref()
    }
}

/// The connector's error, and what it proves.
fn not_connected(error: BoxError) -> Error {
    Error::new(Verdict::new(Failure::of_connect(&*error), "no connection could be made").because(error))
}

impl<C, B> Service<Uri> for MakeConnection<C, B>
where
    C: Service<Uri>,
    C::Response: Connects + Read + Write + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = HttpConnection<B>;
    type Error = Error;
    type Future = Making<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connector.poll_ready(cx).map_err(not_connected)
    }

    fn call(&mut self, uri: Uri) -> Making<B> {
        let connecting = self.connector.call(uri);
        let (settings, prior_knowledge) = (self.settings.clone(), self.prior_knowledge);
        Making(Box::pin(async move {
            let io = connecting.await.map_err(not_connected)?;
            if prior_knowledge || io.connected().is_negotiated_h2() {
                Ok(HttpConnection::Http2(Http2Connection::handshake(io, &settings).await?))
            } else {
                let runtime = Runtime::try_current().map_err(|error| {
                    Error::new(Error::request("a connection needs tokio's runtime for its task").because(error))
                })?;
                Ok(HttpConnection::Http1(Http1Connection::handshake(io, &runtime).await?))
            }
        }))
    }
}

impl<C: Clone, B> Clone for MakeConnection<C, B> {
    fn clone(&self) -> Self {
        Self {
            connector: self.connector.clone(),
            settings: self.settings.clone(),
            prior_knowledge: self.prior_knowledge,
            marker: PhantomData,
        }
    }
}

impl<C: fmt::Debug, B> fmt::Debug for MakeConnection<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeConnection")
            .field("connector", &self.connector)
            .field("prior_knowledge", &self.prior_knowledge)
            .finish_non_exhaustive()
    }
}

/// The future of [`MakeConnection`].
pub struct Making<B>(BoxFuture<'static, Result<HttpConnection<B>, Error>>);

impl<B> Future for Making<B> {
    type Output = Result<HttpConnection<B>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<B> fmt::Debug for Making<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Making").finish_non_exhaustive()
    }
}
