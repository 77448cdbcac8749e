//! What happens to origins, told to whoever wants to know.

use std::fmt;
use std::time::Duration;

use crate::health::Origin;

/// Something happened to an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Event {
    /// The origin.
    pub origin: Origin,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EventKind {
    /// An HTTP/2 connection died before it was of use, and not enough of them have yet.
    Died {
        /// How many have, with this one.
        in_a_row: u32,
    },
    /// It gets HTTP/1.1 from now on.
    Downgraded {
        /// Why.
        reason: Trouble,
        /// For how long.
        lasting: Duration,
    },
    /// That time is over, and one request tries HTTP/2.
    Probing,
    /// That request showed nothing: it was given up, say. Another tries after an eighth of the time, and ever later if that shows
    /// nothing either.
    Inconclusive,
    /// That request was answered. All go over HTTP/2 again.
    Restored,
}

impl EventKind {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Died { .. } => "died",
            Self::Downgraded { .. } => "downgraded",
            Self::Probing => "probing",
            Self::Inconclusive => "inconclusive",
            Self::Restored => "restored",
        }
    }
}

/// Why an origin gets HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Trouble {
    /// It asked for it: RST_STREAM or GOAWAY with HTTP_1_1_REQUIRED (RFC 9113, section 7).
    #[cfg_attr(feature = "serde", serde(rename = "http_1_1_required"))]
    Http11Required,
    /// Its HTTP/2 connections died before they were of use.
    Died,
}

impl Trouble {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Http11Required => "http_1_1_required",
            Self::Died => "died",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
