//! What a response has of a representation, and whether a later one goes on with it.

use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, Method, StatusCode};

use super::Why;
use super::digest;
use super::range::{Asked, ContentRange};
use super::validator::Validator;
use crate::body::whole::{Announced, announced};

/// What a response is to the layer.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing that can be resumed by the rules of HTTP: it goes through as it is.
    Other,
    /// A download of which it is not known which bytes it has.
    Unknown(Why),
    /// A part of a representation, or all of it.
    Part(Part),
}

/// The bytes from `first` up to, not including, `end`, of a representation with `complete` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) complete: u64,
    /// What tells whether another response is of the same representation; or why the rest is not asked for.
    pub(super) validator: Result<Validator, Why>,
    /// That of all of it.
    pub(super) digest: Option<digest::Announced>,
    /// There are to be some at the end.
    pub(super) trailers: bool,
}

impl Content {
    /// What the response to a GET has.
    pub(super) fn of(asked: Asked, status: StatusCode, headers: &HeaderMap) -> Self {
        let range = match (status, asked) {
            (StatusCode::OK, Asked::Everything | Asked::One(_)) => None,
            (StatusCode::PARTIAL_CONTENT, Asked::One(spec)) if !is_multipart(headers) => {
                match ContentRange::of(headers).filter(|range| spec.allows(range)) {
                    Some(range) => Some(range),
                    None => return Self::Unknown(Why::WrongRange),
                }
            }
            _ => return Self::Other,
        };
        if is_encoded(headers) {
            return Self::Unknown(Why::Encoded);
        }
        let length = announced(&Method::GET, status, headers);
        let (first, end, complete) = match (range, length) {
            (None, Announced::Length(length)) => (0, length, length),
            (None, _) => return Self::Unknown(Why::NoLength),
            (Some(range), length) => {
                if let Err(why) = agrees(length, range.last - range.first + 1) {
                    return Self::Unknown(why);
                }
                (range.first, range.last + 1, range.complete)
            }
        };
        let validator =
            if refuses_ranges(headers) { Err(Why::NoRanges) } else { Validator::of(headers).ok_or(Why::NoValidator) };
        let digest = digest::Announced::of(headers);
        Self::Part(Part { first, end, complete, validator, digest, trailers: headers.contains_key(TRAILER) })
    }
}

impl Part {
    pub(super) const fn length(&self) -> u64 {
        self.end - self.first
    }

    /// Whether it is all of the representation.
    pub(super) const fn is_all(&self) -> bool {
        self.length() == self.complete
    }

    /// What the answer to the request for all from `position` on has.
    pub(super) fn rest(
        &self,
        position: u64,
        may_restart: bool,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Rest, Why> {
        let validator = self.validator.as_ref().map_err(|why| *why)?;
        if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Err(Why::Status(status));
        }
        validator.check(headers)?;
        let digest = digest::Announced::of(headers);
        if digest.zip(self.digest.as_ref()).is_some_and(|(digest, first)| digest.contradicts(first)) {
            return Err(Why::Changed);
        }
        if is_encoded(headers) {
            return Err(Why::Encoded);
        }
        let length = announced(&Method::GET, status, headers);
        if status == StatusCode::PARTIAL_CONTENT {
            let wanted = ContentRange { first: position, last: self.end - 1, complete: self.complete };
            let is_it = ContentRange::of(headers) == Some(wanted) && !is_multipart(headers);
            let length_of_it = self.end - position;
            if !is_it {
                return Err(Why::WrongRange);
            }
            agrees(length, length_of_it)?;
            return Ok(Rest { skip: 0, length: length_of_it });
        }
        match length {
            Announced::Length(length) if length != self.complete => Err(Why::Changed),
            Announced::Length(_) if position == 0 || may_restart => Ok(Rest { skip: position, length: self.complete }),
            Announced::Length(_) => Err(Why::RangeIgnored),
            _ => Err(Why::NoLength),
        }
    }
}

/// What to do with the body of an answer that may be joined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// So many bytes were delivered before.
    pub(super) skip: u64,
    /// So many it has to have in all.
    pub(super) length: u64,
}

/// HTTP asks for no `Content-Length` beside a range. But a layer that decodes takes it away, with the coding, and leaves the
/// range, which counts bytes that were coded.
fn agrees(announced: Announced, length: u64) -> Result<(), Why> {
    match announced {
        Announced::Length(announced) if announced == length => Ok(()),
        Announced::Length(_) => Err(Why::WrongRange),
        Announced::Unsaid | Announced::Nothing => Err(Why::NoLength),
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

fn is_multipart(headers: &HeaderMap) -> bool {
    const MULTIPART: &[u8] = b"multipart/byteranges";
    headers.get(CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().get(..MULTIPART.len()).is_some_and(|start| start.eq_ignore_ascii_case(MULTIPART))
    })
}

/// `Accept-Ranges: none` (RFC 9110, section 14.3). Without the field a client may try.
fn refuses_ranges(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT_RANGES).is_some_and(|units| units.as_bytes().trim_ascii().eq_ignore_ascii_case(b"none"))
}

#[cfg(test)]
mod tests;
