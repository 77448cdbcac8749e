//! What is known of each stream of a connection, for a client that knows which of them a request is.
//!
//! A stream whose HEADERS were never given to the transport was not sent, and one above the last stream id of the peer's GOAWAY
//! was not processed (RFC 9113, section 6.8). The first is only as good as the transport's silence afterwards: so what was
//! told to be unsent [stays](Streams::seal) unsent.
//!
//! No clock and no IO.

use super::frame::{Event, Frame, Header};
use crate::fate::Reason;

/// The type of a HEADERS frame (RFC 9113, section 6.2).
const HEADERS: u8 = 0x1;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Streams {
    /// Something relies on this, so that every write has to be offered first.
    pub(super) exact: bool,
    /// The highest stream of which a byte of its HEADERS went out.
    begun: u32,
    /// The highest stream whose HEADERS the transport may be taking just now, or has when it failed.
    offered: u32,
    /// The highest stream whose HEADERS the transport could not take. TLS may have made a record of them all the same, and
    /// would send that when it says goodbye.
    refused: u32,
    /// A frame's header is not out whole: its stream is not known.
    torn: bool,
    /// Nothing goes out any more.
    sealed: bool,
    goaway: Option<(u32, Reason)>,
}

/// What the wire says of a stream whose response has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// No byte of it went out, and none will.
    NotSent,
    /// The peer says in its GOAWAY that it was not and will not be processed.
    Ignored(Reason),
    /// It went out.
    Sent,
}

/// What a write is about to give to the transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The highest stream that HEADERS are in it for; 0 if there are none.
    pub(super) stream_id: u32,
    /// It ends within a frame's header.
    pub(super) torn: bool,
}

impl Offer {
    /// Counts a frame's header in.
    pub(super) fn header(&mut self, header: &Header) {
        if header.kind == HEADERS {
            self.stream_id = self.stream_id.max(header.stream_id);
        }
    }
}

impl Streams {
    pub(super) fn outbound(&mut self, event: &Event) {
        if let Event::Begin(header) = event {
            if header.kind == HEADERS {
                self.begun = self.begun.max(header.stream_id);
            }
        }
    }

    pub(super) fn inbound(&mut self, event: &Event) {
        if let Event::End(Frame::GoAway { last_stream_id, reason, .. }) = event {
            // What the peer once said that it would not process, it will not.
            if self.goaway.is_none_or(|(last, _)| *last_stream_id < last) {
                self.goaway = Some((*last_stream_id, *reason));
            }
        }
    }

    /// The transport is about to be given this. `false` if it must not be.
    pub(super) fn offer(&mut self, offer: Offer) -> bool {
        self.offered = self.offered.max(offer.stream_id);
        self.torn |= offer.torn;
        !self.sealed
    }

    /// The transport has taken what the events told of, and nothing else. `torn` if that ends within a frame's header.
    pub(super) fn taken(&mut self, torn: bool) {
        self.offered = self.begun;
        self.torn = torn;
    }

    /// The transport has no room.
    pub(super) fn not_taken(&mut self, torn: bool) {
        self.refused = self.refused.max(self.offered);
        self.taken(torn);
    }

    /// The transport is about to be shut down. `false` if it must not be, but just dropped.
    pub(super) fn shut(&mut self) -> bool {
        self.offered = self.offered.max(self.refused);
        !self.sealed
    }

    /// The highest stream of which a byte of its HEADERS went out.
    pub(super) const fn begun(&self) -> u32 {
        self.begun
    }

    /// What is true of a stream that has failed; `ended` if all of its connection has.
    pub(super) fn truth(&mut self, stream_id: u32, ended: bool) -> Truth {
        let ignored = self.goaway.filter(|(last, _)| stream_id > *last);
        let untouched = self.exact && !self.torn && stream_id > self.begun.max(self.offered);
        match ignored {
            // Its HEADERS may still go out, but not to be processed.
            Some(_) if untouched => Truth::NotSent,
            Some((_, reason)) => Truth::Ignored(reason),
            None if untouched && ended => {
                self.seal();
                Truth::NotSent
            }
            None => Truth::Sent,
        }
    }

    /// Nothing goes out any more: an HTTP/2 endpoint may have HEADERS in a buffer that it flushes as it ends.
    fn seal(&mut self) {
        self.sealed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(stream_id: u32) -> Event {
        Event::Begin(Header { length: 1, kind: HEADERS, flags: 0, stream_id })
    }

    fn goaway(last_stream_id: u32) -> Event {
        let debug_data = super::super::frame::DebugData::empty();
        Event::End(Frame::GoAway { last_stream_id, reason: Reason::NO_ERROR, debug_data })
    }

    fn exact() -> Streams {
        Streams { exact: true, ..Streams::default() }
    }

    #[test]
    fn what_went_out_is_sent() {
        let mut streams = exact();
        assert!(streams.offer(Offer { stream_id: 3, torn: false }));
        assert_eq!(streams.truth(3, true), Truth::Sent, "the transport may have it");
        streams.outbound(&begin(1));
        streams.taken(false);
        assert_eq!(streams.truth(1, true), Truth::Sent);
        assert_eq!(streams.truth(3, false), Truth::Sent, "the connection lives on, and may send it");
        assert_eq!(streams.truth(3, true), Truth::NotSent);
        assert!(!streams.offer(Offer { stream_id: 3, torn: false }), "and it stays unsent");
    }

    #[test]
    fn a_transport_that_fails_may_have_taken_all() {
        let mut streams = exact();
        assert!(streams.offer(Offer { stream_id: 3, torn: false }));
        assert_eq!((streams.truth(3, true), streams.truth(5, true)), (Truth::Sent, Truth::NotSent));
    }

    /// TLS may have made a record of what it did not take, and sends it as it says goodbye.
    #[test]
    fn a_goodbye_may_send_what_was_not_taken() {
        let mut streams = exact();
        assert!(streams.offer(Offer { stream_id: 1, torn: false }));
        streams.not_taken(false);
        assert!(streams.shut());
        assert_eq!(streams.truth(1, true), Truth::Sent);

        let mut streams = exact();
        assert!(streams.offer(Offer { stream_id: 1, torn: false }));
        streams.not_taken(false);
        assert_eq!(streams.truth(1, true), Truth::NotSent);
        assert!(!streams.shut());
    }

    #[test]
    fn half_a_header_may_be_anybodys() {
        let mut streams = exact();
        assert!(streams.offer(Offer { stream_id: 0, torn: true }));
        streams.taken(true);
        assert_eq!(streams.truth(5, true), Truth::Sent);
    }

    /// C8, C9: above the last stream id, and not at it.
    #[test]
    fn the_smallest_last_stream_id_counts() {
        let mut streams = exact();
        for stream_id in [1, 3, 5, 7] {
            streams.outbound(&begin(stream_id));
        }
        streams.taken(false);
        streams.inbound(&goaway(0x7fff_ffff));
        assert_eq!(streams.truth(7, false), Truth::Sent);
        streams.inbound(&goaway(3));
        streams.inbound(&goaway(5));
        assert_eq!([3, 5].map(|id| streams.truth(id, true)), [Truth::Sent, Truth::Ignored(Reason::NO_ERROR)]);
        assert_eq!(streams.truth(9, false), Truth::NotSent);
        assert!(streams.offer(Offer::default()), "what the peer still answers goes on");
    }

    #[test]
    fn without_offers_nothing_is_unsent() {
        assert_eq!(Streams::default().truth(1, true), Truth::Sent);
    }
}
