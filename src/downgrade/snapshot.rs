use std::time::Duration;

use crate::health::Origin;

/// The origins of which something is known, from [`Downgrade::snapshot`](super::Downgrade::snapshot).
///
/// An origin that never was in trouble is not among them. With the feature `serde` it can be serialized; durations are then
/// seconds and nanoseconds, as serde has them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// In the order of their names.
    pub origins: Vec<OriginSnapshot>,
}

/// One origin.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OriginSnapshot {
    /// The origin.
    pub origin: Origin,
    /// What it gets.
    pub state: State,
    /// How many HTTP/2 connections in a row have died before they were of use, within the time that is looked at.
    pub died: usize,
    /// How often it went over to HTTP/1.1, or stayed with it after a probe.
    pub downgrades: u64,
}

/// What an origin gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum State {
    /// HTTP/2, or whatever its client and it agree on.
    Http2,
    /// HTTP/1.1.
    Http1 {
        /// How long it will; after that the next request tries HTTP/2.
        left: Duration,
    },
    /// HTTP/1.1, and one request is trying HTTP/2.
    Probing,
}
