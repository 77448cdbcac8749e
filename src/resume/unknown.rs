use bytes::Bytes;
use tower::BoxError;

use super::digest::Running;
use super::{Incomplete, Why};

/// A download of which it is not known which bytes it has: it is counted, and not resumed.
#[derive(Debug)]
pub(super) struct Unknown {
    why: Why,
    received: u64,
    /// Where it is all of a representation.
    digest: Option<Running>,
}

impl Unknown {
    pub(super) const fn new(why: Why, digest: Option<Running>) -> Self {
        Self { why, received: 0, digest }
    }

    pub(super) const fn why(&self) -> Why {
        self.why
    }

    pub(super) const fn is_checked(&self) -> bool {
        self.digest.is_none()
    }

    pub(super) fn take(&mut self, data: &Bytes) {
        self.received = self.received.saturating_add(data.len() as u64);
        if let Some(digest) = &mut self.digest {
            digest.update(data);
        }
    }

    /// It ended cleanly.
    pub(super) fn finish(&mut self, expected: Option<u64>) -> Result<(), Incomplete> {
        match self.digest.take().is_none_or(Running::matches) {
            true => Ok(()),
            false => Err(self.incomplete(Why::Digest, expected, None)),
        }
    }

    /// It broke.
    pub(super) fn fail(&self, expected: Option<u64>, source: BoxError) -> Incomplete {
        self.incomplete(self.why, expected, Some(source))
    }

    fn incomplete(&self, why: Why, expected: Option<u64>, source: Option<BoxError>) -> Incomplete {
        Incomplete { received: self.received, expected, resumes: 0, why, source }
    }
}
