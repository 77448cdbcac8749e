use std::fmt;
use std::time::Duration;

use super::Pool;
use crate::ConnectionHealth;
use crate::connect::{Http2Settings, MakeConnection};

/// Sets up a [`Pool`].
///
/// No setting panics; those that make no sense are brought within what does. What concerns a single connection, its maximum age
/// for instance, is [`ConnectionHealth`]'s to set.
///
/// # Default
///
/// | setting | default |
/// |---|---|
/// | [`min_connections`](Self::min_connections) | 0 |
/// | [`max_connections`](Self::max_connections) | 8 |
/// | [`max_connecting`](Self::max_connecting) | 2 |
/// | [`idle_timeout`](Self::idle_timeout) | 90 s |
/// | [`backoff`](Self::backoff) | 50 ms, to 5 s |
/// | [`prior_knowledge`](Self::prior_knowledge) | `false` |
#[must_use]
pub struct PoolBuilder<C, B> {
    make: MakeConnection<C, B>,
    config: Config,
}

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) min_connections: usize,
    pub(super) max_connections: usize,
    pub(super) max_connecting: usize,
    pub(super) idle_timeout: Duration,
    pub(super) backoff: (Duration, Duration),
    pub(super) max_wait: Duration,
    pub(super) prior_knowledge: bool,
}

/// Longer than anything lives, and short enough to be added to any time.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A connect that fails at once is not tried again at once.
const SHORTEST: Duration = Duration::from_millis(1);

impl<C, B> PoolBuilder<C, B> {
    pub(super) fn new(health: &ConnectionHealth, connector: C) -> Self {
        Self {
            make: MakeConnection::new(health, connector),
            config: Config {
                min_connections: 0,
                max_connections: 8,
                max_connecting: 2,
                idle_timeout: Duration::from_secs(90),
                backoff: (Duration::from_millis(50), Duration::from_secs(5)),
                max_wait: health.max_wait(),
                prior_knowledge: false,
            },
        }
    }

    /// How HTTP/2 is set up.
    pub fn http2_settings(mut self, settings: Http2Settings) -> Self {
        self.make = self.make.http2_settings(settings);
        self
    }

    /// How many connections an origin keeps as long as it is in use: had a request within
    /// [`idle_timeout`](Self::idle_timeout).
    pub fn min_connections(mut self, connections: usize) -> Self {
        self.config.min_connections = connections;
        self
    }

    /// How many connections an origin has at the most, 1 at least: those that are being made count, and those that drain, for a
    /// second. One that drains for longer, under a stream that stays open, is not counted any more, so that no stream can keep an
    /// origin from its requests.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.config.max_connections = connections;
        self
    }

    /// How many connections to an origin are made at once, 1 at least.
    pub fn max_connecting(mut self, connections: usize) -> Self {
        self.config.max_connecting = connections;
        self
    }

    /// How long a connection may have nothing to do before it is closed, and an origin before it is forgotten.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.config.idle_timeout = idle_timeout;
        self
    }

    /// How long the next connect waits after one that failed, or whose connection was closed before it had a request; doubled
    /// each time up to `most`, and drawn from its upper half.
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.config.backoff = (first, most.max(first));
        self
    }

    /// Whether TLS peers are known to speak HTTP/2, whatever ALPN says. Without TLS they have to be.
    pub fn prior_knowledge(mut self, prior_knowledge: bool) -> Self {
        self.config.prior_knowledge = prior_knowledge;
        self
    }

    /// The pool.
    #[must_use]
    pub fn build(mut self) -> Pool<C, B> {
        let config = &mut self.config;
        config.max_connections = config.max_connections.max(1);
        config.max_connecting = config.max_connecting.max(1);
        config.idle_timeout = config.idle_timeout.clamp(SHORTEST, FOREVER);
        let (first, most) = config.backoff;
        config.backoff = (first.clamp(SHORTEST, FOREVER), most.clamp(SHORTEST, FOREVER));
        config.min_connections = config.min_connections.min(config.max_connections);
        Pool::new(self.make, self.config)
    }
}

impl<C: fmt::Debug, B> fmt::Debug for PoolBuilder<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder").field("make", &self.make).field("config", &self.config).finish()
    }
}
