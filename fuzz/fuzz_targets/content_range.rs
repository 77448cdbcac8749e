//! `Range` and `Content-Range`, against grammars of their own.
//!
//! An input's first byte says what the rest is: a `Content-Range`, a `Range`, several of either with a zero byte between them, or numbers
//! to write them of; see [`from_numbers`].

#![no_main]

use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use tower_redial::fuzzing::{allows, ask, content_range, one_range};

fuzz_target!(|data: &[u8]| {
    let [what, rest @ ..] = data else { return };
    match what % 3 {
        0 => {
            let Some(values) = values(rest) else { return };
            let expected = if let [value] = values[..] { sent(value) } else { None };
            assert_eq!(content_range(&headers(&CONTENT_RANGE, &values)), expected);
        }
        1 => {
            let Some(values) = values(rest) else { return };
            let expected = if let [value] = values[..] { asked(value) } else { None };
            assert_eq!(one_range(&headers(&RANGE, &values)), expected);
        }
        _ => {
            let _ = from_numbers(&mut Unstructured::new(rest));
        }
    }
});

/// Those of several fields, if they may be in a header.
fn values(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let values: Vec<_> = bytes.split(|byte| *byte == 0).collect();
    values.iter().all(|value| HeaderValue::from_bytes(value).is_ok()).then_some(values)
}

fn headers(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value).expect("a value"))).collect()
}

/// RFC 9110, section 14.4: `range-unit SP first-pos "-" last-pos "/" complete-length`, and what the numbers have to be to each other.
/// One that does not know the complete length says too little.
fn sent(value: &[u8]) -> Option<(u64, u64, u64)> {
    let mut rest = Rest::of_field(value);
    rest.unit()?;
    rest.byte(b' ')?;
    let first = rest.digits()?;
    rest.byte(b'-')?;
    let last = rest.digits()?;
    rest.byte(b'/')?;
    let complete = rest.digits()?;
    rest.end()?;
    (first? <= last? && last? < complete?).then_some((first?, last?, complete?))
}

/// RFC 9110, section 14.1.1 and 14.2: `range-unit "=" ( first-pos "-" [ last-pos ] / "-" suffix-length )`; one of them, with white space around
/// it as in a list. A suffix of nothing asks for nothing.
fn asked(value: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    let mut rest = Rest::of_field(value);
    rest.unit()?;
    rest.byte(b'=')?;
    let mut rest = Rest::of_field(rest.0);
    if rest.byte(b'-').is_some() {
        let length = rest.digits()?;
        rest.end()?;
        return length.filter(|length| *length > 0).map(|length| (None, Some(length)));
    }
    let first = rest.digits()?;
    rest.byte(b'-')?;
    if rest.end().is_some() {
        return first.map(|first| (Some(first), None));
    }
    let last = rest.digits()?;
    rest.end()?;
    (first? <= last?).then_some((first, last))
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Without the white space around it (RFC 9110, section 5.5).
    fn of_field(mut value: &'a [u8]) -> Self {
        while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
            value = rest;
        }
        Self(value)
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[expected])?;
        Some(())
    }

    /// Of any case.
    fn unit(&mut self) -> Option<()> {
        for letter in b"bytes" {
            let [first, rest @ ..] = self.0 else { return None };
            if first | 0x20 != *letter {
                return None;
            }
            self.0 = rest;
        }
        Some(())
    }

    /// At least one; the inner value is `None` if the number is too large.
    #[expect(clippy::option_option, reason = "one is grammar, the other is size")]
    fn digits(&mut self) -> Option<Option<u64>> {
        let mut number = None;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            let so_far: u128 = number.unwrap_or(0);
            number = Some((so_far * 10 + u128::from(digit - b'0')).min(1 << 64));
            self.0 = rest;
        }
        number.map(|number| u64::try_from(number).ok())
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// What we write is read again, and only the range that was asked for is an answer to it.
fn from_numbers(input: &mut Unstructured<'_>) -> Result<()> {
    let numbers: [u64; 3] = input.arbitrary()?;
    let complete = numbers[0].max(1);
    let (first, end) = (numbers[1] % complete, numbers[2] % complete + 1);
    if first >= end {
        return Ok(());
    }
    let range: HeaderMap = [(RANGE, ask(first, end, complete))].into_iter().collect();
    let last = Some(end - 1).filter(|_| end < complete);
    assert_eq!(one_range(&range), Some((Some(first), last)));
    assert!(allows(&range, (first, end - 1, complete)));

    let answer = format!("bytes {first}-{}/{complete}", end - 1);
    let answer: HeaderMap = [(CONTENT_RANGE, answer.parse().expect("a value"))].into_iter().collect();
    assert_eq!(content_range(&answer), Some((first, end - 1, complete)));

    let others: [u64; 2] = input.arbitrary()?;
    let (from, to) = (others[0] % complete, others[1] % complete);
    if from <= to && (from, to) != (first, end - 1) {
        assert!(!allows(&range, (from, to, complete)), "{range:?} for {from}-{to}/{complete}");
    }
    // One from the end is so long, or all of it.
    let length = numbers[2].max(1);
    let suffix: HeaderMap = [(RANGE, format!("bytes=-{length}").parse().expect("a value"))].into_iter().collect();
    assert_eq!(one_range(&suffix), Some((None, Some(length))));
    assert!(allows(&suffix, (complete.saturating_sub(length), complete - 1, complete)));
    if from <= to && (from, to) != (complete.saturating_sub(length), complete - 1) {
        assert!(!allows(&suffix, (from, to, complete)), "{suffix:?} for {from}-{to}/{complete}");
    }
    Ok(())
}
