use std::sync::Arc;
use std::time::Duration;

use super::ConnectionHealth;
use super::machine::Settings;

/// Sets up a [`ConnectionHealth`].
///
/// No setting panics; those that make no sense are brought within what does.
///
/// # Default
///
/// | setting | default |
/// |---|---|
/// | [`probe_after`](Self::probe_after) | 15 s |
/// | [`verify_idle`](Self::verify_idle) | 10 s |
/// | [`probe_timeout`](Self::probe_timeout) | 5 s |
/// | [`dead_after`](Self::dead_after) | 15 s |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`handshake_timeout`](Self::handshake_timeout) | 10 s |
/// | [`max_age`](Self::max_age), [`max_requests`](Self::max_requests) | none |
/// | [`max_age_jitter`](Self::max_age_jitter) | 0.1 |
/// | [`own_goaway`](Self::own_goaway) | `false` |
/// | [`streams_before_settings`](Self::streams_before_settings) | 1 |
/// | [`max_wait`](Self::max_wait) | 30 s |
/// | [`grace`](Self::grace) | 1 s |
/// | [`retire_on_timeout`](Self::retire_on_timeout) | `true` |
/// | [`event_capacity`](Self::event_capacity) | 1,024 |
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(super) config: Config,
}

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) settings: Arc<Settings>,
    pub(super) max_age_jitter: f64,
    pub(super) connect_timeout: Duration,
    pub(super) own_goaway: bool,
    pub(super) streams_before_settings: u32,
    pub(super) max_wait: Duration,
    pub(super) grace: Duration,
    pub(super) retire_on_timeout: bool,
    pub(super) event_capacity: usize,
}

impl Config {
    /// The settings of one connection: its maximum age gets its jitter, with a `random` number of `0.0..1.0`.
    pub(super) fn settings(&self, random: f64) -> Arc<Settings> {
        let Some(age) = self.settings.max_age else { return Arc::clone(&self.settings) };
        let earlier = self.max_age_jitter * random.clamp(0.0, 1.0);
        let shorter = Duration::try_from_secs_f64(age.as_secs_f64() * (1.0 - earlier)).unwrap_or(age);
        Arc::new(Settings { max_age: Some(shorter), ..*self.settings })
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: Config {
                settings: Arc::default(),
                max_age_jitter: 0.1,
                connect_timeout: Duration::from_secs(10),
                own_goaway: false,
                streams_before_settings: 1,
                max_wait: Duration::from_secs(30),
                grace: Duration::from_secs(1),
                retire_on_timeout: true,
                event_capacity: 1_024,
            },
        }
    }
}

impl Builder {
    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.config.settings)
    }

    /// How long an open stream may hear nothing before its connection is probed. [`Duration::MAX`] for never.
    pub fn probe_after(mut self, probe_after: Duration) -> Self {
        self.settings().probe_after = probe_after;
        self
    }

    /// How long a connection may have heard nothing before its next request is accompanied by a probe.
    pub fn verify_idle(mut self, verify_idle: Duration) -> Self {
        self.settings().verify_idle = verify_idle;
        self
    }

    /// How long after a probe nothing new is sent on the connection, if no byte comes.
    pub fn probe_timeout(mut self, probe_timeout: Duration) -> Self {
        self.settings().probe_timeout = probe_timeout;
        self
    }

    /// How long after a probe the connection is failed, and with it every request on it, if no byte comes. Brought up to
    /// [`probe_timeout`](Self::probe_timeout).
    pub fn dead_after(mut self, dead_after: Duration) -> Self {
        self.settings().dead_after = dead_after;
        self
    }

    /// How long the connector may take: resolving, TCP and TLS.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.config.connect_timeout = connect_timeout;
        self
    }

    /// How long an HTTP/2 peer may take to send its SETTINGS.
    pub fn handshake_timeout(mut self, handshake_timeout: Duration) -> Self {
        self.settings().handshake_timeout = handshake_timeout;
        self
    }

    /// When a connection is replaced, however well it works; see also [`max_age_jitter`](Self::max_age_jitter).
    pub fn max_age(mut self, max_age: impl Into<Option<Duration>>) -> Self {
        self.settings().max_age = max_age.into();
        self
    }

    /// By which part of it, drawn for each connection, the maximum age is shortened, 0.0 to 1.0, so that connections that
    /// were made together are not replaced together.
    pub fn max_age_jitter(mut self, jitter: f64) -> Self {
        self.config.max_age_jitter = if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) };
        self
    }

    /// After how many requests an HTTP/2 connection is replaced.
    pub fn max_requests(mut self, max_requests: impl Into<Option<u64>>) -> Self {
        self.settings().max_requests = max_requests.into().map(|requests| requests.max(1));
        self
    }

    /// Whether a connection that cannot be taken out of its client's pool is drained by a GOAWAY that the client
    /// is given as if the peer had sent it.
    ///
    /// The notice of a graceful shutdown that a peer gives first (GOAWAY with the highest stream id, RFC 9113, section 6.8) is held back
    /// in the same way: the requests that are on their way go out first, for half a second at the most, and new ones wait. hyper 1.12
    /// fails those that a GOAWAY finds in between, and nobody can tell whether the peer has processed them (see
    /// [`fate`](crate::fate#why-a-goaway-is-no-proof-by-itself)).
    ///
    /// For clients that have no pool to be told, tonic's for instance. Only under
    /// [`RetryOnCanceled`](crate::RetryOnCanceled): a request that is handed over in the very moment may come back unsent.
    pub fn own_goaway(mut self, own_goaway: bool) -> Self {
        self.config.own_goaway = own_goaway;
        self
    }

    /// How many requests go to an origin of whose stream limit nothing is known, 1 to 100; the others wait until its first
    /// SETTINGS have come, or it is known not to speak HTTP/2.
    ///
    /// More than one saves a round trip when many requests begin at once on a new client, and risks that a peer with a low
    /// limit refuses them.
    pub fn streams_before_settings(mut self, streams: u32) -> Self {
        self.config.streams_before_settings = streams;
        self
    }

    /// How long a request may wait while the peer's stream limit is used up. It then fails, provably not sent.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.config.max_wait = max_wait;
        self
    }

    /// How long a request may outlive its connection before it is ended.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// Whether a connection on which an attempt timed out is not used again, where nothing watches its socket. Where
    /// something does, a probe tells a dead connection from a slow server.
    pub fn retire_on_timeout(mut self, retire: bool) -> Self {
        self.config.retire_on_timeout = retire;
        self
    }

    /// How many events a reader of [`ConnectionHealth::subscribe`] may be behind, 1 to 65,536.
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.config.event_capacity = events;
        self
    }

    /// The object that both halves share.
    pub fn build(mut self) -> ConnectionHealth {
        let settings = self.settings();
        settings.dead_after = settings.dead_after.max(settings.probe_timeout);
        self.config.event_capacity = self.config.event_capacity.clamp(1, 65_536);
        ConnectionHealth::new(self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Q8: the maximum age comes apart by its jitter, and never gets longer.
    #[test]
    fn max_age_has_jitter() {
        let age = Duration::from_secs(100);
        let config = Builder::default().max_age(age).max_age_jitter(0.25).config;
        assert_eq!(config.settings(0.0).max_age, Some(age));
        assert_eq!(config.settings(1.0).max_age, Some(Duration::from_secs(75)));
        for odd in [f64::NAN, f64::INFINITY, -1.0, 7.0] {
            let config = Builder::default().max_age(Duration::MAX).max_age_jitter(odd).config;
            assert!(config.settings(odd).max_age <= Some(Duration::MAX));
        }
    }

    #[test]
    fn no_setting_panics() {
        for extreme in [Duration::ZERO, Duration::MAX] {
            let health = Builder::default()
                .probe_after(extreme)
                .verify_idle(extreme)
                .probe_timeout(extreme)
                .dead_after(extreme)
                .connect_timeout(extreme)
                .handshake_timeout(extreme)
                .max_age(extreme)
                .max_requests(0)
                .streams_before_settings(0)
                .max_wait(extreme)
                .grace(extreme)
                .event_capacity(if extreme.is_zero() { 0 } else { usize::MAX })
                .build();
            drop(health.subscribe());
        }
    }
}
