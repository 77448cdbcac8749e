use std::time::Duration;

use super::machine::{Drain, State};
use super::{ConnectionId, Origin};
use crate::fate::Fate;

/// All connections and origins at one moment, from [`ConnectionHealth::snapshot`](super::ConnectionHealth::snapshot).
///
/// With the feature `serde` it can be serialized; durations are then seconds and nanoseconds, as serde has them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The connections that live, oldest first.
    pub connections: Vec<ConnectionSnapshot>,
    /// The last connections that ended, at most 64, oldest first.
    pub ended: Vec<ConnectionSnapshot>,
    /// The origins that connections or requests went to, in the order of their names.
    pub origins: Vec<OriginSnapshot>,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Protocol {
    /// Nothing was sent yet.
    #[default]
    Unknown,
    /// HTTP/2: its preface went out.
    Http2,
    /// Anything else: HTTP/1.1, as a rule.
    Other,
}

impl Protocol {
    /// OpenTelemetry's `network.protocol.version`, where it is known.
    #[must_use]
    pub const fn version(self) -> Option<&'static str> {
        match self {
            Self::Http2 => Some("2"),
            Self::Other => Some("1.1"),
            Self::Unknown => None,
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectionSnapshot {
    /// Tells it from every other.
    pub id: ConnectionId,
    /// Where it goes.
    pub origin: Origin,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// Where it stands, and why it drains or has ended.
    pub state: State,
    /// Why it was drained, also once it has ended.
    pub drained: Option<Drain>,
    /// Since it was established; for one that ended, to its end.
    pub age: Duration,
    /// Since its last byte came in.
    pub idle: Duration,
    /// HTTP/2 streams that are open.
    pub open_streams: usize,
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS, if it has set one.
    pub max_concurrent_streams: Option<u32>,
    /// How long its last probe took to be answered.
    pub round_trip: Option<Duration>,
    /// Probes sent.
    pub probes: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Requests that it had: HTTP/2 streams, or, where it speaks something else, those that came through the layer.
    pub requests: u64,
    /// The debug data of the peer's GOAWAY, its beginning. The peer chose it: escape it before it is shown.
    pub debug_data: Option<Vec<u8>>,
}

/// One origin.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OriginSnapshot {
    /// The origin.
    pub origin: Origin,
    /// How many of its connections live.
    pub connections: usize,
    /// Requests under way, where they are counted: from their beginning to the end of the response's body.
    pub in_flight: usize,
    /// Requests that wait because the peer's stream limit is used up.
    pub waiting: usize,
    /// Attempts that were answered, whatever the status.
    pub answered: u64,
    /// Attempts that failed, by what that proves and why.
    pub failures: Vec<FailureCount>,
}

/// How often attempts at an origin failed in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FailureCount {
    /// What it proves, as far as it can be told without the request's body.
    pub fate: Fate,
    /// The [label](crate::Cause::label) of the cause.
    pub cause: &'static str,
    /// How often.
    pub count: u64,
}
