//! Reads HTTP/2 frames as their bytes go by: bytes in, events out; no IO and no clock.
//!
//! A [`Scanner`] follows one direction of one connection. It keeps a frame's nine-byte header and the few bytes of a payload
//! that it reports, and looks at nothing else: payloads are neither copied nor held, whatever the sizes and however the
//! bytes are split. It allocates nothing, but for a GOAWAY's debug data.
//!
//! ```
//! use tower_redial::health::frame::{Event, Frame, Scanner};
//!
//! // SETTINGS, empty, and GOAWAY(last stream 7, NO_ERROR), in two pieces.
//! let bytes = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\x07\0\0\0\0";
//! let mut scanner = Scanner::inbound();
//! let mut frames = Vec::new();
//! for mut piece in [&bytes[..13], &bytes[13..]] {
//!     while let Some(event) = scanner.next(&mut piece) {
//!         if let Event::End(frame) = event {
//!             frames.push(frame);
//!         }
//!     }
//! }
//! assert!(matches!(frames[..], [Frame::Settings { .. }, Frame::GoAway { last_stream_id: 7, .. }]));
//! ```
//!
//! # What is not HTTP/2
//!
//! The scanner stops for good, with one [`Event::NotHttp2`], at a client preface that is none, at a server's first frame
//! that is no SETTINGS (RFC 9113, section 3.4), and at a frame whose size or stream its type does not allow (section 6) or
//! that breaks into a header block (section 6.10). The bytes are the endpoint's to judge; the scanner just no longer claims to
//! know where a frame begins.

use std::fmt;

use crate::fate::Reason;

/// What a client sends first (RFC 9113, section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of a GOAWAY's debug data is kept.
pub const DEBUG_DATA: usize = 64;

const HEADER: usize = 9;
/// The longest that is kept until it is whole. A connection has two scanners for as long as it lives, so that debug data, which
/// few ever have, has no place in it.
const KEPT: usize = PREFACE.len();
/// A GOAWAY's last stream id and code (RFC 9113, section 6.8), before its debug data.
const GOAWAY: usize = 8;

mod kind {
    pub(super) const DATA: u8 = 0x0;
    pub(super) const HEADERS: u8 = 0x1;
    pub(super) const PRIORITY: u8 = 0x2;
    pub(super) const RST_STREAM: u8 = 0x3;
    pub(super) const SETTINGS: u8 = 0x4;
    pub(super) const PUSH_PROMISE: u8 = 0x5;
    pub(super) const PING: u8 = 0x6;
    pub(super) const GOAWAY: u8 = 0x7;
    pub(super) const WINDOW_UPDATE: u8 = 0x8;
    pub(super) const CONTINUATION: u8 = 0x9;
}

mod flag {
    pub(super) const ACK: u8 = 0x1;
    pub(super) const END_STREAM: u8 = 0x1;
    pub(super) const END_HEADERS: u8 = 0x4;
}

/// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, section 6.5.2).
const MAX_CONCURRENT_STREAMS: u16 = 0x3;

/// A frame's header (RFC 9113, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The payload's size in bytes.
    pub length: u32,
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream, without the reserved bit.
    pub stream_id: u32,
}

impl Header {
    fn read(bytes: &[u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream_id: u32::from_be_bytes(stream) & STREAM_ID,
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it is DATA that tells no more than that something came.
    const fn is_skipped(&self) -> bool {
        self.kind == kind::DATA && self.flags & flag::END_STREAM == 0 && self.stream_id != 0 && self.length > 0
    }

    /// Whether the type allows this size and this stream (RFC 9113, section 6).
    fn is_allowed(&self) -> bool {
        let on_connection = self.stream_id == 0;
        match self.kind {
            kind::DATA | kind::HEADERS | kind::CONTINUATION => !on_connection,
            kind::PRIORITY => !on_connection && self.length == 5,
            kind::RST_STREAM => !on_connection && self.length == 4,
            kind::SETTINGS if self.has(flag::ACK) => on_connection && self.length == 0,
            kind::SETTINGS => on_connection && self.length % 6 == 0,
            kind::PUSH_PROMISE => !on_connection && self.length >= 4,
            kind::PING => on_connection && self.length == 8,
            kind::GOAWAY => on_connection && self.length >= 8,
            kind::WINDOW_UPDATE => self.length == 4,
            _ => true,
        }
    }
}

/// The bits of a stream id; the highest is reserved.
const STREAM_ID: u32 = 0x7fff_ffff;

/// What went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client's preface, whole.
    Preface,
    /// A frame's header, whole. Its payload follows.
    Begin(Header),
    /// A frame's last byte: between this and the next byte is a frame boundary.
    End(Frame),
    /// These bytes are not HTTP/2. There will be no other event.
    NotHttp2,
}

/// A frame, as far as the health of a connection depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// DATA.
    Data {
        /// Its stream.
        stream_id: u32,
        /// Whether it was the stream's last in this direction.
        end_stream: bool,
    },
    /// HEADERS. Its block may go on in CONTINUATION; see [`Scanner::at_boundary`].
    Headers {
        /// Its stream.
        stream_id: u32,
        /// Whether it was the stream's last in this direction, but for CONTINUATION.
        end_stream: bool,
    },
    /// RST_STREAM.
    Reset {
        /// Its stream.
        stream_id: u32,
        /// Its code.
        reason: Reason,
    },
    /// SETTINGS.
    Settings {
        /// Whether it acknowledges the other side's.
        ack: bool,
        /// SETTINGS_MAX_CONCURRENT_STREAMS; the last, if it was there more than once.
        max_concurrent_streams: Option<u32>,
    },
    /// PING.
    Ping {
        /// Whether it answers one.
        ack: bool,
        /// Its eight bytes.
        payload: [u8; 8],
    },
    /// GOAWAY.
    GoAway {
        /// Streams above this were not and will not be processed.
        last_stream_id: u32,
        /// Its code.
        reason: Reason,
        /// The beginning of its debug data.
        debug_data: DebugData,
    },
    /// Any other.
    Other(Header),
}

/// The beginning of a GOAWAY's debug data, [`DEBUG_DATA`] bytes at the most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DebugData {
    bytes: [u8; DEBUG_DATA],
    len: u8,
}

impl DebugData {
    /// None.
    #[must_use]
    pub const fn empty() -> Self {
        Self { bytes: [0; DEBUG_DATA], len: 0 }
    }

    /// Takes more of it, as far as there is room.
    fn extend(&mut self, data: &[u8]) {
        let begun = usize::from(self.len);
        let taken = data.len().min(DEBUG_DATA - begun);
        self.bytes[begun..begun + taken].copy_from_slice(&data[..taken]);
        self.len += taken as u8;
    }

    /// The bytes. They may be anything.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for DebugData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// Follows one direction of a connection. See the [module](self).
#[derive(Clone, Debug)]
pub struct Scanner {
    state: State,
    /// The bytes of a preface, a header or a payload that are kept until it is whole.
    kept: [u8; KEPT],
    kept_len: usize,
    debug_data: Option<Box<DebugData>>,
    /// The stream whose header block has not ended.
    header_block: Option<u32>,
    /// The first frame has to be SETTINGS.
    first: bool,
    max_concurrent_streams: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Preface,
    Header,
    /// So many bytes of the payload are still to come.
    Payload(Header, u32),
    /// The payload is through, its end still to be told.
    Ending(Header),
    Off,
}

impl Scanner {
    /// For what the client sends: its preface, then frames.
    #[must_use]
    pub const fn outbound() -> Self {
        Self::new(State::Preface)
    }

    /// For what the server sends: frames.
    #[must_use]
    pub const fn inbound() -> Self {
        Self::new(State::Header)
    }

    const fn new(state: State) -> Self {
        Self {
            state,
            kept: [0; KEPT],
            kept_len: 0,
            debug_data: None,
            header_block: None,
            first: true,
            max_concurrent_streams: None,
        }
    }

    /// Takes bytes off the front, up to and with the last byte of the next event. `None` when all are taken and none came.
    ///
    /// Call it until it gives `None`: the end of a frame without a payload is an event that takes no byte.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Event> {
        loop {
            match self.state {
                State::Off => {
                    *bytes = &[];
                    return None;
                }
                State::Preface => {
                    let begun = self.kept_len;
                    let whole = self.keep(bytes, PREFACE.len());
                    if self.kept[begun..self.kept_len] != PREFACE[begun..self.kept_len] {
                        return Some(self.off(bytes));
                    }
                    if !whole {
                        return None;
                    }
                    self.state = State::Header;
                    self.kept_len = 0;
                    return Some(Event::Preface);
                }
                State::Header => {
                    let header = self.header(bytes)?;
                    if !self.expects(&header) {
                        return Some(self.off(bytes));
                    }
                    self.first = false;
                    self.max_concurrent_streams = None;
                    self.state =
                        if header.length == 0 { State::Ending(header) } else { State::Payload(header, header.length) };
                    return Some(Event::Begin(header));
                }
                State::Payload(header, left) => {
                    if bytes.is_empty() {
                        return None;
                    }
                    let taken = bytes.len().min(left as usize);
                    let (payload, rest) = bytes.split_at(taken);
                    *bytes = rest;
                    self.look_at(&header, payload);
                    let left = left - taken as u32;
                    self.state = if left == 0 { State::Ending(header) } else { State::Payload(header, left) };
                }
                State::Ending(header) => {
                    let frame = self.frame(&header);
                    self.state = State::Header;
                    self.kept_len = 0;
                    return Some(Event::End(frame));
                }
            }
        }
    }

    /// Takes bytes off the front that are of DATA, but for frames that end their stream or are empty: most of what comes, and of
    /// no interest one by one. The last such frame's stream, if one ended. What is left is for [`next`](Self::next).
    pub(super) fn skip_data(&mut self, bytes: &mut &[u8]) -> Option<u32> {
        let mut ended = None;
        loop {
            match &mut self.state {
                State::Payload(header, left) if header.is_skipped() => {
                    let taken = bytes.len().min(*left as usize);
                    *bytes = &bytes[taken..];
                    *left -= taken as u32;
                    if *left > 0 {
                        return ended;
                    }
                    ended = Some(header.stream_id);
                    self.state = State::Header;
                }
                State::Header if self.kept_len == 0 && self.header_block.is_none() && !self.first => {
                    let Some((header, rest)) = bytes.split_first_chunk() else { return ended };
                    let header = Header::read(header);
                    if !header.is_skipped() {
                        return ended;
                    }
                    *bytes = rest;
                    self.state = State::Payload(header, header.length);
                }
                _ => return ended,
            }
        }
    }

    /// Whether [`next`](Self::next) may have an event, given these bytes.
    pub(super) const fn may_have(&self, bytes: &[u8]) -> bool {
        !bytes.is_empty() || matches!(self.state, State::Ending(_))
    }

    /// Whether a frame of somebody else's could be put in here: between two frames and outside a header block, which
    /// nothing may break into (RFC 9113, section 6.10).
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        matches!(self.state, State::Header) && self.kept_len == 0 && self.header_block.is_none()
    }

    /// Whether what was taken ends within a frame's header, or a preface.
    pub(super) const fn within_header(&self) -> bool {
        self.kept_len > 0 && matches!(self.state, State::Header | State::Preface)
    }

    /// Whether the scanner has stopped: the bytes are not HTTP/2.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self.state, State::Off)
    }

    fn off(&mut self, bytes: &mut &[u8]) -> Event {
        *bytes = &[];
        self.state = State::Off;
        Event::NotHttp2
    }

    /// A frame's header, once it is whole.
    fn header(&mut self, bytes: &mut &[u8]) -> Option<Header> {
        // Mostly it is there at once.
        if self.kept_len == 0 {
            if let Some((header, rest)) = bytes.split_first_chunk() {
                *bytes = rest;
                return Some(Header::read(header));
            }
        }
        if !self.keep(bytes, HEADER) {
            return None;
        }
        self.kept_len = 0;
        self.kept.first_chunk().map(Header::read)
    }

    /// Keeps bytes until there are `wanted`. Whether there are.
    fn keep(&mut self, bytes: &mut &[u8], wanted: usize) -> bool {
        let taken = bytes.len().min(wanted - self.kept_len);
        let (now, rest) = bytes.split_at(taken);
        self.kept[self.kept_len..self.kept_len + taken].copy_from_slice(now);
        self.kept_len += taken;
        *bytes = rest;
        self.kept_len == wanted
    }

    /// Whether this frame may come now. Follows header blocks from their beginning to their end.
    fn expects(&mut self, header: &Header) -> bool {
        if self.first && (header.kind != kind::SETTINGS || header.has(flag::ACK)) {
            return false;
        }
        let continues = self.header_block.is_some();
        if !header.is_allowed() || continues != (header.kind == kind::CONTINUATION) {
            return false;
        }
        if self.header_block.is_some_and(|stream_id| stream_id != header.stream_id) {
            return false;
        }
        if matches!(header.kind, kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION) {
            self.header_block = (!header.has(flag::END_HEADERS)).then_some(header.stream_id);
        }
        true
    }

    fn look_at(&mut self, header: &Header, mut payload: &[u8]) {
        match header.kind {
            kind::SETTINGS => {
                while self.keep(&mut payload, 6) {
                    let [id @ .., a, b, c, d] = [0, 1, 2, 3, 4, 5].map(|at| self.kept[at]);
                    if u16::from_be_bytes(id) == MAX_CONCURRENT_STREAMS {
                        self.max_concurrent_streams = Some(u32::from_be_bytes([a, b, c, d]));
                    }
                    self.kept_len = 0;
                }
            }
            kind::RST_STREAM | kind::PING => {
                self.keep(&mut payload, header.length as usize);
            }
            kind::GOAWAY => {
                let whole = self.keep(&mut payload, GOAWAY);
                if whole && !payload.is_empty() {
                    self.debug_data.get_or_insert_with(|| Box::new(DebugData::empty())).extend(payload);
                }
            }
            _ => {}
        }
    }

    fn frame(&mut self, header: &Header) -> Frame {
        let stream_id = header.stream_id;
        match header.kind {
            kind::DATA => Frame::Data { stream_id, end_stream: header.has(flag::END_STREAM) },
            kind::HEADERS => Frame::Headers { stream_id, end_stream: header.has(flag::END_STREAM) },
            kind::RST_STREAM => Frame::Reset { stream_id, reason: Reason::from_code(self.number(0)) },
            kind::SETTINGS => {
                Frame::Settings { ack: header.has(flag::ACK), max_concurrent_streams: self.max_concurrent_streams }
            }
            kind::PING => {
                let mut payload = [0; 8];
                payload.copy_from_slice(&self.kept[..8]);
                Frame::Ping { ack: header.has(flag::ACK), payload }
            }
            kind::GOAWAY => Frame::GoAway {
                last_stream_id: self.number(0) & STREAM_ID,
                reason: Reason::from_code(self.number(4)),
                debug_data: self.debug_data.take().map_or(DebugData::empty(), |data| *data),
            },
            _ => Frame::Other(*header),
        }
    }

    fn number(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.kept[at..at + 4]);
        u32::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream_id: u32, length: usize) -> Vec<u8> {
        let header = [&(length as u32).to_be_bytes()[1..], &[kind, flags], &stream_id.to_be_bytes()].concat();
        [header, vec![0; length]].concat()
    }

    /// A frame of a kind that a server sends, mostly DATA, and now and then one that may not come.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let data =
            (0..=1_u8, 0..4_u32, 0..40_usize).prop_map(|(flags, stream, length)| frame(0, flags, stream, length));
        let headers =
            (0..6_u8, 1..4_u32, 0..9_usize).prop_map(|(flags, stream, length)| frame(1, flags, stream, length));
        let block = (1..4_u32).prop_map(|stream| [frame(1, 0, stream, 3), frame(9, 4, stream, 3)].concat());
        let others =
            prop::sample::select(vec![frame(3, 0, 1, 4), frame(4, 0, 0, 6), frame(6, 0, 0, 8), frame(7, 0, 0, 12)]);
        prop_oneof![8 => data, 1 => headers, 1 => block, 2 => others]
    }

    fn is_data(event: &Event) -> bool {
        match event {
            Event::Begin(header) => header.kind == kind::DATA && !header.has(flag::END_STREAM),
            event => matches!(event, Event::End(Frame::Data { end_stream: false, .. })),
        }
    }

    proptest! {
        /// What is skipped is DATA and nothing else, however the bytes are split.
        #[test]
        fn skipping_data_changes_nothing_else(
            frames in prop::collection::vec(frames(), 0..12),
            sizes in prop::collection::vec(1..30_usize, 1..9),
        ) {
            let bytes = [frame(4, 0, 0, 0), frames.concat()].concat();
            let (mut plain, mut quick) = (Scanner::inbound(), Scanner::inbound());
            let (mut left, mut sizes) = (&bytes[..], sizes.iter().cycle());
            let (mut data, mut skipped) = (None, None);
            while !left.is_empty() {
                let (piece, rest) = left.split_at(left.len().min(*sizes.next().unwrap()));
                left = rest;
                let (mut expected, mut told) = (Vec::new(), Vec::new());
                let mut bytes = piece;
                while let Some(event) = plain.next(&mut bytes) {
                    if let Event::End(Frame::Data { stream_id, end_stream: false }) = event {
                        data = Some(stream_id);
                    }
                    expected.extend(Some(event).filter(|event| !is_data(event)));
                }
                let mut bytes = piece;
                loop {
                    skipped = quick.skip_data(&mut bytes).or(skipped);
                    let Some(event) = quick.next(&mut bytes) else { break };
                    if let Event::End(Frame::Data { stream_id, end_stream: false }) = event {
                        skipped = Some(stream_id);
                    }
                    told.extend(Some(event).filter(|event| !is_data(event)));
                }
                prop_assert_eq!(told, expected);
                prop_assert_eq!(skipped, data);
                prop_assert_eq!(
                    [quick.at_boundary(), quick.within_header(), quick.is_off()],
                    [plain.at_boundary(), plain.within_header(), plain.is_off()]
                );
            }
        }
    }

    /// What each type allows (RFC 9113, section 6).
    #[test]
    fn a_type_says_what_size_and_stream_it_may_have() {
        let may = |kind, stream_id, length| Header { length, kind, flags: 0, stream_id }.is_allowed();
        for kind in [kind::DATA, kind::HEADERS, kind::CONTINUATION] {
            assert_eq!([may(kind, 0, 9), may(kind, 1, 9), may(kind, 1, 0)], [false, true, true], "{kind}");
        }
        for (kind, length) in [(kind::PRIORITY, 5), (kind::RST_STREAM, 4)] {
            let lengths = [length - 1, length, length + 1];
            assert_eq!(lengths.map(|length| may(kind, 1, length)), [false, true, false], "{kind}");
            assert_eq!(lengths.map(|length| may(kind, 0, length)), [false; 3], "{kind}");
        }
        assert_eq!([may(kind::PING, 0, 8), may(kind::PING, 0, 7), may(kind::PING, 1, 8)], [true, false, false]);
        assert_eq!([4, 3].map(|length| may(kind::PUSH_PROMISE, 1, length)), [true, false]);
        assert_eq!([4, 3].map(|length| may(kind::PUSH_PROMISE, 0, length)), [false; 2]);
        assert_eq!([8, 7].map(|length| may(kind::GOAWAY, 0, length)), [true, false]);
        assert_eq!([8, 7].map(|length| may(kind::GOAWAY, 1, length)), [false; 2]);
        assert_eq!([0, 6, 7, 12].map(|length| may(kind::SETTINGS, 0, length)), [true, true, false, true]);
        assert_eq!([0, 6].map(|length| may(kind::SETTINGS, 1, length)), [false; 2]);
        assert_eq!([0, 1].map(|id| may(kind::WINDOW_UPDATE, id, 4)), [true; 2]);
        assert!(!may(kind::WINDOW_UPDATE, 0, 5) && may(0xff, 0, 0));
    }

    #[test]
    fn it_knows_that_it_stands_within_a_header() {
        let bytes = [PREFACE, &b"\0\0\0\x04\0\0\0\0\0"[..], b"\0\0\x02\0\0\0\0\0\x01!!"].concat();
        let mut scanner = Scanner::outbound();
        for (at, byte) in bytes.iter().enumerate() {
            let mut piece = std::slice::from_ref(byte);
            while scanner.next(&mut piece).is_some() {}
            // The ends of the preface, of SETTINGS, of DATA's header, and all that is its payload.
            let outside = [23, 32, 41, 42, 43].contains(&at);
            assert_eq!(scanner.within_header(), !outside, "after byte {at}");
        }
    }

    #[test]
    fn debug_data_is_shown_as_text() {
        let mut data = DebugData::empty();
        data.extend(b"max_");
        data.extend(b"age\n");
        assert_eq!(format!("{data:?}"), "\"max_age\\n\"");
    }
}
