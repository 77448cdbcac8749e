//! What a failure proves.
//!
//! An HTTP client's error says what went wrong. Whether the request may be sent again depends on something else: on
//! what the error *proves* about the server. [`Failure::of`] walks the whole `source()` chain of an error and says so.
//!
//! ```
//! use std::io;
//! use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
//!
//! let error = io::Error::from(io::ErrorKind::ConnectionReset);
//! let failure = Failure::of(&error, BodyUse::Polled);
//!
//! assert_eq!(failure.fate(), Fate::Unknown); // the server may have acted on the request
//! assert_eq!(failure.cause(), Cause::Closed);
//! ```
//!
//! # The four fates
//!
//! | fate | what it proves | who may be sent again |
//! |---|---|---|
//! | [`NotSent`](Fate::NotSent) | no byte of the request left this process | any method |
//! | [`NotProcessed`](Fate::NotProcessed) | the server says that it did not process it | any method whose body can be sent again |
//! | [`Unknown`](Fate::Unknown) | nothing: the connection was lost, the server may have acted | idempotent requests (RFC 9110, section 9.2.2) |
//! | [`Permanent`](Fate::Permanent) | another attempt cannot help, or must not be made | nobody |
//!
//! Only the first two are proofs, and only a proof lets [`RetryOnCanceled`](crate::RetryOnCanceled) resend a request
//! that changes something.
//!
//! # The decision table
//!
//! The first row that matches wins, at whatever depth of the chain it is found. Accessors are asked first, `h2::Error`
//! second, [`io::ErrorKind`](std::io::ErrorKind) third; the text of an error never counts, since hyper promises nothing
//! about it.
//!
//! | # | what the chain shows | fate | cause |
//! |---|---|---|---|
//! | 1 | the request's own body failed ([`BodyUse::Failed`]) | `Permanent` | [`Body`](Cause::Body) |
//! | 2 | hyper-util refuses the request itself (relative URI, unsupported version); another error of the caller's (hyper's `is_user()`, reqwest's `is_builder()`, the settings of tonic's endpoint) | `Permanent` | [`Request`](Cause::Request) |
//! | 3 | hyper's `is_parse()`: the peer does not speak HTTP | `Permanent` | [`Parse`](Cause::Parse) |
//! | 4 | a connect failure with an io error of kind `InvalidData`, `InvalidInput` or `Unsupported`: certificates, TLS alerts, the connector's settings | `Permanent` | [`Certificate`](Cause::Certificate) |
//! | 5 | hyper's `is_canceled()`; a `TrySendError` that still holds the request ([`Failure::of_try_send`]) | `NotSent` | [`HandedBack`](Cause::HandedBack) |
//! | 6 | hyper-util's `is_connect()`, or its error has no `connect_info()`; an io error of kind `ConnectionRefused` that no connection's error wraps; tonic's `ConnectError` | `NotSent` | [`Connect`](Cause::Connect) |
//! | 7 | RST_STREAM or GOAWAY from the peer, HTTP_1_1_REQUIRED | `Permanent`; [below](#http_1_1_required) | [`Http11Required`](Cause::Http11Required) |
//! | 8 | RST_STREAM from the peer, REFUSED_STREAM (RFC 9113, section 8.7) | `NotProcessed` | [`Refused`](Cause::Refused) |
//! | 9 | GOAWAY from the peer (RFC 9113, section 6.8), body polled in this attempt | `NotProcessed` | [`GoAway`](Cause::GoAway) |
//! | 10 | GOAWAY from the peer, body not polled: every empty body is | `Unknown` | [`GoAway`](Cause::GoAway) |
//! | 11 | RST_STREAM from the peer: CANCEL, INTERNAL_ERROR, NO_ERROR, ENHANCE_YOUR_CALM, or a code that is not registered | `Unknown` | [`Reset`](Cause::Reset) |
//! | 12 | RST_STREAM from the peer, any other code | `Permanent` | [`Reset`](Cause::Reset) |
//! | 13 | this side's h2 ended it (`is_library()`) | `Unknown`, resent [at most once](Failure::at_most_once) | [`Local`](Cause::Local) |
//! | 14 | hyper's keep-alive timeout (`is_timeout()`); an io error `TimedOut`, which the kernel and [`health`](crate::health) give | `Unknown` | [`Silent`](Cause::Silent) |
//! | 15 | io errors `HostUnreachable`, `NetworkUnreachable` | `Unknown` | [`Unreachable`](Cause::Unreachable) |
//! | 16 | hyper's `is_incomplete_message()` or `is_closed()`; an io error of a connection, but for the kinds of row 4; io errors `BrokenPipe`, `ConnectionReset`, `ConnectionAborted`, `UnexpectedEof` from anywhere | `Unknown` | [`Closed`](Cause::Closed) |
//! | 17 | hyper's "dispatch task is gone" | `Unknown` | [`DispatchGone`](Cause::DispatchGone) |
//! | 18 | the timeout of `tower::timeout`, of `tokio::time`, of reqwest or of tonic | `Unknown`, resent only where [asked for](crate::RetryOnCanceledLayer::resend_timeouts) | [`Timeout`](Cause::Timeout) |
//! | 19 | anything else | `Permanent` | [`Other`](Cause::Other) |
//!
//! A [`Verdict`] in the chain, an error of a layer that knows what it proves, comes right after row 1.
//!
//! Rows 3 and 5 bend in one place: below a handed-back request hyper tells why the *connection* ended, a parse error
//! for instance. The request was not sent all the same, so the walk ends there.
//!
//! The walk also ends at an io error below an error of hyper's: the transport may itself be a stream of another connection
//! (a tunnel through a proxy), and what that was told is not about this request. That is why `ConnectionRefused` proves
//! nothing there: an ICMP message can give it to a connection that is long established.
//!
//! It ends as well at an error of reqwest's about a response that had come: its redirects, its status, its body.
//!
//! An error wrapped by `#[error(transparent)]`, or by another type whose `source()` skips it, cannot be seen; an `Arc` or
//! `Box` around one that is known can, and so can what reqwest-middleware's error holds.
//!
//! # Why a GOAWAY is no proof by itself
//!
//! hyper 1.12 fails a request with the connection's GOAWAY also where its HEADERS are on the wire already
//! (`proto/h2/client.rs`: after it queued them it asks again whether the connection is ready). A server that is
//! shutting down gracefully has then accepted the request, and answers it to nobody. Where hyper does that it never
//! polls the body, and where the stream truly lies above the GOAWAY's last stream id it has: so the body tells the two
//! apart, and a request without one cannot be told apart at all.
//!
//! # HTTP_1_1_REQUIRED
//!
//! The peer wants HTTP/1.1 instead of HTTP/2 (RFC 9113, section 7), and would turn the same request away again. Where a
//! [`downgrade`](crate::downgrade) sends the next attempt over HTTP/1.1, [`RetryOnCanceled`](crate::RetryOnCanceled) resends it
//! at once: after RST_STREAM it is `NotProcessed`; after GOAWAY what any GOAWAY makes of it, rows 9 and 10.
//!
//! # A proof speaks of the last hop
//!
//! Where the client below follows redirects, "not sent" is about the request that it made last, not about the one you
//! gave it. See [`RetryOnCanceledLayer::single_hop`](crate::RetryOnCanceledLayer::single_hop).

mod cause;
mod chain;
mod evidence;
mod h2;
mod hyper;
mod hyper_util;
mod io;
mod reason;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
mod table;
#[cfg(feature = "tonic")]
mod tonic;
mod tower;
mod verdict;

use std::error::Error;
use std::fmt;

pub use self::cause::Cause;
pub use self::reason::Reason;
pub use self::verdict::Verdict;
pub use crate::body_use::BodyUse;

pub(crate) use self::chain::sources;
#[cfg(feature = "tonic")]
pub(crate) use self::h2::is_cancel_of_ours;
pub(crate) use self::h2::is_stream_error_of_ours;
pub(crate) use self::hyper::is_http1;
pub(crate) use self::hyper_util::connect_info;

use self::evidence::Evidence;

/// What a failure proves about the request.
///
/// See the [module](self) for how it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// No byte of the request left this process.
    NotSent,
    /// The server says that it did not process the request.
    NotProcessed,
    /// The connection was lost, or the server gave up; it may have acted on the request.
    Unknown,
    /// Another attempt cannot help, or must not be made.
    Permanent,
}

impl Fate {
    /// Whether this proves that the server did not act on the request.
    #[must_use]
    pub const fn is_proof(self) -> bool {
        matches!(self, Self::NotSent | Self::NotProcessed)
    }

    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::NotProcessed => "not_processed",
            Self::Unknown => "unknown",
            Self::Permanent => "permanent",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Fate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// One attempt's failure: what it proves, and why it came.
///
/// ```
/// use std::io;
///
/// use tower_redial::{BodyUse, Cause, Failure, Fate};
///
/// // The socket broke when nothing of the body had been taken yet, its head perhaps had.
/// let error = io::Error::from(io::ErrorKind::ConnectionReset);
/// let failure = Failure::of(&error, BodyUse::Untouched);
/// assert_eq!(failure.fate(), Fate::Unknown);
/// assert!(!failure.fate().is_proof()); // a POST is not sent again
/// assert!(failure.connection_is_dead());
/// # assert_eq!(failure.cause(), Cause::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    fate: Fate,
    cause: Cause,
    connection_dead: bool,
    at_most_once: bool,
}

impl Failure {
    /// Reads an error, down its whole chain of sources.
    ///
    /// `body` says what became of the request's body in this attempt; [`ReplayBody`](crate::ReplayBody) knows. Who
    /// cannot tell says [`BodyUse::Untouched`], which claims the least.
    ///
    /// The error must be that of the response's future. One that came while the *response's* body was read, or from an
    /// upgrade that was awaited, is about something else, and its fate is not asked here: hyper says `Canceled` of both.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static), body: BodyUse) -> Self {
        Evidence::of(error).decide(body)
    }

    /// The same, where it may be known that the next attempt goes over HTTP/1.1.
    pub(crate) fn of_attempt(error: &(dyn Error + 'static), body: BodyUse, over_http1: bool) -> Self {
        Evidence { over_http1, ..Evidence::of(error) }.decide(body)
    }

    /// Of an error that a connector gave: no connection came to be.
    #[cfg(feature = "connect")]
    pub(crate) fn of_connect(error: &(dyn Error + 'static)) -> Self {
        Evidence { connect: true, ..Evidence::of(error) }.decide(BodyUse::Untouched)
    }

    /// What it proves.
    #[must_use]
    pub const fn fate(&self) -> Fate {
        self.fate
    }

    /// Why it came.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether the connection that the request was on must not be used again.
    ///
    /// `false` where there was none, where only the stream ended, and where the error does not tell.
    #[must_use]
    pub const fn connection_is_dead(&self) -> bool {
        self.connection_dead
    }

    /// Whether a resend after this failure helps once at the most: the fault is likely to be met again.
    #[must_use]
    pub const fn at_most_once(&self) -> bool {
        self.at_most_once
    }

    pub(crate) const fn new(fate: Fate, cause: Cause) -> Self {
        Self { fate, cause, connection_dead: false, at_most_once: false }
    }

    pub(crate) const fn dead(mut self) -> Self {
        self.connection_dead = true;
        self
    }

    const fn once(mut self) -> Self {
        self.at_most_once = true;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.fate, self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_say_what_they_are() {
        for (fate, label, is_proof) in [
            (Fate::NotSent, "not_sent", true),
            (Fate::NotProcessed, "not_processed", true),
            (Fate::Unknown, "unknown", false),
            (Fate::Permanent, "permanent", false),
        ] {
            assert_eq!((fate.label(), fate.to_string().as_str(), fate.is_proof()), (label, label, is_proof));
            #[cfg(feature = "serde")]
            assert_eq!(serde_json::to_string(&fate).unwrap(), format!("\"{label}\""));
        }
    }

    #[test]
    fn a_failure_says_its_fate_and_its_cause() {
        let failure = Failure::new(Fate::NotSent, Cause::Connect);
        assert_eq!(failure.to_string(), "not_sent (connect)");
    }
}
