use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Response extension: how far a download is. It goes on telling while the body is read.
///
/// It is on every response of which the layer knows which bytes it has, also where those could not be resumed for want of a
/// validator.
///
/// ```
/// use http::Response;
/// use tower_redial::resume::Progress;
///
/// fn show<B>(response: &Response<B>) {
///     if let Some(progress) = response.extensions().get::<Progress>() {
///         println!("{} of {} bytes, {} resumes", progress.received(), progress.expected(), progress.resumes());
///     }
/// }
/// # show(&Response::new(()));
/// ```
#[derive(Clone)]
pub struct Progress(Arc<Shared>);

struct Shared {
    expected: u64,
    received: AtomicU64,
    kept: AtomicU64,
    resumes: AtomicU32,
}

impl Progress {
    pub(super) fn new(expected: u64) -> Self {
        let (received, kept, resumes) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU32::new(0));
        Self(Arc::new(Shared { expected, received, kept, resumes }))
    }

    /// How many bytes the body gives in all.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.0.expected
    }

    /// How many it has given.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// How often the rest was asked for.
    #[must_use]
    pub fn resumes(&self) -> u32 {
        self.0.resumes.load(Ordering::Relaxed)
    }

    /// How many bytes did not have to be fetched again: what had been received, added up over the answers that were joined on.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.0.kept.load(Ordering::Relaxed)
    }

    pub(super) fn set_received(&self, received: u64) {
        self.0.received.store(received, Ordering::Relaxed);
    }

    pub(super) fn set_resumes(&self, resumes: u32) {
        self.0.resumes.store(resumes, Ordering::Relaxed);
    }

    pub(super) fn keep(&self, bytes: u64) {
        self.0.kept.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("expected", &self.expected())
            .field("received", &self.received())
            .field("resumes", &self.resumes())
            .field("kept", &self.kept())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_tells_the_same() {
        let progress = Progress::new(9);
        let shown = progress.clone();
        progress.set_received(5);
        progress.set_resumes(2);
        progress.keep(3);
        progress.keep(1);
        assert_eq!((shown.expected(), shown.received(), shown.resumes(), shown.kept()), (9, 5, 2, 4));
    }
}
