//! Files that need no disk: for downloads whose every byte is checked.

use bytes::{Bytes, BytesMut};
use http::header;
use sha2::{Digest, Sha256};

use super::message::{Received, Reply};
pub use super::mix;

/// The sizes of [`files`] lie between these.
pub const SMALLEST: usize = 16 * 1024;
/// See [`SMALLEST`].
pub const LARGEST: usize = 1024 * 1024;

/// A file whose content follows from its seed, at any offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path is `/files/{name}`.
    pub name: String,
    /// In bytes.
    pub size: usize,
    /// Determines the content.
    pub seed: u64,
}

/// The first `count` files: named by number, with sizes from [`SMALLEST`] to [`LARGEST`]. Always the same ones.
pub fn files(count: usize) -> Vec<File> {
    (0..count as u64).map(File::number).collect()
}

impl File {
    /// The file with this number.
    pub fn number(number: u64) -> Self {
        let spread = (LARGEST - SMALLEST) as u64 + 1;
        let size = SMALLEST + usize::try_from(mix(number ^ 0x5EED) % spread).unwrap_or_default();
        Self { name: number.to_string(), size, seed: number }
    }

    /// Where it is served.
    pub fn path(&self) -> String {
        format!("/files/{}", self.name)
    }

    /// All of it.
    pub fn content(&self) -> Bytes {
        self.part(0, self.size)
    }

    /// The bytes from `start` up to, not including, `end`.
    pub fn part(&self, start: usize, end: usize) -> Bytes {
        let (start, end) = (start.min(self.size), end.min(self.size));
        let mut part = BytesMut::with_capacity(end.saturating_sub(start) + 16);
        let first = start / 8;
        for word in first..end.div_ceil(8) {
            part.extend_from_slice(&mix(self.seed.rotate_left(40) ^ word as u64).to_le_bytes());
        }
        let mut part = part.freeze();
        let skip = (start - first * 8).min(part.len());
        drop(part.split_to(skip));
        part.truncate(end.saturating_sub(start));
        part
    }

    /// The SHA-256 of its content, in hex.
    pub fn sha256(&self) -> String {
        sha256(&self.content())
    }

    /// What a request for it is answered with: content-length, ETag and ranges.
    ///
    /// Of ranges it knows `bytes=a-` and `bytes=a-b` (RFC 9110, 14), and If-Range with an entity tag.
    pub fn serve(&self, received: &Received) -> Reply {
        let field = |name| received.headers.get(name).and_then(|value| value.to_str().ok());
        let same = field(header::IF_RANGE).is_none_or(|tag| tag == self.etag());
        let reply = match field(header::RANGE).filter(|_| same).and_then(range) {
            None => Reply::ok(self.content()),
            Some((start, _)) if start >= self.size => {
                Reply::new(416).header("content-range", format!("bytes */{}", self.size))
            }
            Some((start, end)) => {
                let part = self.part(start, end.map_or(self.size, |end| end.saturating_add(1)));
                let range = format!("bytes {start}-{}/{}", start + part.len() - 1, self.size);
                Reply { status: 206, ..Reply::ok(part) }.header("content-range", range)
            }
        };
        reply.header("etag", self.etag()).header("accept-ranges", "bytes")
    }

    /// A strong validator.
    pub fn etag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.seed, self.size)
    }
}

/// A SHA-256 in hex.
pub fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// `len` bytes that compress badly and differ by seed: for request bodies.
pub fn noise(seed: u64, len: usize) -> Bytes {
    File { name: String::new(), size: len, seed }.content()
}

/// The handler that serves the first `count` [`files`], as [`File::serve`] does; 404 for the rest.
pub fn serve(count: usize) -> impl Fn(&Received, Bytes) -> Reply + Send + Sync + 'static {
    move |received, _body| {
        let number = received.path.strip_prefix("/files/").and_then(|name| name.parse().ok());
        let file = number.filter(|number| *number < count as u64).map(File::number);
        file.map_or_else(|| Reply::new(404), |file| file.serve(received))
    }
}

/// First byte, and last if there is one.
fn range(value: &str) -> Option<(usize, Option<usize>)> {
    let (start, end) = value.strip_prefix("bytes=")?.split_once('-')?;
    let start = start.parse().ok()?;
    let end = if end.is_empty() { None } else { Some(end.parse().ok().filter(|end| *end >= start)?) };
    Some((start, end))
}
