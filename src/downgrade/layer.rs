use std::fmt;
use std::sync::Arc;

use http::Uri;
use tower::Layer;

use super::PreferHttp2;
use super::registry::Hub;
use crate::health::Origin;

/// The layer that puts [`PreferHttp2`] around a client.
///
/// Made by [`DowngradeConnector::layer`](super::DowngradeConnector::layer) for one client, and for two by
/// [`Downgrade::layer`](super::Downgrade::layer) with a [`fallback`](Self::fallback).
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower::Layer;
/// use tower_redial::Downgrade;
///
/// # fn client() -> impl Clone {
/// let downgrade = Downgrade::default();
/// let mut client = Client::builder(TokioExecutor::new());
/// let http1 = client.build::<_, Full<Bytes>>(HttpConnector::new());
/// let http2 = client.http2_only(true).build::<_, Full<Bytes>>(HttpConnector::new());
/// downgrade.layer().fallback(http1).layer(http2)
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct DowngradeLayer<F = OneClient> {
    hub: Arc<Hub>,
    fallback: F,
    origin: Option<Origin>,
}

/// There is one client, whose connector made the layer: [`DowngradeConnector::layer`](super::DowngradeConnector::layer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OneClient {
    /// Whether that connector falls back, and so knows the mark.
    pub(super) falls_back: bool,
}

/// The second of two clients is still to be named: [`DowngradeLayer::fallback`]. Until then the layer makes no service of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoFallback;

impl<F> DowngradeLayer<F> {
    pub(super) fn new(hub: Arc<Hub>, fallback: F) -> Self {
        Self { hub, fallback, origin: None }
    }

    /// The client for origins that get HTTP/1.1, which speaks nothing else.
    ///
    /// Its responses are of the same type; where they are not, box them: [`tower::util::BoxCloneService`]. It is asked whether it
    /// is ready when it is needed, and not before.
    pub fn fallback<G>(self, http1: G) -> DowngradeLayer<G> {
        self.hub.fall_back();
        DowngradeLayer { hub: self.hub, fallback: http1, origin: self.origin }
    }

    /// Where requests go whose URI does not say it: for two clients of one server.
    ///
    /// Without it such requests go to the first client, and count for nothing.
    pub fn origin(mut self, uri: &Uri) -> Self {
        self.origin = Origin::of(uri);
        self
    }

    /// How a request goes of the first of two clients.
    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn way(&self, uri: &Uri, need: super::Need) -> super::Way {
        super::Way::of(&self.hub, Origin::of(uri).or_else(|| self.origin.clone()), need)
    }

    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn get_fallback(&self) -> &F {
        &self.fallback
    }
}

impl<S, F: Clone> Layer<S> for DowngradeLayer<F> {
    type Service = PreferHttp2<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        PreferHttp2::new(inner, self.fallback.clone(), Arc::clone(&self.hub), self.origin.clone())
    }
}

impl<F: fmt::Debug> fmt::Debug for DowngradeLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DowngradeLayer")
            .field("fallback", &self.fallback)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
