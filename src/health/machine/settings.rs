use std::time::Duration;

/// The times and limits of one connection.
///
/// # Default
///
/// | | |
/// |---|---|
/// | `probe_after` | 15 s |
/// | `verify_idle` | 10 s |
/// | `probe_timeout` | 5 s |
/// | `dead_after` | 15 s |
/// | `handshake_timeout` | 10 s |
/// | `max_age`, `max_requests` | none |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an open stream may hear nothing before the connection is probed.
    pub probe_after: Duration,
    /// How long a connection may have heard nothing before its next request is accompanied by a probe.
    pub verify_idle: Duration,
    /// How long after a probe nothing new is admitted, if no byte comes.
    pub probe_timeout: Duration,
    /// How long after a probe the connection is failed, if no byte comes.
    pub dead_after: Duration,
    /// How long the peer's SETTINGS may take after the client's preface.
    pub handshake_timeout: Duration,
    /// When the connection is drained, from its beginning. Jitter is the caller's.
    pub max_age: Option<Duration>,
    /// After how many requests the connection is drained.
    pub max_requests: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            probe_after: Duration::from_secs(15),
            verify_idle: Duration::from_secs(10),
            probe_timeout: Duration::from_secs(5),
            dead_after: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(10),
            max_age: None,
            max_requests: None,
        }
    }
}
