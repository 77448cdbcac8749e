//! How long a response's body has to be.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};

/// What the head of the response to such a request says of its content's length (RFC 9110, section 8.6; RFC 9112, section 6.3).
pub(crate) fn announced(method: &Method, status: StatusCode, headers: &HeaderMap) -> Announced {
    let is_tunnel = *method == Method::CONNECT && status.is_success();
    let has_no_content = *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if is_tunnel || has_no_content || headers.contains_key(TRANSFER_ENCODING) {
        return Announced::Nothing;
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().flat_map(|value| {
        // A list of the same number several times is that number.
        value.as_bytes().split(|byte| *byte == b',').map(|digits| number(digits.trim_ascii()))
    });
    match lengths.next() {
        None => Announced::Unsaid,
        Some(Some(length)) if lengths.all(|other| other == Some(length)) => Announced::Length(length),
        Some(_) => Announced::Nothing,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    Length(u64),
    /// There is no such field.
    Unsaid,
    /// Whatever there is says nothing of the body.
    Nothing,
}

/// Digits only: `u64::from_str` takes a sign as well.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn of(method: &str, status: u16, fields: &[(&'static str, &'static str)]) -> Announced {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        announced(&method.parse().unwrap(), StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn what_a_head_says_of_its_body() {
        const TEN: (&str, &str) = ("content-length", "10");
        for (method, status, fields, expected) in [
            ("GET", 200, &[TEN][..], Announced::Length(10)),
            ("POST", 500, &[TEN], Announced::Length(10)),
            ("GET", 206, &[TEN, TEN], Announced::Length(10)),
            ("GET", 200, &[("content-length", "10, 10")], Announced::Length(10)),
            ("GET", 200, &[("content-length", "10, 11")], Announced::Nothing),
            ("GET", 200, &[TEN, ("content-length", "11")], Announced::Nothing),
            ("GET", 200, &[("content-length", "+10")], Announced::Nothing),
            ("GET", 200, &[("content-length", "")], Announced::Nothing),
            ("GET", 200, &[("content-length", "99999999999999999999")], Announced::Nothing),
            ("GET", 200, &[], Announced::Unsaid),
            ("GET", 200, &[TEN, ("transfer-encoding", "chunked")], Announced::Nothing),
            ("HEAD", 200, &[TEN], Announced::Nothing),
            ("GET", 204, &[TEN], Announced::Nothing),
            ("GET", 304, &[TEN], Announced::Nothing),
            ("CONNECT", 200, &[TEN], Announced::Nothing),
            ("CONNECT", 403, &[TEN], Announced::Length(10)),
        ] {
            assert_eq!(of(method, status, fields), expected, "{method} {status} {fields:?}");
        }
    }
}
