//! Where a connection stands, why, and what follows.

use std::fmt;

use crate::fate::Reason;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum State {
    /// It admits requests.
    Open,
    /// It heard nothing after a probe. It admits nothing new, until it hears something.
    Silent,
    /// It is to be replaced. It admits nothing new; what is open finishes.
    Draining(Drain),
    /// It has ended, or is being failed.
    Closed(Close),
}

impl State {
    /// Whether new requests may be sent on it.
    #[must_use]
    pub const fn admits(self) -> bool {
        matches!(self, Self::Open)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Silent => f.write_str("silent"),
            Self::Draining(drain) => write!(f, "draining: {drain}"),
            Self::Closed(close) => write!(f, "closed: {close}"),
        }
    }
}

/// Why a connection is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Drain {
    /// The peer sent GOAWAY.
    GoAway {
        /// Its code.
        reason: Reason,
    },
    /// It is as old as it may get.
    Age,
    /// It has had as many requests as it may have.
    Requests,
    /// Its stream ids run out.
    StreamIds,
    /// The peer reset a stream with PROTOCOL_ERROR: one has a wrong idea of the other.
    ProtocolError,
    /// The peer refused streams below its own limit, more than once.
    Refused,
    /// It was silent for too long, and what uses it was told not to use it again.
    Silence,
    /// The caller asked for it.
    Asked,
}

impl Drain {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::GoAway { .. } => "goaway",
            Self::Age => "age",
            Self::Requests => "requests",
            Self::StreamIds => "stream_ids",
            Self::ProtocolError => "protocol_error",
            Self::Refused => "refused",
            Self::Silence => "silence",
            Self::Asked => "asked",
        }
    }
}

/// The label, and the code of a GOAWAY.
impl fmt::Display for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GoAway { reason } => write!(f, "goaway({reason})"),
            other => f.write_str(other.label()),
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Close {
    /// No SETTINGS came in time.
    Handshake,
    /// A probe went unanswered.
    Dead,
    /// The peer closed it.
    Peer,
    /// The client let go of it: nothing was open any more, or it was told to.
    Client,
    /// The transport failed.
    Transport,
}

impl Close {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Dead => "dead",
            Self::Peer => "peer",
            Self::Client => "client",
            Self::Transport => "transport",
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send a PING, at the next frame boundary.
    Probe,
    /// Fail the transport, so that every request on it fails now.
    Fail(Close),
}
