use std::fmt;
use std::sync::Arc;

use http::Uri;

use super::config::{Builder, Config};
use super::registry::Hub;
use super::{ConnectionHealthLayer, Events, MonitoredConnector, MonitoredIo, Origin, Snapshot};

/// Watches connections, and keeps requests from those that will not serve them.
///
/// One object with two halves, each of use by itself: [`connector`](Self::connector) at the socket and [`layer`](Self::layer)
/// at the request. See the [module](super).
///
/// ```
/// use std::time::Duration;
///
/// use hyper_util::client::legacy::connect::HttpConnector;
/// use tower_redial::ConnectionHealth;
///
/// let health = ConnectionHealth::builder().probe_after(Duration::from_secs(5)).build();
/// let (connector, layer) = (health.connector(HttpConnector::new()), health.layer());
/// # let _ = (connector, layer);
/// for connection in health.snapshot().connections {
///     println!("{} to {}: {}", connection.id, connection.origin, connection.state);
/// }
/// ```
///
/// # Clone
///
/// A clone is a handle to the same object.
#[derive(Clone)]
pub struct ConnectionHealth {
    hub: Arc<Hub>,
}

impl ConnectionHealth {
    /// Sets it up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(config: Config) -> Self {
        Self { hub: Arc::new(Hub::new(config)) }
    }

    /// The half at the socket: goes around the connector of a client.
    ///
    /// HTTP/2 has to be seen in the clear: around a connector that does TLS, not below one. Where a client puts its own TLS
    /// above the connector, as tonic does, bytes that are not HTTP/2 are passed through, and only age, silence of the
    /// handshake and the end are known.
    pub fn connector<C>(&self, inner: C) -> MonitoredConnector<C> {
        MonitoredConnector::new(inner, Arc::clone(&self.hub))
    }

    /// The half at the socket, for a transport that is there already: a connection to the URI's origin, that begins now.
    ///
    /// HTTP/2 has to be seen in the clear, as with [`connector`](Self::connector).
    pub fn monitor<T>(&self, io: T, uri: &Uri) -> MonitoredIo<T> {
        self.hub.monitor();
        let origin = Origin::of(uri).unwrap_or_else(Origin::unknown);
        MonitoredIo::new(io, self.hub.connected(&origin))
    }

    /// The half at the request: a layer for a client, below [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer).
    #[must_use]
    pub fn layer(&self) -> ConnectionHealthLayer {
        ConnectionHealthLayer::new(Arc::clone(&self.hub))
    }

    /// How long a request may wait while the peer's stream limit is used up.
    #[cfg(feature = "connect")]
    pub(crate) fn max_wait(&self) -> std::time::Duration {
        self.hub.config.max_wait
    }

    /// All connections and origins as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.hub.snapshot()
    }

    /// What happens to connections from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        Events::new(self.hub.subscribe())
    }

    /// Has the connections to a URI's origin replaced: after a deploy, say.
    ///
    /// What is open on them finishes; nothing new is sent on them, where their client can be told: hyper-util's through the
    /// layer, others with [`own_goaway`](super::Builder::own_goaway). A URI without scheme and host has no origin, and
    /// nothing happens.
    pub fn drain(&self, uri: &Uri) {
        if let Some(origin) = Origin::of(uri) {
            self.hub.site(&origin).drain();
        }
    }

    /// Has all connections replaced: after a change of network, say. See [`drain`](Self::drain).
    pub fn drain_all(&self) {
        self.hub.drain_all();
    }
}

impl Default for ConnectionHealth {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl fmt::Debug for ConnectionHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHealth").field("config", &self.hub.config).finish_non_exhaustive()
    }
}
