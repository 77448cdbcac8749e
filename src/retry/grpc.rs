//! gRPC calls: what their heads say of resends, and what a resend's head has to say.
//!
//! Everything in gRPC is a POST, has a deadline of its own in `grpc-timeout`, and tells the server how often it may have
//! seen the call before.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::body::whole::number;

/// gRPC over HTTP2, "Request-Headers": at most eight digits and a unit.
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// gRPC's proposal A6, "Exposed Retry Metadata".
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

const CONTENT_TYPE: &[u8] = b"application/grpc";

const MAX_DIGITS: usize = 8;

/// Whether this is a gRPC call, by its content-type, as the protocol has servers tell.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let split = value.and_then(|value| value.split_at_checked(CONTENT_TYPE.len()));
    split.is_some_and(|(start, rest)| start.eq_ignore_ascii_case(CONTENT_TYPE) && is_whole(rest))
}

/// Whether the media type's name ends here, but for a message format. `application/grpc-web` is another: made for HTTP/1.1,
/// with another framing.
fn is_whole(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
}

/// The time that the caller gives the whole call, however many attempts it takes. `None` where the header is not what the
/// protocol says.
pub(crate) fn timeout(head: &Parts) -> Option<Duration> {
    if is_grpc(&head.headers) { parse(head.headers.get(TIMEOUT)?.as_bytes()) } else { None }
}

/// Whether the call's method is one of these, each as `/package.Service/Method`. What stands before that in the path, a
/// gateway's prefix, is no part of it.
pub(super) fn calls_one_of(head: &Parts, methods: &[Box<str>]) -> bool {
    let path = head.uri.path();
    !methods.is_empty() && is_grpc(&head.headers) && methods.iter().any(|method| path.ends_with(&**method))
}

/// A method's name as it stands in a path.
pub(super) fn method(name: &str) -> Box<str> {
    let name = name.trim_start_matches('/');
    format!("/{name}").into()
}

/// Makes the head of a resend: `elapsed` since the call began, after as many attempts as the server may have seen.
///
/// As in gRPC's own libraries an attempt that was provably not processed is not counted: A6 keeps those transparent.
pub(super) fn prepare(head: &mut Parts, elapsed: Duration, seen: u32) {
    if !is_grpc(&head.headers) {
        return;
    }
    if let Some(timeout) = timeout(head) {
        head.headers.insert(TIMEOUT, format(timeout.saturating_sub(elapsed)));
    }
    if seen > 0 {
        // A retry layer above may have counted its own.
        let earlier = head.headers.get(PREVIOUS_ATTEMPTS).and_then(|value| number(value.as_bytes())?.try_into().ok());
        head.headers.insert(PREVIOUS_ATTEMPTS, seen.saturating_add(earlier.unwrap_or(0)).into());
    }
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Eight digits: nothing overflows.
    let count = digits.iter().fold(0_u64, |count, digit| count * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// In the finest unit that eight digits can hold, rounded down: an attempt must not outlive its call.
fn format(timeout: Duration) -> HeaderValue {
    let seconds = timeout.as_secs();
    let units = [
        (timeout.as_nanos(), 'n'),
        (timeout.as_micros(), 'u'),
        (timeout.as_millis(), 'm'),
        (seconds.into(), 'S'),
        ((seconds / 60).into(), 'M'),
        ((seconds / 3600).into(), 'H'),
    ];
    let limit = 10_u128.pow(MAX_DIGITS as u32);
    let (count, unit) = units.into_iter().find(|(count, _)| *count < limit).unwrap_or((limit - 1, 'H'));
    // Digits and a letter: always a value.
    HeaderValue::try_from(format!("{count}{unit}")).unwrap_or(HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn head(fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::post("http://localhost/shop.Catalog/Get");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn grpc(fields: &[(&str, &str)]) -> Parts {
        let mut all = vec![("content-type", "application/grpc")];
        all.extend_from_slice(fields);
        head(&all)
    }

    fn text<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
        head.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for value in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc; x=1",
            "application/grpc;x=1",
            "application/grpc ; x=1",
            "application/grpc\t;x=1",
            "Application/gRPC+json",
        ] {
            assert!(is_grpc(&head(&[("content-type", value)]).headers), "{value}");
        }
        for value in [
            "application/json",
            "application/grp",
            "",
            "text/application/grpc",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpcx",
        ] {
            assert!(!is_grpc(&head(&[("content-type", value)]).headers), "{value}");
        }
        assert!(!is_grpc(&head(&[]).headers));
    }

    #[test]
    fn timeouts_are_those_of_the_protocol() {
        let hour = Duration::from_secs(3600);
        for (value, expected) in [
            ("3H", 3 * hour),
            ("1M", Duration::from_secs(60)),
            ("42S", Duration::from_secs(42)),
            ("13m", Duration::from_millis(13)),
            ("2u", Duration::from_micros(2)),
            ("82n", Duration::from_nanos(82)),
            ("0S", Duration::ZERO),
            ("99999999H", 99_999_999 * hour),
            ("00000001S", Duration::from_secs(1)),
        ] {
            assert_eq!(parse(value.as_bytes()), Some(expected), "{value}");
        }
        for value in ["", "S", "1", "1s", "1h", "-1S", "+1S", "1.5S", "123456789S", "1 S", " 1S", "1S ", "oneS", "١S"]
        {
            assert_eq!(parse(value.as_bytes()), None, "{value:?}");
        }
    }

    /// W5: the attempts before are taken off; garbage is left as it came.
    #[test]
    fn a_resend_has_the_time_that_is_left() {
        let mut call = grpc(&[("grpc-timeout", "1S")]);
        prepare(&mut call, Duration::from_millis(250), 0);
        assert_eq!(text(&call, "grpc-timeout"), Some("750000u"));

        let mut garbage = grpc(&[("grpc-timeout", "soon")]);
        prepare(&mut garbage, Duration::from_millis(250), 0);
        assert_eq!(text(&garbage, "grpc-timeout"), Some("soon"));
        assert_eq!(timeout(&garbage), None);

        let mut late = grpc(&[("grpc-timeout", "1m")]);
        prepare(&mut late, Duration::from_secs(1), 0);
        assert_eq!(text(&late, "grpc-timeout"), Some("0n"));

        let mut plain = head(&[("grpc-timeout", "1S")]);
        prepare(&mut plain, Duration::from_millis(250), 1);
        assert_eq!(text(&plain, "grpc-timeout"), Some("1S"));
        assert_eq!(text(&plain, "grpc-previous-rpc-attempts"), None);
        assert_eq!(timeout(&plain), None);
    }

    #[test]
    fn a_resend_tells_how_many_attempts_may_have_been_seen() {
        let mut call = grpc(&[]);
        prepare(&mut call, Duration::ZERO, 0);
        assert_eq!(text(&call, "grpc-previous-rpc-attempts"), None);
        prepare(&mut call, Duration::ZERO, 2);
        assert_eq!(text(&call, "grpc-previous-rpc-attempts"), Some("2"));

        for (above, expected) in [("3", "4"), ("+3", "1"), ("99999999999", "1"), ("4294967295", "4294967295")] {
            let mut resent_above = grpc(&[("grpc-previous-rpc-attempts", above)]);
            prepare(&mut resent_above, Duration::ZERO, 1);
            assert_eq!(text(&resent_above, "grpc-previous-rpc-attempts"), Some(expected), "{above}");
        }
    }

    #[test]
    fn methods_are_named_with_their_service() {
        let listed = |names: &[&str]| names.iter().map(|name| method(name)).collect::<Vec<_>>();
        let call = grpc(&[]);
        for names in [&["/shop.Catalog/Get"][..], &["shop.Catalog/Get"], &["/a.B/C", "/shop.Catalog/Get"]] {
            assert!(calls_one_of(&call, &listed(names)), "{names:?}");
        }
        for names in [&[][..], &["/shop.Catalog/GetAll"], &["/Catalog/Get"], &["/Get/"], &["/shop.Catalog/get"]] {
            assert!(!calls_one_of(&call, &listed(names)), "{names:?}");
        }
        let mut behind_a_gateway = grpc(&[]);
        behind_a_gateway.uri = "http://localhost/api/shop.Catalog/Get".parse().unwrap();
        assert!(calls_one_of(&behind_a_gateway, &listed(&["/shop.Catalog/Get"])));
        assert!(!calls_one_of(&head(&[]), &listed(&["/shop.Catalog/Get"])), "not gRPC");
    }

    proptest! {
        /// What is written is read again, never longer than it was, and shorter by less than a millionth, or by less than
        /// the unit that it took to write it.
        #[test]
        fn timeouts_never_grow(nanos in any::<u64>(), scale in 0_u32..6) {
            let timeout = Duration::from_nanos(nanos >> (10 * scale)).saturating_mul(1 << scale);
            let value = format(timeout);
            prop_assert!(value.len() <= MAX_DIGITS + 1);
            let read = parse(value.as_bytes()).unwrap();
            prop_assert!(read <= timeout);
            prop_assert!(timeout - read <= timeout / 100_000, "{timeout:?} as {value:?}");
        }

        #[test]
        fn any_timeout_is_read_or_left(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(timeout) = parse(&value) {
                prop_assert!(timeout <= Duration::from_secs(99_999_999 * 3600));
            }
        }

        #[test]
        fn however_long_it_took_no_time_is_added(count in 0_u32..100_000_000, unit in "[HMSmun]", elapsed in any::<u64>()) {
            let mut call = grpc(&[("grpc-timeout", &format!("{count}{unit}"))]);
            let before = timeout(&call).unwrap();
            prepare(&mut call, Duration::from_nanos(elapsed), 0);
            prop_assert!(timeout(&call).unwrap() <= before.saturating_sub(Duration::from_nanos(elapsed)));
        }
    }

    #[test]
    fn the_longest_timeouts_are_hours() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(format(hours(99_999_999) - Duration::from_nanos(1)), "99999998H");
        assert_eq!(format(hours(99_999_999)), "99999999H");
        assert_eq!(format(Duration::MAX), "99999999H", "eight digits are all there are");
    }

    #[test]
    fn a_ninth_digit_takes_a_larger_unit() {
        assert_eq!(format(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(format(Duration::from_nanos(100_000_000)), "100000u");
        assert_eq!(format(Duration::from_secs(99_999_999)), "99999999S");
        assert_eq!(format(Duration::from_secs(100_000_000)), "1666666M");
    }
}
