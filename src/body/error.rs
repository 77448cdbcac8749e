use std::error::Error;
use std::fmt;
use std::sync::{Arc, LazyLock};

use tower::BoxError;

/// The request body's own source failed.
///
/// The source's error is kept, however often it has to be told: it is the [`source`](Error::source) of this one, and can
/// be downcast there. hyper's HTTP/2 client drops it and resets the stream; this crate's
/// [`Event`](crate::retry::Event::body_error) shows it there too.
#[derive(Clone)]
pub struct SourceError(Arc<dyn Error + Send + Sync>);

impl SourceError {
    pub(super) fn new(error: BoxError) -> Self {
        Self(Arc::from(error))
    }

    /// The error that the source gave.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Debug for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceError").field(&self.0).finish()
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body failed")
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// This attempt's body was taken back: a newer attempt has it, or the request was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superseded(());

impl Superseded {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this attempt's request body was taken back")
    }
}

/// hyper resets the stream of a failed request body with the code that it finds down the error's chain
/// (`hyper::Error::h2_reason`, INTERNAL_ERROR if there is none). An attempt that is given up is canceled, as it would be
/// without this crate.
static CANCEL: LazyLock<h2::Error> = LazyLock::new(|| h2::Reason::CANCEL.into());

impl Error for Superseded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*CANCEL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_say_what_failed_and_why() {
        let failed = SourceError::new("no more".into());
        assert_eq!(
            (failed.to_string(), failed.source().unwrap().to_string()),
            ("the request body failed".into(), "no more".into())
        );
        let superseded = Superseded::new();
        assert_eq!(superseded.to_string(), "this attempt's request body was taken back");
        // The code that hyper resets the stream with.
        let reason =
            superseded.source().and_then(|source| source.downcast_ref::<h2::Error>()).and_then(h2::Error::reason);
        assert_eq!(reason, Some(h2::Reason::CANCEL));
    }
}
