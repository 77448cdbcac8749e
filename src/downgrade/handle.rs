use std::fmt;
use std::sync::Arc;

use super::machine::Settings;
use super::registry::Hub;
use super::{Builder, DowngradeConnector, DowngradeLayer, Event, NoFallback, Snapshot};
use crate::health::Events;

/// Sends requests over HTTP/1.1 for a while, where HTTP/2 is not wanted or of no use.
///
/// One object for all parts of it: [`connector`](Self::connector) and [`layer`](Self::layer). It may serve several clients, which
/// then share what they know of an origin. See the [module](super).
///
/// ```
/// use std::time::Duration;
///
/// use tower_redial::Downgrade;
///
/// // Three connections that died in a row within a minute are enough; HTTP/1.1 then, for five minutes.
/// let downgrade = Downgrade::builder().after(3, Duration::from_secs(60)).lasting(Duration::from_secs(300)).build();
/// assert!(downgrade.snapshot().origins.is_empty());
/// ```
///
/// # Clone
///
/// A clone is a handle to the same object.
#[derive(Clone)]
pub struct Downgrade {
    hub: Arc<Hub>,
}

impl Downgrade {
    /// Sets it up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(settings: Settings, event_capacity: usize) -> Self {
        Self { hub: Arc::new(Hub::new(settings, event_capacity)) }
    }

    /// Goes around the connector of a hyper-util client, above its TLS: around that of the one client, with a
    /// [`fallback`](DowngradeConnector::fallback), or, without one, around that of the first of two, so that its sockets are
    /// looked at too.
    pub fn connector<C>(&self, http2: C) -> DowngradeConnector<C> {
        DowngradeConnector::new(http2, Arc::clone(&self.hub))
    }

    /// The layer for the first of two clients, once its [`fallback`](DowngradeLayer::fallback) is the second; below
    /// [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer). That of one client is its connector's:
    /// [`DowngradeConnector::layer`].
    pub fn layer(&self) -> DowngradeLayer<NoFallback> {
        DowngradeLayer::new(Arc::clone(&self.hub), NoFallback)
    }

    /// All origins that were in trouble, as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.hub.snapshot()
    }

    /// What happens to origins from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events<Event> {
        Events::new(self.hub.subscribe())
    }
}

impl Default for Downgrade {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl fmt::Debug for Downgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downgrade").field("settings", self.hub.settings()).finish_non_exhaustive()
    }
}
