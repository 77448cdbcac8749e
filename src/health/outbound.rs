//! What goes out: the client's bytes, and between its frames a PING of our own. No IO.

use super::frame::{Event, Frame, Scanner};
use super::inbound::{FRAME, ping};
use super::streams::Offer;

/// The outbound direction.
#[derive(Debug)]
pub(super) struct Outbound {
    scanner: Scanner,
    /// The client's SETTINGS are out.
    settings: bool,
    /// What is still to be written of a PING of ours.
    ours: [u8; FRAME],
    ours_left: usize,
}

impl Outbound {
    pub(super) const fn new() -> Self {
        Self { scanner: Scanner::outbound(), settings: false, ours: [0; FRAME], ours_left: 0 }
    }

    /// Looks at bytes that were written.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut told: impl FnMut(Event)) {
        while let Some(event) = self.scanner.next(&mut bytes) {
            self.settings |= matches!(event, Event::End(Frame::Settings { ack: false, .. }));
            told(event);
        }
    }

    /// What these bytes would begin.
    pub(super) fn offer<'a>(&self, bufs: impl Iterator<Item = &'a [u8]>) -> Offer {
        let mut ahead = self.scanner.clone();
        let mut offer = Offer::default();
        for mut bytes in bufs {
            while let Some(event) = ahead.next(&mut bytes) {
                if let Event::Begin(header) = event {
                    offer.header(&header);
                }
            }
        }
        // Of bytes that are not understood nothing can be said.
        offer.torn = ahead.within_header() || ahead.is_off();
        offer
    }

    /// Whether what was written ends within a frame's header.
    pub(super) const fn is_torn(&self) -> bool {
        self.scanner.within_header() || self.scanner.is_off()
    }

    /// Whether a PING of ours may be written now.
    pub(super) const fn may_ping(&self) -> bool {
        self.settings && self.scanner.at_boundary() && self.ours_left == 0
    }

    /// Whether a PING of ours may be written at some time.
    pub(super) const fn could_ping(&self) -> bool {
        !self.scanner.is_off()
    }

    pub(super) fn ping(&mut self, number: u32) {
        self.ours = ping(number);
        self.ours_left = FRAME;
    }

    /// What is to be written before anything of the client's.
    pub(super) fn ours(&self) -> &[u8] {
        &self.ours[FRAME - self.ours_left..]
    }

    pub(super) fn wrote_ours(&mut self, bytes: usize) {
        self.ours_left -= bytes.min(self.ours_left);
    }

    /// How many of these bytes go up to the first place where a PING could stand; all, if there is none in them.
    pub(super) fn up_to_boundary(&self, bytes: &[u8]) -> usize {
        let mut ahead = self.scanner.clone();
        let mut settings = self.settings;
        let mut rest = bytes;
        while let Some(event) = ahead.next(&mut rest) {
            settings |= matches!(event, Event::End(Frame::Settings { ack: false, .. }));
            let at = bytes.len() - rest.len();
            if settings && ahead.at_boundary() && at > 0 {
                return at;
            }
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::PREFACE;
    use super::*;

    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    /// HEADERS without END_HEADERS, and the CONTINUATION that ends the block.
    const BLOCK: &[u8] = b"\0\0\x01\x01\x01\0\0\0\x01x\0\0\x01\x09\x04\0\0\0\x01y";

    #[test]
    fn a_ping_stands_between_frames_and_outside_header_blocks() {
        let bytes = [PREFACE, SETTINGS, BLOCK, BLOCK].concat();
        let first = PREFACE.len() + SETTINGS.len();
        let mut outbound = Outbound::new();
        assert!(!outbound.may_ping());
        assert_eq!(outbound.up_to_boundary(&bytes), first);
        for at in 0..bytes.len() {
            outbound.pass(&bytes[at..=at], |_| ());
            let written = at + 1;
            let boundary = written >= first && (written - first) % BLOCK.len() == 0;
            assert_eq!(outbound.may_ping(), boundary, "after {written} bytes");
            let to_next = BLOCK.len() - (written.saturating_sub(first)) % BLOCK.len();
            if written >= first && written < bytes.len() {
                assert_eq!(outbound.up_to_boundary(&bytes[written..]), to_next);
                assert_eq!(outbound.up_to_boundary(&bytes[written..written + 1]), 1);
            }
        }
    }

    #[test]
    fn a_ping_is_written_to_its_end() {
        let mut outbound = Outbound::new();
        outbound.pass(&[PREFACE, SETTINGS].concat(), |_| ());
        outbound.ping(3);
        let mut written = Vec::new();
        while !outbound.ours().is_empty() {
            assert!(!outbound.may_ping());
            written.push(outbound.ours()[0]);
            outbound.wrote_ours(1);
        }
        assert_eq!(written, ping(3));
        assert!(outbound.may_ping());
    }

    #[test]
    fn http1_is_left_alone() {
        let mut outbound = Outbound::new();
        let mut events = Vec::new();
        outbound.pass(b"GET / HTTP/1.1\r\n\r\n", |event| events.push(event));
        assert_eq!(events, [Event::NotHttp2]);
        assert!(!outbound.may_ping() && !outbound.could_ping());
    }
}
