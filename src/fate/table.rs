//! The decision table: from what a chain of errors shows to what it proves.

use std::io::ErrorKind;

use super::evidence::{Evidence, Frame};
use super::{BodyUse, Cause, Failure, Fate, Reason};

impl Evidence {
    /// The decision table of the [module](super), row by row: the first that matches wins.
    pub(super) fn decide(&self, body: BodyUse) -> Failure {
        if body == BodyUse::Failed {
            return Failure::new(Fate::Permanent, Cause::Body);
        }
        self.verdict
            .or_else(|| self.hopeless())
            .or_else(|| self.unsent())
            .or_else(|| self.frame.and_then(|frame| by_frame(frame, body, self.over_http1)))
            .or_else(|| self.lost())
            .unwrap_or(Failure::new(Fate::Permanent, Cause::Other))
    }

    /// Errors that another attempt would meet again.
    fn hopeless(&self) -> Option<Failure> {
        let cause = if self.request {
            Cause::Request
        } else if self.parse {
            let failure = Failure::new(Fate::Permanent, Cause::Parse);
            // Below a connect there was no connection yet: that was a proxy.
            return Some(if self.connect { failure } else { failure.dead() });
        } else if self.connect && self.io.is_some_and(is_certificate_or_configuration) {
            Cause::Certificate
        } else {
            return None;
        };
        Some(Failure::new(Fate::Permanent, cause))
    }

    /// No byte of the request left this process.
    fn unsent(&self) -> Option<Failure> {
        if self.handed_back {
            Some(Failure::new(Fate::NotSent, Cause::HandedBack))
        } else if self.connect || (self.io == Some(ErrorKind::ConnectionRefused) && !self.on_connection) {
            Some(Failure::new(Fate::NotSent, Cause::Connect))
        } else {
            None
        }
    }

    /// The connection was lost with the request on it, or somebody stopped waiting.
    fn lost(&self) -> Option<Failure> {
        let dead = |cause| Some(Failure::new(Fate::Unknown, cause).dead());
        // Whoever gave the connection up: the kernel, a keep-alive, or `health`, whose error h2 keeps the kind of only.
        if self.silent || self.io == Some(ErrorKind::TimedOut) {
            return dead(Cause::Silent);
        }
        if matches!(self.io, Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)) {
            return dead(Cause::Unreachable);
        }
        // On a connection any io error is the transport's; elsewhere only the kinds that a transport gives.
        let lost = |kind| if self.on_connection { !is_certificate_or_configuration(kind) } else { is_loss(kind) };
        if self.closed || self.io.is_some_and(lost) {
            return dead(Cause::Closed);
        }
        if self.dispatch_gone {
            return dead(Cause::DispatchGone);
        }
        // A timeout proves nothing about the connection: the server may just be slow.
        self.elapsed.then(|| Failure::new(Fate::Unknown, Cause::Timeout))
    }
}

/// What a peer's or a local HTTP/2 frame proves.
fn by_frame(frame: Frame, body: BodyUse, over_http1: bool) -> Option<Failure> {
    // hyper 1.12 also gives a GOAWAY's error to a request whose HEADERS are on the wire, but never once it has polled the body
    // (`proto/h2/client.rs`, the second `poll_ready` in `ClientTask`).
    let by_goaway = if body == BodyUse::Polled { Fate::NotProcessed } else { Fate::Unknown };
    Some(match frame {
        Frame::RemoteReset(Reason::HTTP_1_1_REQUIRED) if over_http1 => {
            Failure::new(Fate::NotProcessed, Cause::Http11Required).dead().once()
        }
        Frame::RemoteGoAway(Reason::HTTP_1_1_REQUIRED) if over_http1 => {
            Failure::new(by_goaway, Cause::Http11Required).dead().once()
        }
        // Whether by reset or by GOAWAY: the same request over HTTP/2 would be turned away again (RFC 9113, section 7).
        Frame::RemoteReset(Reason::HTTP_1_1_REQUIRED) | Frame::RemoteGoAway(Reason::HTTP_1_1_REQUIRED) => {
            Failure::new(Fate::Permanent, Cause::Http11Required).dead()
        }
        Frame::RemoteReset(Reason::REFUSED_STREAM) => Failure::new(Fate::NotProcessed, Cause::Refused),
        Frame::RemoteGoAway(reason) => Failure::new(by_goaway, Cause::GoAway { reason }).dead(),
        Frame::RemoteReset(reason) if may_help(reason) => Failure::new(Fate::Unknown, Cause::Reset { reason }),
        // The peer, or the connection, has a wrong idea of the other: the connection is not to be used again.
        Frame::RemoteReset(reason) => Failure::new(Fate::Permanent, Cause::Reset { reason }).dead(),
        Frame::Library(reason) => Failure::new(Fate::Unknown, Cause::Local { reason }).dead().once(),
    })
}

/// Resets after which another attempt may fare better. Codes that are not registered count as INTERNAL_ERROR, as RFC
/// 9113, section 7 allows.
fn may_help(reason: Reason) -> bool {
    matches!(reason, Reason::NO_ERROR | Reason::INTERNAL_ERROR | Reason::CANCEL | Reason::ENHANCE_YOUR_CALM)
        || reason.name().is_none()
}

/// Kinds that mean that the transport is gone.
fn is_loss(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof
    )
}

/// Kinds that a connector gives for what a second connect would meet again: rustls reports certificates and alerts as
/// `InvalidData`, host names and addresses that are none are `InvalidInput`.
fn is_certificate_or_configuration(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_io(kind: ErrorKind, on_connection: bool, connect: bool) -> (Fate, Cause) {
        let failure =
            Evidence { io: Some(kind), on_connection, connect, ..Evidence::default() }.decide(BodyUse::Polled);
        (failure.fate(), failure.cause())
    }

    /// On a connection any io error is the transport's, but for one that would come again; elsewhere only what a transport gives.
    #[test]
    fn an_io_error_counts_by_where_it_came_from() {
        let lost = (Fate::Unknown, Cause::Closed);
        let nobodys = (Fate::Permanent, Cause::Other);
        for kind in
            [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted, ErrorKind::UnexpectedEof]
        {
            assert_eq!([of_io(kind, false, false), of_io(kind, true, false)], [lost, lost], "{kind}");
        }
        assert_eq!(
            [of_io(ErrorKind::NotFound, false, false), of_io(ErrorKind::NotFound, true, false)],
            [nobodys, lost]
        );
        for kind in [ErrorKind::InvalidData, ErrorKind::InvalidInput, ErrorKind::Unsupported] {
            assert_eq!([of_io(kind, false, false), of_io(kind, true, false)], [nobodys, nobodys], "{kind}");
            assert_eq!(of_io(kind, false, true), (Fate::Permanent, Cause::Certificate), "{kind}");
        }
        assert_eq!(of_io(ErrorKind::BrokenPipe, false, true), (Fate::NotSent, Cause::Connect));
    }
}
