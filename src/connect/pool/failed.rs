use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::connect::Error;
use crate::fate::{Failure, Verdict};

/// Why those who waited for a connection got none.
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) source: Option<Error>,
}

impl Failed {
    pub(super) fn verdict(self: Arc<Self>) -> Verdict {
        let verdict = Verdict::new(self.failure, "no connection could be made");
        if self.source.is_some() { verdict.because(Shared(self)) } else { verdict }
    }
}

/// An error that several callers get.
struct Shared(Arc<Failed>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connect that the request waited for failed")
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.source, f)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}
