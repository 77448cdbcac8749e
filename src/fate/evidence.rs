//! What a chain of errors shows, before anything is decided.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;

use super::{Failure, Reason};

/// Where the walk down the chain goes after an error that one of the readers knew.
pub(super) enum Next<'a> {
    /// To this error's source.
    Source,
    /// To an error that `source()` does not show.
    Into(&'a (dyn Error + 'static)),
    /// Nowhere: what lies below is not about this request.
    Stop,
}

/// The error as a `T`, also where it is behind the `Arc` or `Box` of a layer that shares or boxes it: their `source()`
/// leaves the error itself out.
pub(super) fn downcast<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    error
        .downcast_ref::<T>()
        .or_else(|| error.downcast_ref::<Arc<T>>().map(|shared| &**shared))
        .or_else(|| error.downcast_ref::<Box<T>>().map(|boxed| &**boxed))
}

/// What a chain of errors shows. The order in which it is weighed is in `table.rs`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// An error said itself what it proves.
    pub(super) verdict: Option<Failure>,
    /// The error came from a connection that the request was given to: below it lies the transport.
    pub(super) on_connection: bool,
    /// hyper gave the request back.
    pub(super) handed_back: bool,
    /// No connection was established, or none was ever assigned to the request.
    pub(super) connect: bool,
    /// The request itself cannot be sent.
    pub(super) request: bool,
    /// The peer's bytes could not be parsed.
    pub(super) parse: bool,
    /// The connection's task is gone.
    pub(super) dispatch_gone: bool,
    /// A keep-alive ping went unanswered.
    pub(super) silent: bool,
    /// The message was cut short, or the connection's channel closed.
    pub(super) closed: bool,
    /// A timeout above the client fired.
    pub(super) elapsed: bool,
    /// The next attempt goes over HTTP/1.1.
    pub(super) over_http1: bool,
    /// The HTTP/2 frame that the error came from.
    pub(super) frame: Option<Frame>,
    /// The outermost telling kind of an io error.
    pub(super) io: Option<ErrorKind>,
}

/// What an `h2::Error` was made from, as far as a resend cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A RST_STREAM that the peer sent.
    RemoteReset(Reason),
    /// A GOAWAY that the peer sent.
    RemoteGoAway(Reason),
    /// A reset or GOAWAY that this side's h2 made for an error of the peer's.
    Library(Reason),
}
