//! The frame scanner against a slow, obvious reference: it tells what was sent, however the bytes are split, and never
//! panics on any.

#[path = "support/mod.rs"]
mod support;

use std::ops::Range;

use bytes::Bytes;
use proptest::prelude::*;
use support::wire;
use tower_redial::fate::Reason;
use tower_redial::health::frame::{DEBUG_DATA, Event, Frame, PREFACE, Scanner};

/// Feeds the bytes in pieces that end at `cuts`, and gives each event with the offset at which it came, and every offset
/// between the events at which the scanner says that it stands at a boundary.
fn scan(mut scanner: Scanner, bytes: &[u8], cuts: &[usize]) -> (Vec<(usize, Event)>, Vec<usize>) {
    let mut events = Vec::new();
    let mut boundaries = Vec::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let mut begin = 0;
    for end in ends {
        let mut piece = &bytes[begin..end];
        while let Some(event) = scanner.next(&mut piece) {
            let at = end - piece.len();
            events.push((at, event));
            if scanner.at_boundary() {
                boundaries.push(at);
            }
        }
        assert!(piece.is_empty(), "all bytes are taken");
        begin = end;
    }
    (events, boundaries)
}

/// A frame as a test sends it, and what the scanner has to tell of it.
#[derive(Clone, Debug)]
struct Sent {
    bytes: Vec<u8>,
    frame: Frame,
    /// A boundary follows.
    ends_block: bool,
}

fn raw(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream_id.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn sent(bytes: Vec<u8>, frame: Frame) -> Sent {
    Sent { bytes, frame, ends_block: true }
}

fn settings(values: &[(u16, u32)]) -> Sent {
    let payload: Vec<u8> =
        values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    let last = values.iter().rev().find(|(id, _)| *id == 3).map(|(_, value)| *value);
    sent(raw(4, 0, 0, &payload), Frame::Settings { ack: false, max_concurrent_streams: last })
}

fn payload(length: Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), length)
}

/// One frame, or a header block of several, from a peer that keeps to RFC 9113.
fn frames() -> impl Strategy<Value = Vec<Sent>> {
    let stream = 1_u32..=0x7fff_ffff;
    prop_oneof![
        (stream.clone(), any::<bool>(), payload(0..300)).prop_map(|(stream_id, end_stream, data)| {
            vec![sent(raw(0, end_stream.into(), stream_id, &data), Frame::Data { stream_id, end_stream })]
        }),
        (stream.clone(), any::<bool>(), prop::collection::vec(payload(0..40), 1..4)).prop_map(
            |(stream_id, end_stream, parts)| {
                let last = parts.len() - 1;
                let block = parts.iter().enumerate().map(|(n, part)| {
                    let end_headers = if n == last { 4 } else { 0 };
                    let (bytes, frame) = if n == 0 {
                        let flags = end_headers | u8::from(end_stream);
                        (raw(1, flags, stream_id, part), Frame::Headers { stream_id, end_stream })
                    } else {
                        let bytes = raw(9, end_headers, stream_id, part);
                        let header = tower_redial::health::frame::Header {
                            length: part.len() as u32,
                            kind: 9,
                            flags: end_headers,
                            stream_id,
                        };
                        (bytes, Frame::Other(header))
                    };
                    Sent { bytes, frame, ends_block: n == last }
                });
                block.collect()
            }
        ),
        (stream, any::<u32>()).prop_map(|(stream_id, code)| {
            let frame = Frame::Reset { stream_id, reason: Reason::from_code(code) };
            vec![sent(raw(3, 0, stream_id, &code.to_be_bytes()), frame)]
        }),
        prop::collection::vec((0_u16..6, any::<u32>()), 0..9).prop_map(|values| vec![settings(&values)]),
        Just(vec![sent(raw(4, 1, 0, &[]), Frame::Settings { ack: true, max_concurrent_streams: None })]),
        (any::<bool>(), any::<[u8; 8]>())
            .prop_map(|(ack, payload)| vec![sent(raw(6, ack.into(), 0, &payload), Frame::Ping { ack, payload })]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Every frame, its kind and details, at its last byte; boundaries where they are and nowhere else.
    #[test]
    fn it_tells_what_was_sent(
        blocks in prop::collection::vec(frames(), 0..12),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        outbound in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        let mut boundaries = Vec::new();
        let scanner = if outbound {
            bytes.extend(PREFACE);
            expected.push((bytes.len(), Event::Preface));
            boundaries.push(bytes.len());
            Scanner::outbound()
        } else {
            Scanner::inbound()
        };
        for sent in [settings(&[(3, 100)])].into_iter().chain(blocks.into_iter().flatten()) {
            bytes.extend(&sent.bytes);
            expected.push((bytes.len(), Event::End(sent.frame)));
            if sent.ends_block {
                boundaries.push(bytes.len());
            }
        }
        let (mut events, at) = scan(scanner, &bytes, &cuts);
        events.retain(|(_, event)| !matches!(event, Event::Begin(_)));
        prop_assert_eq!(events, expected);
        prop_assert_eq!(at, boundaries);
    }

    /// Any bytes at all: no panic, the same events however they are split, and nothing after the end.
    #[test]
    fn any_bytes_are_the_same_in_any_pieces(
        garbage in payload(0..400),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        outbound in any::<bool>(),
    ) {
        let (scanner, mut bytes) =
            if outbound { (Scanner::outbound(), PREFACE.to_vec()) } else { (Scanner::inbound(), Vec::new()) };
        bytes.extend(settings(&[]).bytes);
        bytes.extend(garbage);
        let events = |cuts| scan(scanner.clone(), &bytes, cuts).0.into_iter().map(|(_, event)| event).collect::<Vec<_>>();
        let whole = events(&[]);
        prop_assert_eq!(&whole, &events(&cuts));
        let off = whole.iter().position(|event| *event == Event::NotHttp2);
        prop_assert!(off.is_none_or(|at| at == whole.len() - 1));
    }

    /// HTTP/1.1, TLS, or anything else where a preface should be.
    #[test]
    fn what_is_no_preface_switches_it_off(bytes in payload(24..60)) {
        prop_assume!(bytes[..24] != PREFACE[..]);
        let (events, _) = scan(Scanner::outbound(), &bytes, &[1, 2, 3]);
        prop_assert!(matches!(events[..], [(_, Event::NotHttp2)]));
    }
}

#[test]
fn goaway_is_told_with_its_debug_data() {
    for length in [0, 1, DEBUG_DATA, DEBUG_DATA + 1, 70_000] {
        let debug = vec![b'x'; length];
        let bytes = wire::Frame::GoAway { last_stream: 7, reason: 11, debug: Bytes::from(debug.clone()) }.to_bytes();
        let bytes = [settings(&[]).bytes, bytes.to_vec()].concat();
        for cuts in [&[][..], &[20, 25, 30, 40, 41]] {
            let (events, _) = scan(Scanner::inbound(), &bytes, cuts);
            let Some((_, Event::End(Frame::GoAway { last_stream_id, reason, debug_data }))) = events.last() else {
                panic!("{events:?}");
            };
            assert_eq!((*last_stream_id, *reason), (7, Reason::ENHANCE_YOUR_CALM));
            assert_eq!(debug_data.as_bytes(), &debug[..length.min(DEBUG_DATA)]);
        }
    }
}

/// The largest frame there is, byte by byte, costs nothing but its bytes.
#[test]
fn a_frame_of_sixteen_mebibytes_passes() {
    let mut scanner = Scanner::inbound();
    let mut bytes = settings(&[]).bytes;
    bytes.extend([0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 1]);
    let mut piece = &bytes[..];
    while scanner.next(&mut piece).is_some() {}
    let chunk = vec![0; 0xf_ffff];
    let mut left = 0xff_ffff_usize;
    while left > 0 {
        let mut piece = &chunk[..left.min(chunk.len())];
        left -= piece.len();
        let event = scanner.next(&mut piece);
        let done = Event::End(Frame::Data { stream_id: 1, end_stream: true });
        assert_eq!(event, (left == 0).then_some(done));
    }
    assert!(scanner.at_boundary());
}

/// A server's first frame is SETTINGS; sizes, streams and header blocks are as RFC 9113 has them.
#[test]
fn what_http2_does_not_allow_switches_it_off() {
    let after_settings = |bytes: Vec<u8>| [settings(&[]).bytes, bytes].concat();
    for (what, bytes) in [
        ("no SETTINGS first", raw(6, 0, 0, &[0; 8])),
        ("an acknowledgement first", raw(4, 1, 0, &[])),
        ("HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("DATA on stream 0", after_settings(raw(0, 0, 0, b"x"))),
        ("a PING of seven bytes", after_settings(raw(6, 0, 0, &[0; 7]))),
        ("a PING on a stream", after_settings(raw(6, 0, 1, &[0; 8]))),
        ("RST_STREAM of five bytes", after_settings(raw(3, 0, 1, &[0; 5]))),
        ("SETTINGS of seven bytes", after_settings(raw(4, 0, 0, &[0; 7]))),
        ("an acknowledgement with a payload", after_settings(raw(4, 1, 0, &[0; 6]))),
        ("GOAWAY of seven bytes", after_settings(raw(7, 0, 0, &[0; 7]))),
        ("WINDOW_UPDATE of three bytes", after_settings(raw(8, 0, 0, &[0; 3]))),
        ("CONTINUATION of nothing", after_settings(raw(9, 4, 1, b"x"))),
        ("a PING within a header block", after_settings([raw(1, 0, 1, b"x"), raw(6, 0, 0, &[0; 8])].concat())),
        ("another stream's CONTINUATION", after_settings([raw(1, 0, 1, b"x"), raw(9, 4, 3, b"x")].concat())),
    ] {
        let bytes = [bytes, settings(&[]).bytes].concat();
        let (events, boundaries) = scan(Scanner::inbound(), &bytes, &[]);
        assert_eq!(events.last().map(|(_, event)| *event), Some(Event::NotHttp2), "{what}");
        assert!(boundaries.iter().all(|at| *at < bytes.len()), "{what}");
    }
    let mut scanner = Scanner::inbound();
    let mut garbage = &b"HTTP/1.1 "[..];
    while scanner.next(&mut garbage).is_some() {}
    assert!(scanner.is_off() && !scanner.at_boundary());
}
