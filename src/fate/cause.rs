use std::fmt;

use super::Reason;

/// Why an attempt failed, in words that logs and metrics can use.
///
/// A cause says what happened; only the [`Fate`](super::Fate) says what it proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The connection closed before the request was written, and the request came back: hyper's
    /// `Canceled, "connection closed"`.
    HandedBack,
    /// No connection came to be, or none was ever given to the request.
    Connect,
    /// The server refused the stream before any processing: RST_STREAM(REFUSED_STREAM), RFC 9113, section 8.7.
    Refused,
    /// The server sent GOAWAY: RFC 9113, section 6.8.
    GoAway {
        /// The error code in the frame.
        reason: Reason,
    },
    /// The server reset the stream.
    Reset {
        /// The error code in the frame.
        reason: Reason,
    },
    /// The server wants HTTP/1.1 for this request: RST_STREAM or GOAWAY with HTTP_1_1_REQUIRED.
    Http11Required,
    /// The connection was closed, reset or cut while the request was on it.
    Closed,
    /// The connection fell silent and was given up: a ping went unanswered, or TCP's own patience ended.
    Silent,
    /// The host or the network could not be reached, and nothing says whether before or after the request was written.
    Unreachable,
    /// The task that drove the connection is gone: hyper's `User(DispatchGone)`.
    DispatchGone,
    /// A timeout above the client ended the attempt.
    Timeout,
    /// This side's HTTP/2 library ended the stream or the connection for an error that it found in what the peer sent.
    Local {
        /// The error code this side gave.
        reason: Reason,
    },
    /// The request's own body failed.
    Body,
    /// The request, or how it was made, is wrong: no client could send it.
    Request,
    /// The peer's bytes are not HTTP.
    Parse,
    /// The peer's certificate, or what was said in the TLS handshake, was not acceptable; or the connector's settings
    /// are.
    Certificate,
    /// Anything that this crate does not know.
    Other,
}

impl Cause {
    /// A short, stable name without the code, in snake case: a label for metrics, of bounded cardinality.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::HandedBack => "handed_back",
            Self::Connect => "connect",
            Self::Refused => "refused",
            Self::GoAway { .. } => "goaway",
            Self::Reset { .. } => "reset",
            Self::Http11Required => "http_1_1_required",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::DispatchGone => "dispatch_gone",
            Self::Timeout => "timeout",
            Self::Local { .. } => "local",
            Self::Body => "body",
            Self::Request => "request",
            Self::Parse => "parse",
            Self::Certificate => "certificate",
            Self::Other => "other",
        }
    }

    /// The HTTP/2 error code that came with it, where one did.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::GoAway { reason } | Self::Reset { reason } | Self::Local { reason } => Some(*reason),
            Self::Refused => Some(Reason::REFUSED_STREAM),
            Self::Http11Required => Some(Reason::HTTP_1_1_REQUIRED),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GoAway { reason } => write!(f, "goaway({reason})"),
            Self::Reset { reason } => write!(f, "reset({reason})"),
            Self::Local { reason } => write!(f, "local({reason})"),
            other => f.write_str(other.label()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_stable() {
        let reason = Reason::CANCEL;
        for (cause, label, shown) in [
            (Cause::HandedBack, "handed_back", "handed_back"),
            (Cause::GoAway { reason }, "goaway", "goaway(CANCEL)"),
            (Cause::Reset { reason }, "reset", "reset(CANCEL)"),
            (Cause::Local { reason }, "local", "local(CANCEL)"),
            (Cause::Http11Required, "http_1_1_required", "http_1_1_required"),
            (Cause::DispatchGone, "dispatch_gone", "dispatch_gone"),
        ] {
            assert_eq!((cause.label(), cause.to_string().as_str()), (label, shown));
        }
    }

    #[test]
    fn a_cause_knows_its_code() {
        let reason = Reason::ENHANCE_YOUR_CALM;
        for cause in [Cause::GoAway { reason }, Cause::Reset { reason }, Cause::Local { reason }] {
            assert_eq!(cause.reason(), Some(reason));
        }
        assert_eq!(Cause::Refused.reason(), Some(Reason::REFUSED_STREAM));
        assert_eq!(Cause::Http11Required.reason(), Some(Reason::HTTP_1_1_REQUIRED));
        assert_eq!(Cause::Closed.reason(), None);
    }
}
