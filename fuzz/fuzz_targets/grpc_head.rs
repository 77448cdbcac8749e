//! gRPC's request heads: what they say of a call's time and attempts, and what a resend's says.
//!
//! An input is how long the call took so far in eight bytes, how many attempts were seen in one, and three fields with a zero byte
//! between them: `grpc-timeout`, `grpc-previous-rpc-attempts`, `content-type`. Without the last it is a gRPC call.

#![no_main]

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use tower_redial::fuzzing::{is_grpc, prepare, timeout};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

fuzz_target!(|data: &[u8]| {
    let Some((elapsed, [seen, rest @ ..])) = data.split_first_chunk::<8>() else { return };
    let elapsed = Duration::from_nanos(u64::from_le_bytes(*elapsed));
    let fields: Vec<_> = rest.split(|byte| *byte == 0).collect();
    let kind = fields.get(2).map_or(&b"application/grpc"[..], |kind| *kind);
    let (mut head, ()) = Request::new(()).into_parts();
    for (name, value) in
        [(TIMEOUT, fields[0]), (ATTEMPTS, fields.get(1).map_or(&[][..], |value| *value)), (CONTENT_TYPE, kind)]
    {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        if !value.is_empty() {
            head.headers.insert(name, value);
        }
    }
    check(&head, elapsed, (*seen).into());
});

fn check(head: &Parts, elapsed: Duration, seen: u32) {
    let call = is_call(head.headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes));
    assert_eq!(is_grpc(&head.headers), call);
    let time = head.headers.get(TIMEOUT).and_then(|value| time(value.as_bytes())).filter(|_| call);
    assert_eq!(timeout(head), time);

    let mut resend = head.clone();
    prepare(&mut resend, elapsed, seen);
    match time {
        None => assert_eq!(resend.headers.get(TIMEOUT), head.headers.get(TIMEOUT), "what is not understood stays"),
        Some(time) => {
            let left = time.saturating_sub(elapsed);
            let told = timeout(&resend).expect("a time that the protocol allows");
            assert!(told <= left, "{told:?} of {left:?}");
            assert!(left - told <= left / 100_000, "{told:?} of {left:?}");
        }
    }
    let earlier = head.headers.get(ATTEMPTS).and_then(|value| number(value.as_bytes()));
    let expected = match (call, seen) {
        (true, 1..) => Some(u64::from(seen).saturating_add(earlier.unwrap_or(0)).min(u32::MAX.into()).to_string()),
        _ => None,
    };
    match expected {
        Some(expected) => assert_eq!(resend.headers.get(ATTEMPTS).expect("a number"), &expected),
        None => assert_eq!(resend.headers.get(ATTEMPTS), head.headers.get(ATTEMPTS)),
    }
    for name in resend.headers.keys() {
        assert!([TIMEOUT, ATTEMPTS, CONTENT_TYPE].contains(name), "{name} is nobody's");
    }
}

/// `application/grpc` of any case, and after it a message format, a parameter, or nothing.
fn is_call(kind: &[u8]) -> bool {
    let kind = kind.to_ascii_lowercase();
    let Some(rest) = kind.strip_prefix(b"application/grpc") else { return false };
    rest.is_empty() || b"+; \t".contains(&rest[0])
}

/// gRPC over HTTP2: `Timeout → TimeoutValue TimeoutUnit`, a positive integer of at most eight digits, and `H`, `M`, `S`, `m`, `u` or `n`.
fn time(value: &[u8]) -> Option<Duration> {
    let at = value.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, unit) = value.split_at(at);
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let nanos: u128 = match unit {
        b"H" => 3_600_000_000_000,
        b"M" => 60_000_000_000,
        b"S" => 1_000_000_000,
        b"m" => 1_000_000,
        b"u" => 1_000,
        b"n" => 1,
        _ => return None,
    };
    let nanos = nanos * u128::from(number(digits)?);
    Some(Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32))
}

/// Digits, and nothing else, of a number that 32 bits can hold.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = (number * 10 + u64::from(digit - b'0')).min(1 << 32);
    }
    Some(number).filter(|number| *number < 1 << 32)
}
