//! HTTP/2's frames as RFC 9113 has them, apart from the library's own scanner.

use tower_redial::fate::Reason;
use tower_redial::health::frame::{DEBUG_DATA, DebugData, Event, Frame, Header, PREFACE};

/// Frames whose lengths fit, which mutations seldom make: kind, flags, stream, length, and so many bytes of payload.
pub fn cook(mut recipe: &[u8], wire: &mut Vec<u8>) {
    while let [kind, flags, stream, length, rest @ ..] = recipe {
        // The length that the type wants, unless the kind's highest bit asks for another.
        let length = match kind & 0x0f {
            _ if kind & 0x80 != 0 => *length,
            2 => 5,
            3 | 8 => 4,
            4 => length - length % 6,
            6 => 8,
            7 => length.saturating_add(8),
            _ => *length,
        };
        wire.extend([0, 0, length, kind & 0x0f, *flags, stream & 0x80, 0, 0, stream & 0x7f]);
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        wire.extend(payload);
        recipe = rest;
    }
}

/// What has to be told, and where.
#[derive(Debug)]
pub struct Expected {
    /// Without a GOAWAY's debug data, which nobody but the scanner can make.
    pub event: Event,
    debug_data: Vec<u8>,
    /// How many bytes went by up to and with its last.
    pub at: usize,
    /// A frame of somebody else's could follow.
    pub boundary: bool,
}

impl Expected {
    fn new(event: Event, at: usize, boundary: bool) -> Self {
        Self { event, debug_data: Vec::new(), at, boundary }
    }

    /// Compares it with what was told.
    pub fn check(&self, mut event: Event) {
        if let Event::End(Frame::GoAway { debug_data, .. }) = &mut event {
            assert_eq!(debug_data.as_bytes(), self.debug_data);
            *debug_data = DebugData::empty();
        }
        assert_eq!(event, self.event, "at {}", self.at);
    }
}

/// All that these bytes tell, from their beginning, by RFC 9113. It stops where the scanner's documentation says that it does, and
/// leaves alone what takes knowledge of a frame's inside: padding, and whether the first five bytes of HEADERS are a priority.
pub fn reference(outbound: bool, wire: &[u8]) -> Vec<Expected> {
    let mut events = Vec::new();
    let mut at = 0;
    if outbound {
        let begun = wire.len().min(PREFACE.len());
        if wire[..begun] != PREFACE[..begun] {
            return vec![Expected::new(Event::NotHttp2, begun, false)];
        }
        if begun < PREFACE.len() {
            return events;
        }
        at = PREFACE.len();
        events.push(Expected::new(Event::Preface, at, true));
    }
    let mut open_block = None;
    let mut first = true;
    // Section 4.1: a length of 24 bits, a type, flags, a reserved bit and a stream of 31 bits.
    while let Some(header) = wire.get(at..at + 9) {
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let (kind, flags) = (header[3], header[4]);
        let stream = number(&header[5..9]) % (1 << 31);
        at += 9;
        let legal = match open_block {
            // Section 6.10: nothing but the same stream's CONTINUATION.
            Some(open) => kind == 9 && stream == open,
            // Section 3.4: the first frame is SETTINGS, and does not acknowledge any.
            None if first => kind == 4 && flags & 1 == 0 && is_legal(kind, flags, length, stream),
            None => kind != 9 && is_legal(kind, flags, length, stream),
        };
        if !legal {
            events.push(Expected::new(Event::NotHttp2, at, false));
            return events;
        }
        first = false;
        if let 1 | 5 | 9 = kind {
            open_block = if flags & 4 == 0 { Some(stream) } else { None };
        }
        let begin = Header { length: length as u32, kind, flags, stream_id: stream };
        events.push(Expected::new(Event::Begin(begin), at, false));
        let Some(payload) = wire.get(at..at + length) else { return events };
        at += length;
        let end_stream = flags & 1 != 0;
        let mut debug_data = Vec::new();
        let frame = match kind {
            0 => Frame::Data { stream_id: stream, end_stream },
            1 => Frame::Headers { stream_id: stream, end_stream },
            3 => Frame::Reset { stream_id: stream, reason: Reason::from_code(number(payload)) },
            4 => {
                let limits = payload.chunks(6).filter(|setting| setting[..2] == [0, 3]);
                Frame::Settings {
                    ack: flags & 1 != 0,
                    max_concurrent_streams: limits.map(|setting| number(&setting[2..])).next_back(),
                }
            }
            6 => Frame::Ping { ack: flags & 1 != 0, payload: payload.try_into().expect("eight bytes") },
            7 => {
                debug_data = payload[8..].iter().copied().take(DEBUG_DATA).collect();
                Frame::GoAway {
                    last_stream_id: number(&payload[..4]) % (1 << 31),
                    reason: Reason::from_code(number(&payload[4..8])),
                    debug_data: DebugData::empty(),
                }
            }
            _ => Frame::Other(begin),
        };
        events.push(Expected { event: Event::End(frame), debug_data, at, boundary: open_block.is_none() });
    }
    events
}

/// Section 6: whether a type may have this length and this stream. Types that are not known there may have any.
fn is_legal(kind: u8, flags: u8, length: usize, stream: u32) -> bool {
    let acknowledges = flags & 1 != 0;
    match kind {
        0 => stream != 0,
        1 => stream != 0,
        2 => stream != 0 && length == 5,
        3 => stream != 0 && length == 4,
        4 => stream == 0 && length.is_multiple_of(6) && (length == 0 || !acknowledges),
        5 => stream != 0 && length >= 4,
        6 => stream == 0 && length == 8,
        7 => stream == 0 && length >= 8,
        8 => length == 4,
        9 => stream != 0,
        _ => true,
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
