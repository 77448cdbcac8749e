//! What is read out of heads, for the fuzz targets.

use http::{HeaderMap, HeaderValue};

use super::digest::{Announced, Running};
use super::range::{self, Asked, ContentRange, Spec};

/// First and last byte, and how many the whole has.
pub type Sent = (u64, u64, u64);

/// What a response's `Content-Range` says, if it says everything.
#[must_use]
pub fn content_range(headers: &HeaderMap) -> Option<Sent> {
    ContentRange::of(headers).map(|range| (range.first, range.last, range.complete))
}

/// The one range that a request's `Range` asks for: its first and its last byte, or, without a first one, how many at the end.
#[must_use]
pub fn one_range(headers: &HeaderMap) -> Option<(Option<u64>, Option<u64>)> {
    match Asked::of(headers) {
        Asked::One(Spec::From(first, last)) => Some((Some(first), last)),
        Asked::One(Spec::Last(length)) => Some((None, Some(length))),
        Asked::Everything | Asked::Other => None,
    }
}

/// Whether a server that was asked for one range may send that one.
#[must_use]
pub fn allows(asked: &HeaderMap, (first, last, complete): Sent) -> bool {
    let sent = ContentRange { first, last, complete };
    matches!(Asked::of(asked), Asked::One(spec) if spec.allows(&sent))
}

/// The `Range` that asks for a rest.
#[must_use]
pub fn ask(first: u64, end: u64, complete: u64) -> HeaderValue {
    range::ask(first, end, complete)
}

/// Whether the content of these pieces has the digest that the head announces; `None` where it announces none that is known.
#[must_use]
pub fn has_digest<'a>(headers: &HeaderMap, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<bool> {
    let mut running = Running::new(&Announced::of(headers)?);
    pieces.into_iter().for_each(|piece| running.update(piece));
    Some(running.matches())
}

/// The digest that the head announces.
#[must_use]
pub fn digest(headers: &HeaderMap) -> Option<Vec<u8>> {
    Announced::of(headers).map(|announced| match announced {
        Announced::Sha256(digest) => digest.to_vec(),
        Announced::Sha512(digest) => digest.to_vec(),
    })
}
