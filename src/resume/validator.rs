//! What tells that a later answer has the same representation: byte for byte, so only strong validators.

use std::time::{Duration, SystemTime};

use http::header::{DATE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Why;

/// How much older than the response a modification date has to be (RFC 9110, section 8.8.2.2): the representation might have changed twice in
/// the second that it names, and clocks differ.
const OLD_ENOUGH: Duration = Duration::from_secs(60);

/// A strong validator, which `If-Range` may carry (RFC 9110, section 13.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Validator {
    /// An entity tag that is not weak.
    ETag(HeaderValue),
    /// A date, where there is no entity tag.
    LastModified(HeaderValue),
}

impl Validator {
    /// That of a response, if it has one.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        match single(headers, &ETAG) {
            Field::One(tag) => is_strong(tag.as_bytes()).then(|| Self::ETag(tag.clone())),
            Field::Several => None,
            Field::Missing => {
                let Field::One(modified) = single(headers, &LAST_MODIFIED) else { return None };
                let Field::One(date) = single(headers, &DATE) else { return None };
                let age = time(date)?.duration_since(time(modified)?).ok()?;
                (age >= OLD_ENOUGH).then(|| Self::LastModified(modified.clone()))
            }
        }
    }

    /// Whether another response says that it is of the same representation.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Why> {
        let (name, value) = match self {
            Self::ETag(tag) => (&ETAG, tag),
            // A tag where there was none is another server's, or another version of it.
            Self::LastModified(_) if headers.contains_key(ETAG) => return Err(Why::Changed),
            Self::LastModified(date) => (&LAST_MODIFIED, date),
        };
        match single(headers, name) {
            Field::One(other) if other == value => Ok(()),
            Field::Missing => Err(Why::Unproven),
            Field::One(_) | Field::Several => Err(Why::Changed),
        }
    }

    /// As the value of `If-Range`.
    pub(super) const fn value(&self) -> &HeaderValue {
        match self {
            Self::ETag(value) | Self::LastModified(value) => value,
        }
    }
}

enum Field<'a> {
    Missing,
    One(&'a HeaderValue),
    Several,
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Field<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Field::Missing,
        (Some(value), None) => Field::One(value),
        (Some(_), Some(_)) => Field::Several,
    }
}

/// `"..."` with nothing in it that may not be there (RFC 9110, section 8.8.3); a weak one begins with `W/`.
fn is_strong(tag: &[u8]) -> bool {
    match tag {
        [b'"', opaque @ .., b'"'] => opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..=0xff)),
        _ => false,
    }
}

fn time(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: (&str, &str) = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");

    fn of(fields: &[(&'static str, &'static str)]) -> Option<Validator> {
        Validator::of(&headers(fields))
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        headers
    }

    fn tag(value: &'static str) -> Option<Validator> {
        Some(Validator::ETag(HeaderValue::from_static(value)))
    }

    /// R2: a weak one is none.
    #[test]
    fn a_strong_validator_is_taken() {
        assert_eq!(of(&[("etag", r#""a""#)]), tag(r#""a""#));
        assert_eq!(of(&[("etag", r#""""#)]), tag(r#""""#));
        for other in [r#"W/"a""#, r#"w/"a""#, "a", r#"""#, r#""a"b""#, r#""a b""#, ""] {
            assert_eq!(of(&[("etag", other)]), None, "{other}");
        }
        assert_eq!(of(&[("etag", r#""a""#), ("etag", r#""a""#)]), None);
        assert_eq!(of(&[]), None);
    }

    /// R2: a date a minute older than the response is strong, where there is no tag.
    #[test]
    fn an_old_date_is_one() {
        let old = ("last-modified", "Wed, 21 Oct 2015 07:27:00 GMT");
        assert_eq!(of(&[DAY, old]), Some(Validator::LastModified(HeaderValue::from_static(old.1))));
        assert_eq!(of(&[DAY, ("last-modified", "Wed, 21 Oct 2015 07:27:01 GMT")]), None);
        assert_eq!(of(&[DAY, ("last-modified", "Wed, 21 Oct 2015 07:29:00 GMT")]), None, "in the future");
        assert_eq!(of(&[DAY, ("last-modified", "yesterday")]), None);
        assert_eq!(of(&[old]), None, "older than what?");
        assert_eq!(of(&[DAY, old, ("etag", r#"W/"a""#)]), None, "RFC 9110, section 13.1.5: not beside a tag");
    }

    #[test]
    fn the_same_is_the_same() {
        let validator = tag(r#""a""#).unwrap();
        assert_eq!(validator.check(&headers(&[("etag", r#""a""#)])), Ok(()));
        assert_eq!(validator.check(&headers(&[])), Err(Why::Unproven));
        for other in [&[("etag", r#"W/"a""#)][..], &[("etag", r#""b""#)], &[("etag", r#""a""#), ("etag", r#""b""#)]] {
            assert_eq!(validator.check(&headers(other)), Err(Why::Changed), "{other:?}");
        }
        let date = Validator::LastModified(HeaderValue::from_static(DAY.1));
        assert_eq!(date.check(&headers(&[("last-modified", DAY.1)])), Ok(()));
        assert_eq!(date.check(&headers(&[DAY])), Err(Why::Unproven));
        let tagged = headers(&[("last-modified", DAY.1), ("etag", r#""a""#)]);
        assert_eq!(date.check(&tagged), Err(Why::Changed));
    }
}
