use super::*;
use crate::health::frame::PREFACE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags];
    frame.extend(stream_id.to_be_bytes());
    frame.extend(payload);
    frame
}

fn headers(stream_id: u32, end: bool) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | if end { END_STREAM } else { 0 }, stream_id, b"\x88")
}

fn reset(stream_id: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream_id, &code.to_be_bytes())
}

fn goaway(code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[[0; 4], code.to_be_bytes()].concat())
}

impl Wire {
    /// The first sign in bytes that went out.
    fn goes_out(&mut self, mut bytes: &[u8]) -> Option<Sign> {
        self.sent(&mut bytes)
    }

    /// The first sign in bytes that came in.
    fn comes_in(&mut self, mut bytes: &[u8]) -> Option<Sign> {
        self.received(&mut bytes)
    }
}

/// A connection on which so many requests were sent; the peer's SETTINGS came if it `greets`.
fn wire(requests: u32, greets: bool) -> Wire {
    let mut wire = Wire::new();
    assert_eq!(wire.goes_out(PREFACE), None);
    assert_eq!(wire.goes_out(&frame(SETTINGS, 0, 0, &[])), None);
    if greets {
        assert_eq!(wire.comes_in(&frame(SETTINGS, 0, 0, &[])), None);
    }
    for n in 0..requests {
        assert_eq!(wire.goes_out(&headers(2 * n + 1, true)), None);
    }
    wire
}

/// X2: what a death is.
#[test]
fn a_connection_that_ends_before_a_response_has_died() {
    assert_eq!(wire(1, true).ended(false), Some(Sign::Died));
    assert_eq!(wire(0, false).ended(false), Some(Sign::Died), "not even SETTINGS came");
    let mut half = wire(1, true);
    assert_eq!(half.comes_in(&headers(1, false)), None);
    assert_eq!(half.ended(false), Some(Sign::Died), "a response that does not end is of no use");
    for code in [1, 2, 0x1234] {
        assert_eq!(wire(1, true).comes_in(&goaway(code)), Some(Sign::Died), "{code}");
    }
    for code in [1, 3, 5, 6, 9] {
        assert_eq!(wire(1, true).goes_out(&goaway(code)), Some(Sign::Died), "the peer broke the protocol: {code}");
    }
    let mut one_is_reset = wire(2, true);
    assert_eq!(one_is_reset.comes_in(&reset(1, 1)), None);
    assert_eq!(one_is_reset.ended(false), Some(Sign::Died), "one still waits");
}

/// A stream that the peer resets is no sign, and waits for nothing when the connection ends.
#[test]
fn a_reset_stream_is_no_death() {
    for code in [0, 1, 2, 7, 8] {
        let mut wire = wire(1, true);
        assert_eq!(wire.comes_in(&reset(1, code)), None);
        assert_eq!(wire.ended(false), None, "{code}");
    }
}

#[test]
fn a_connection_that_brought_a_response_has_not() {
    for bytes in [headers(1, true), [headers(1, false), frame(DATA, END_STREAM, 1, b"x")].concat()] {
        let mut wire = wire(2, true);
        // In pieces, as a socket may give them.
        let (last, rest) = bytes.split_last().unwrap();
        assert_eq!(wire.comes_in(rest), None);
        assert_eq!(wire.comes_in(&[*last]), Some(Sign::Useful));
        assert!(wire.is_over());
        assert_eq!((wire.comes_in(&goaway(1)), wire.ended(false)), (None, None));
    }
}

/// X4: what this side gives up, and what was idle, is no sign.
#[test]
fn a_connection_that_nobody_waits_on_has_not_died() {
    assert_eq!(wire(0, true).ended(false), None, "idle");
    for code in [8, 0, 2] {
        let mut wire = wire(2, true);
        assert_eq!(wire.goes_out(&[reset(1, code), reset(3, code)].concat()), None);
        assert_eq!(wire.ended(false), None, "given up with {code}");
    }
    let mut one_left = wire(2, true);
    one_left.goes_out(&reset(1, 8));
    assert_eq!(one_left.ended(false), Some(Sign::Died), "one still waits");
    let mut calm = wire(1, true);
    assert_eq!(calm.goes_out(&goaway(0xb)), None, "its own limit of resets");
    assert_eq!(wire(1, true).comes_in(&goaway(0xb)), None, "the peer's limit of resets, or pings");
    let mut http1 = Wire::new();
    assert_eq!(http1.goes_out(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"), None);
    assert_eq!((http1.is_over(), http1.ended(false)), (true, None));
    assert_eq!(Wire::new().ended(false), None, "nothing was spoken");
}

/// A second field section on a stream is its trailers.
#[test]
fn request_trailers_are_no_other_stream() {
    let mut wire = wire(0, true);
    assert_eq!(wire.goes_out(&[headers(1, false), headers(1, true), reset(1, 8)].concat()), None);
    assert_eq!(wire.ended(false), None, "nobody waits");
}

/// X2: silence is found out when callers have long gone.
#[test]
fn a_silent_connection_has_died_whoever_still_waits() {
    let mut given_up = wire(1, true);
    given_up.goes_out(&reset(1, 8));
    assert_eq!(given_up.ended(true), Some(Sign::Died));
    assert_eq!(wire(0, true).ended(true), None, "nobody had asked");
    let mut useful = wire(1, true);
    useful.comes_in(&headers(1, true));
    assert_eq!(useful.ended(true), None);
}

#[test]
fn a_graceful_goaway_and_what_follows_it_is_no_sign() {
    let mut wire = wire(2, true);
    assert_eq!(wire.comes_in(&goaway(0)), None);
    assert_eq!((wire.comes_in(&goaway(1)), wire.goes_out(&goaway(1)), wire.ended(false)), (None, None, None));
}

/// X1: as the socket shows it.
#[test]
fn http_1_1_required_is_seen() {
    assert_eq!(wire(1, true).comes_in(&reset(1, 0xd)), Some(Sign::Required));
    assert_eq!(wire(1, true).comes_in(&goaway(0xd)), Some(Sign::Required));
    let mut twice = wire(2, true);
    let both = [reset(1, 0xd), headers(3, true)].concat();
    let mut bytes = &both[..];
    assert_eq!(twice.received(&mut bytes), Some(Sign::Required));
    assert_eq!(twice.received(&mut bytes), Some(Sign::Useful), "the other stream goes on");
}
