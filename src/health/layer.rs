use std::fmt;
use std::sync::Arc;

use http::Uri;
use tower::Layer;

use super::registry::Hub;
use super::{Origin, WatchConnection};

/// The layer that puts [`WatchConnection`] around a client.
///
/// Made by [`ConnectionHealth::layer`](super::ConnectionHealth::layer).
///
/// ```
/// use http::Uri;
/// use tower_redial::ConnectionHealth;
///
/// let health = ConnectionHealth::default();
/// // Below it is a client of one origin, whose requests have only a path: a `hyper::client::conn`'s, or tonic's.
/// let layer = health.layer().origin(&Uri::from_static("http://localhost:50051"));
/// # drop(layer);
/// ```
#[derive(Clone)]
pub struct ConnectionHealthLayer {
    hub: Arc<Hub>,
    origin: Option<Origin>,
}

impl ConnectionHealthLayer {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, origin: None }
    }

    /// Watches a request of a client that tells nothing of its connections but in its errors.
    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn watch(&self, uri: &Uri) -> super::watched::Watched {
        super::watched::Watched::new(self.hub.site_of(uri, self.origin.as_ref()))
    }

    /// Where requests go whose URI does not say it: for clients of one server, tonic's for instance.
    ///
    /// Without it such requests are not held back, and count for no origin.
    #[must_use]
    pub fn origin(mut self, uri: &Uri) -> Self {
        self.origin = Origin::of(uri);
        self
    }
}

impl<S> Layer<S> for ConnectionHealthLayer {
    type Service = WatchConnection<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WatchConnection::new(inner, Arc::clone(&self.hub), self.origin.clone())
    }
}

impl fmt::Debug for ConnectionHealthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHealthLayer").field("origin", &self.origin).finish_non_exhaustive()
    }
}
