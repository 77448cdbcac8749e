//! The frame scanner against a slow, obvious reference, on any bytes in any pieces.
//!
//! An input is a byte of options, a number of pieces, each piece's size in a byte, and what goes over the wire:
//!
//! | option | |
//! |---|---|
//! | 1 | outbound, else inbound |
//! | 2 | begin as RFC 9113 wants it: with the preface if outbound, then SETTINGS |
//! | 4 | the rest is not the wire's bytes but a recipe for frames; see [`cook`](tower_redial_fuzz::wire::cook) |

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_redial::health::frame::{Event, PREFACE, Scanner};
use tower_redial_fuzz::wire::{cook, reference};

/// The reference is run anew for each piece: byte by byte only where that is not too much.
const BYTE_BY_BYTE: usize = 512;

fuzz_target!(|data: &[u8]| {
    let [options, count, rest @ ..] = data else { return };
    let (sizes, rest) = rest.split_at(usize::from(*count).min(rest.len()));
    let outbound = options & 1 != 0;
    let mut wire = Vec::new();
    if options & 2 != 0 {
        if outbound {
            wire.extend(PREFACE);
        }
        wire.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    }
    if options & 4 != 0 {
        cook(rest, &mut wire);
    } else {
        wire.extend(rest);
    }

    let whole = check(outbound, &wire, &[]);
    assert_eq!(check(outbound, &wire, sizes), whole, "in pieces of {sizes:?}");
    if wire.len() <= BYTE_BY_BYTE {
        assert_eq!(check(outbound, &wire, &vec![1; wire.len()]), whole, "byte by byte");
    }
});

/// Feeds the wire to a scanner in pieces, and compares it with the reference after each. The events that it told.
fn check(outbound: bool, wire: &[u8], sizes: &[u8]) -> Vec<Event> {
    let mut scanner = if outbound { Scanner::outbound() } else { Scanner::inbound() };
    let mut told: Vec<Event> = Vec::new();
    let mut begin = 0;
    for size in sizes.iter().map(|size| usize::from(*size)).chain([wire.len()]) {
        let end = wire.len().min(begin + size);
        let expected = reference(outbound, &wire[..end]);
        let mut piece = &wire[begin..end];
        while let Some(event) = scanner.next(&mut piece) {
            let at = end - piece.len();
            let Some(what) = expected.get(told.len()) else { panic!("{event:?} at {at} is one too many") };
            what.check(event);
            // Of what is not HTTP/2 nothing is left over.
            let ends_at = if event == Event::NotHttp2 { end } else { what.at };
            assert_eq!(at, ends_at, "{event:?}");
            assert_eq!(scanner.at_boundary(), what.boundary, "after {event:?} at {at}");
            assert_eq!(scanner.is_off(), event == Event::NotHttp2);
            told.push(event);
        }
        assert!(piece.is_empty(), "all bytes are taken");
        assert_eq!(told.len(), expected.len(), "{:?} is missing at {end}", expected.get(told.len()));
        assert_eq!(scanner.next(&mut &[][..]), None, "nothing comes of nothing");
        let boundary = match expected.last() {
            Some(last) => last.boundary && last.at == end,
            None => !outbound && end == 0,
        };
        assert_eq!(scanner.at_boundary(), boundary, "at {end}");
        begin = end;
    }
    let off = told.iter().position(|event| *event == Event::NotHttp2);
    assert!(off.is_none_or(|off| off + 1 == told.len()), "NotHttp2 comes last, and once");
    told
}
