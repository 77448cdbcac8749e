use std::error::Error;
use std::fmt;

/// A body was not as long as its response said.
///
/// What came before was given, but for a frame that is too much; whether it is right, nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLength {
    expected: u64,
    received: u64,
}

impl WrongLength {
    pub(super) const fn new(expected: u64, received: u64) -> Self {
        Self { expected, received }
    }

    /// How many bytes were announced.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.expected
    }

    /// How many came. Where it is more than expected there may be more still.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, received } = self;
        if received < expected {
            write!(f, "the response body ended after {received} of {expected} bytes")
        } else {
            write!(f, "the response body is longer than the {expected} bytes that were announced")
        }
    }
}

impl Error for WrongLength {}
