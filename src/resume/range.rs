//! Byte ranges: what the caller asks for, and what an answer says that it has (RFC 9110, section 14).

use http::header::RANGE;
use http::{HeaderMap, HeaderValue};

use crate::body::whole::number;

/// What a request's `Range` field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// There is no such field.
    Everything,
    /// One range of bytes.
    One(Spec),
    /// Several ranges, another unit, or nothing that can be read.
    Other,
}

/// One range, as a request says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spec {
    /// From this byte to that, or to the end.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl Asked {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Everything,
            (Some(value), None) => spec(value.as_bytes()).map_or(Self::Other, Self::One),
            (Some(_), Some(_)) => Self::Other,
        }
    }
}

impl Spec {
    /// Whether a server that was asked for this may send that.
    pub(super) const fn allows(self, sent: &ContentRange) -> bool {
        let to_the_end = sent.last + 1 == sent.complete;
        match self {
            Self::From(first, None) => sent.first == first && to_the_end,
            Self::From(first, Some(last)) => {
                sent.first == first && (sent.last == last || (sent.last < last && to_the_end))
            }
            Self::Last(length) => {
                let sent_length = sent.last - sent.first + 1;
                to_the_end && (sent_length == length || (sent_length < length && sent.first == 0))
            }
        }
    }
}

/// A `Content-Range` that says everything: first and last byte, and how many the whole has. `first <= last < complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) complete: u64,
}

impl ContentRange {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(http::header::CONTENT_RANGE).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        let range = strip_unit(value.as_bytes(), b' ')?;
        let (range, complete) = split(range, b'/')?;
        let (first, last) = split(range, b'-')?;
        let range = Self { first: number(first)?, last: number(last)?, complete: number(complete)? };
        (range.first <= range.last && range.last < range.complete).then_some(range)
    }
}

/// The `Range` that asks for the bytes from `first` up to, not including, `end` of a representation with `complete` bytes.
pub(super) fn ask(first: u64, end: u64, complete: u64) -> HeaderValue {
    let range =
        if end == complete { format!("bytes={first}-") } else { format!("bytes={first}-{}", end.saturating_sub(1)) };
    // It always is a header's value. If it were not, an answer with all of it would be refused.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(range)).unwrap_or_else(|_| HeaderValue::from_static("bytes=0-"))
}

fn spec(value: &[u8]) -> Option<Spec> {
    let range = strip_unit(value, b'=')?.trim_ascii();
    let (first, last) = split(range, b'-')?;
    match (first, last) {
        (b"", last) => number(last).filter(|length| *length > 0).map(Spec::Last),
        (first, b"") => Some(Spec::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// What follows `bytes` and the separator; range units are case-insensitive (RFC 9110, section 14.1).
fn strip_unit(value: &[u8], separator: u8) -> Option<&[u8]> {
    let (unit, rest) = split(value.trim_ascii(), separator)?;
    unit.eq_ignore_ascii_case(b"bytes").then_some(rest)
}

fn split(value: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = value.iter().position(|byte| *byte == separator)?;
    Some((&value[..at], &value[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CONTENT_RANGE;

    fn headers(name: &http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_request_asks_for() {
        for (values, expected) in [
            (&[][..], Asked::Everything),
            (&["bytes=0-"], Asked::One(Spec::From(0, None))),
            (&["Bytes=5-9"], Asked::One(Spec::From(5, Some(9)))),
            (&["bytes= 5-5 "], Asked::One(Spec::From(5, Some(5)))),
            (&["bytes=-7"], Asked::One(Spec::Last(7))),
            (&["bytes=-0"], Asked::Other),
            (&["bytes=9-5"], Asked::Other),
            (&["bytes=0-1,3-4"], Asked::Other),
            (&["bytes=0-1", "bytes=3-4"], Asked::Other),
            (&["lines=0-1"], Asked::Other),
            (&["bytes=+1-2"], Asked::Other),
            (&["bytes=-"], Asked::Other),
            (&["bytes"], Asked::Other),
            (&["bytes=99999999999999999999-"], Asked::Other),
        ] {
            assert_eq!(Asked::of(&headers(&RANGE, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn what_an_answer_has() {
        let range = |first, last, complete| Some(ContentRange { first, last, complete });
        for (values, expected) in [
            (&["bytes 0-9/10"][..], range(0, 9, 10)),
            (&["BYTES 3-3/4"], range(3, 3, 4)),
            (&[], None),
            (&["bytes 0-9/10", "bytes 0-9/10"], None),
            (&["bytes 0-9/*"], None),
            (&["bytes */10"], None),
            (&["bytes 5-4/10"], None),
            (&["bytes 0-10/10"], None),
            (&["bytes 0-+9/10"], None),
            (&["bytes=0-9/10"], None),
            (&["bytes 0-18446744073709551615/18446744073709551615"], None),
        ] {
            assert_eq!(ContentRange::of(&headers(&CONTENT_RANGE, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn what_may_be_sent_for_a_range() {
        let sent = |first, last| ContentRange { first, last, complete: 100 };
        for (spec, sent, expected) in [
            (Spec::From(5, None), sent(5, 99), true),
            (Spec::From(5, None), sent(5, 98), false),
            (Spec::From(5, None), sent(4, 99), false),
            (Spec::From(5, Some(9)), sent(5, 9), true),
            (Spec::From(5, Some(9)), sent(5, 8), false),
            (Spec::From(5, Some(9)), sent(5, 10), false),
            (Spec::From(5, Some(900)), sent(5, 99), true),
            (Spec::Last(10), sent(90, 99), true),
            (Spec::Last(10), sent(91, 99), false),
            (Spec::Last(10), sent(90, 98), false),
            (Spec::Last(1000), sent(0, 99), true),
        ] {
            assert_eq!(spec.allows(&sent), expected, "{spec:?} {sent:?}");
        }
    }

    #[test]
    fn the_rest_is_asked_for() {
        assert_eq!(ask(7, 100, 100), "bytes=7-");
        assert_eq!(ask(7, 50, 100), "bytes=7-49");
        assert_eq!(ask(u64::MAX, u64::MAX, 0), format!("bytes={}-{}", u64::MAX, u64::MAX - 1));
    }
}
