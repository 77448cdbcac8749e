//! What is sent. It follows from a request's number, so that nobody has to remember it.

use bytes::Bytes;
use http::Method;

use crate::support::files::noise;

/// One sort of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Put,
    /// Its body is there at once.
    Post,
    /// Its body comes in pieces, and nobody was told how long it is.
    StreamedPost,
    /// What became of it no client can see from its body.
    EmptyPost,
    /// It may be processed twice, since its caller says so by an `Idempotency-Key`.
    KeyedPost,
}

/// Downloads have numbers from here on: they are GETs, whichever [`Kind`] their number would give.
pub(crate) const DOWNLOADS: u64 = 1 << 63;

const IN_TURN: [Kind; 8] =
    [Kind::Get, Kind::Post, Kind::EmptyPost, Kind::Put, Kind::StreamedPost, Kind::Get, Kind::Post, Kind::KeyedPost];

impl Kind {
    /// The kind of the request with this number.
    pub(crate) fn of(number: u64) -> Self {
        if number >= DOWNLOADS { Self::Get } else { IN_TURN[(number % IN_TURN.len() as u64) as usize] }
    }

    /// Whether it may be processed twice (RFC 9110, section 9.2.2).
    pub(crate) fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Put | Self::KeyedPost)
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Put => Method::PUT,
            Self::Post | Self::StreamedPost | Self::EmptyPost | Self::KeyedPost => Method::POST,
        }
    }

    /// Its body; that of every request is another.
    pub(crate) fn body(self, number: u64) -> Bytes {
        match self {
            Self::Get | Self::EmptyPost => Bytes::new(),
            Self::Post if number % 16 == 6 => noise(number, 4_096),
            Self::Post | Self::KeyedPost => noise(number, 32),
            Self::Put => noise(number, 512),
            Self::StreamedPost => noise(number, 2_000),
        }
    }
}
