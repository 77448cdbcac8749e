//! What has to be known of a part of a file to go on with it: what is kept beside it, and which answers go on with it. No IO.

use std::time::Duration;

use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

/// How much older than the response a date of modification has to be (RFC 9110, 8.8.2.2): the file might have changed twice in the
/// second that it names, and clocks differ.
const OLD_ENOUGH: Duration = Duration::from_secs(60);

/// What is kept beside a part. It says of which representation its bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Where it comes from.
    pub(crate) url: String,
    /// What `If-Range` carries (RFC 9110, 13.1.5).
    #[serde(flatten)]
    pub(crate) validator: Validator,
    /// How many bytes all of it has, if that was said.
    pub(crate) length: Option<u64>,
}

/// A strong one: it changes whenever a byte does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Validator {
    /// An entity tag that is not weak.
    Etag(String),
    /// A date, where there is no entity tag.
    LastModified(String),
}

/// What a response is to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All of the representation, and what to keep beside it: nothing, if it could not be gone on with.
    All(Option<Kept>),
    /// So many bytes, which go behind the part.
    Rest(u64),
    /// The part is all there is.
    Nothing,
    /// It does not fit to the part. What does is all of it.
    Unfit,
    /// No file.
    Failed(StatusCode),
}

impl Kept {
    /// What a response to a request for everything says.
    pub(crate) fn of(url: &str, headers: &HeaderMap) -> Option<Self> {
        let is = |name, what: &str| field(headers, &name).is_some_and(|value| value.eq_ignore_ascii_case(what));
        let encoded = headers.contains_key(CONTENT_ENCODING) && !is(CONTENT_ENCODING, "identity");
        if encoded || is(ACCEPT_RANGES, "none") {
            return None;
        }
        Some(Self { url: url.to_owned(), validator: Validator::of(headers)?, length: length(headers) })
    }

    /// What asks for the rest, behind so many bytes; `None` if that cannot be asked.
    pub(crate) fn asks(&self, after: u64) -> Option<[(HeaderName, HeaderValue); 2]> {
        let range = format!("bytes={after}-").parse().ok()?;
        Some([(RANGE, range), (IF_RANGE, self.validator.value().parse().ok()?)])
    }

    /// What an answer to that is.
    fn answer(&self, after: u64, status: StatusCode, headers: &HeaderMap) -> Answer {
        match status {
            StatusCode::PARTIAL_CONTENT if self.validator.is_that_of(headers) => match content_range(headers) {
                Some((Some((first, last)), complete))
                    if first == after && last.checked_add(1) == Some(complete) && self.agrees(complete) =>
                {
                    Answer::Rest(complete - first)
                }
                _ => Answer::Unfit,
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                // Not all servers send a validator with it; one that is another's says enough.
                let other = headers.contains_key(ETAG) && !self.validator.is_that_of(headers);
                match content_range(headers) {
                    Some((None, complete)) if complete == after && self.agrees(complete) && !other => Answer::Nothing,
                    _ => Answer::Unfit,
                }
            }
            _ => Answer::Unfit,
        }
    }

    fn agrees(&self, complete: u64) -> bool {
        self.length.is_none_or(|length| length == complete)
    }
}

impl Answer {
    /// What a response is, where the rest behind a part was asked for; or everything, without one.
    pub(crate) fn of(part: Option<(&Kept, u64)>, url: &str, status: StatusCode, headers: &HeaderMap) -> Self {
        match (status, part) {
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, Some((kept, after))) => {
                kept.answer(after, status, headers)
            }
            // Nobody asked for a part.
            (StatusCode::PARTIAL_CONTENT, None) => Self::Failed(status),
            _ if status.is_success() => Self::All(Kept::of(url, headers)),
            _ => Self::Failed(status),
        }
    }
}

impl Validator {
    fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(ETAG) {
            let tag =
                field(headers, &ETAG).filter(|tag| tag.len() > 1 && tag.starts_with('"') && tag.ends_with('"'))?;
            return Some(Self::Etag(tag.to_owned()));
        }
        let modified = field(headers, &LAST_MODIFIED)?;
        let time = |value| httpdate::parse_http_date(value).ok();
        let age = time(field(headers, &DATE)?)?.duration_since(time(modified)?).ok()?;
        (age >= OLD_ENOUGH).then(|| Self::LastModified(modified.to_owned()))
    }

    fn value(&self) -> &str {
        match self {
            Self::Etag(value) | Self::LastModified(value) => value,
        }
    }

    /// Whether a response is of the same representation.
    fn is_that_of(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Etag(tag) => field(headers, &ETAG) == Some(tag),
            // A tag where there was none is another version's.
            Self::LastModified(date) => field(headers, &LAST_MODIFIED) == Some(date) && !headers.contains_key(ETAG),
        }
    }
}

/// What `Content-Length` says.
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    number(field(headers, &CONTENT_LENGTH)?)
}

/// First and last byte, if there are any, and how many there are in all.
fn content_range(headers: &HeaderMap) -> Option<(Option<(u64, u64)>, u64)> {
    let (unit, range) = field(headers, &CONTENT_RANGE)?.split_once(' ')?;
    let (range, complete) = range.split_once('/').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let range = match range.split_once('-') {
        Some((first, last)) => Some((number(first)?, number(last)?)),
        None if range == "*" => None,
        None => return None,
    };
    Some((range, number(complete)?))
}

/// The value of a field that is there once.
fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    value.to_str().ok().map(str::trim)
}

/// Digits only: `u64::from_str` takes a sign as well.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://localhost/a";
    const TAG: (&str, &str) = ("etag", "\"one\"");
    const DAY: (&str, &str) = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
    const OLD: (&str, &str) = ("last-modified", "Wed, 21 Oct 2015 07:27:00 GMT");

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn kept(fields: &[(&'static str, &'static str)]) -> Option<Kept> {
        Kept::of(URL, &headers(fields))
    }

    fn tagged(length: Option<u64>) -> Kept {
        Kept { url: URL.to_owned(), validator: Validator::Etag(TAG.1.to_owned()), length }
    }

    fn answer(kept: &Kept, status: u16, fields: &[(&'static str, &'static str)]) -> Answer {
        Answer::of(Some((kept, 40)), URL, StatusCode::from_u16(status).unwrap(), &headers(fields))
    }

    #[test]
    fn only_strong_validators_are_kept() {
        assert_eq!(kept(&[TAG, ("content-length", "100")]), Some(tagged(Some(100))));
        assert_eq!(kept(&[TAG]), Some(tagged(None)));
        for tag in ["W/\"one\"", "one", "\"", ""] {
            assert_eq!(kept(&[("etag", tag), DAY, OLD]), None, "{tag}");
        }
        assert_eq!(kept(&[TAG, TAG]), None);
        let dated = kept(&[DAY, OLD]).unwrap();
        assert_eq!(dated.validator, Validator::LastModified(OLD.1.to_owned()));
        assert_eq!(kept(&[DAY, ("last-modified", "Wed, 21 Oct 2015 07:27:01 GMT")]), None, "too young");
        assert_eq!(kept(&[OLD]), None, "older than what?");
        assert_eq!(kept(&[]), None);
    }

    #[test]
    fn what_could_not_be_gone_on_with_is_not_kept() {
        assert_eq!(kept(&[TAG, ("accept-ranges", "none")]), None);
        assert_eq!(kept(&[TAG, ("content-encoding", "gzip")]), None);
        assert!(kept(&[TAG, ("content-encoding", "identity"), ("accept-ranges", "bytes")]).is_some());
    }

    #[test]
    fn what_is_kept_can_be_read_again() {
        for kept in [tagged(Some(100)), tagged(None), kept(&[DAY, OLD]).unwrap()] {
            let text = serde_json::to_string(&kept).unwrap();
            assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), kept, "{text}");
        }
        let text = r#"{"url":"http://localhost/a","etag":"\"one\"","length":null}"#;
        assert_eq!(serde_json::to_string(&tagged(None)).unwrap(), text);
        serde_json::from_str::<Kept>(r#"{"url":"http://localhost/a","length":1}"#).unwrap_err();
    }

    #[test]
    fn the_rest_is_asked_for_with_the_validator() {
        let asks = tagged(None).asks(40).unwrap().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        assert_eq!(asks, ["range: bytes=40-", "if-range: \"one\""]);
        let asks = kept(&[DAY, OLD]).unwrap().asks(0).unwrap();
        assert_eq!(asks[1].1, OLD.1);
    }

    #[test]
    fn a_rest_has_to_prove_itself() {
        let range = |value| ("content-range", value);
        let fit = range("bytes 40-99/100");
        assert_eq!(answer(&tagged(Some(100)), 206, &[TAG, fit]), Answer::Rest(60));
        assert_eq!(answer(&tagged(None), 206, &[TAG, fit]), Answer::Rest(60));
        let dated = kept(&[DAY, OLD]).unwrap();
        assert_eq!(answer(&dated, 206, &[OLD, fit]), Answer::Rest(60));
        for unfit in [
            &[fit][..],
            &[TAG],
            &[("etag", "\"two\""), fit],
            &[("etag", "W/\"one\""), fit],
            &[TAG, TAG, fit],
            &[TAG, range("bytes 39-99/100")],
            &[TAG, range("bytes 41-99/100")],
            &[TAG, range("bytes 40-98/100")],
            &[TAG, range("bytes 40-99/*")],
            &[TAG, range("bytes 40-109/110")],
            &[TAG, range("bytes */100")],
            &[TAG, range("lines 40-99/100")],
            &[TAG, range("bytes 40-+99/100")],
            &[TAG, fit, fit],
            &[TAG, ("content-type", "multipart/byteranges; boundary=x")],
        ] {
            assert_eq!(answer(&tagged(Some(100)), 206, unfit), Answer::Unfit, "{unfit:?}");
        }
        for unfit in [&[fit][..], &[DAY, fit], &[OLD, TAG, fit]] {
            assert_eq!(answer(&dated, 206, unfit), Answer::Unfit, "{unfit:?}");
        }
    }

    #[test]
    fn nothing_is_missing_only_where_all_of_the_same_is_there() {
        let complete = |value| ("content-range", value);
        for fields in [&[complete("bytes */40")][..], &[complete("bytes */40"), TAG]] {
            assert_eq!(answer(&tagged(Some(40)), 416, fields), Answer::Nothing);
            assert_eq!(answer(&tagged(None), 416, fields), Answer::Nothing);
        }
        for unfit in [
            &[][..],
            &[complete("bytes */39")],
            &[complete("bytes */41")],
            &[complete("bytes 0-39/40")],
            &[complete("bytes */40"), ("etag", "\"two\"")],
        ] {
            assert_eq!(answer(&tagged(Some(40)), 416, unfit), Answer::Unfit, "{unfit:?}");
        }
        assert_eq!(answer(&tagged(Some(50)), 416, &[complete("bytes */40")]), Answer::Unfit);
    }

    #[test]
    fn other_answers_are_all_of_it_or_no_file() {
        let other = &[("etag", "\"two\""), ("content-length", "7")];
        let Answer::All(Some(new)) = answer(&tagged(Some(100)), 200, other) else { panic!("all of another version") };
        assert_eq!((new.validator, new.length), (Validator::Etag("\"two\"".to_owned()), Some(7)));
        assert_eq!(answer(&tagged(Some(100)), 200, &[]), Answer::All(None));
        for status in [302, 404, 412, 500] {
            let failed = Answer::Failed(StatusCode::from_u16(status).unwrap());
            assert_eq!(answer(&tagged(Some(100)), status, &[TAG]), failed);
        }
        for status in [StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE] {
            let unasked = Answer::of(None, URL, status, &headers(&[TAG, ("content-range", "bytes 0-9/10")]));
            assert_eq!(unasked, Answer::Failed(status));
        }
    }
}
