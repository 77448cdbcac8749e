//! How a layer below says that the next attempt goes over HTTP/1.1.

use std::sync::{Arc, atomic};

use crate::sync::atomic::{AtomicBool, Ordering};

#[cfg(all(test, redial_loom))]
mod models;

/// Request extension on each attempt: by it [`downgrade`](crate::downgrade) below tells the layer, beside an error that stays as
/// it is, that HTTP_1_1_REQUIRED will not be met again.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextOverHttp1(Arc<AtomicBool>);

/// Whether anybody in this process might say it: a request that nobody asks for it costs nothing.
static SOMEBODY_SAYS: atomic::AtomicBool = atomic::AtomicBool::new(false);

impl NextOverHttp1 {
    /// Somebody will say it, from the next request on.
    pub(crate) fn announce() {
        SOMEBODY_SAYS.store(true, Ordering::Relaxed);
    }

    /// For a request, where there is somebody to say it.
    pub(super) fn new() -> Option<Self> {
        SOMEBODY_SAYS.load(Ordering::Relaxed).then(Self::default)
    }

    pub(crate) fn say(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was said of the attempt that has failed.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_said_of_one_attempt() {
        let kept = NextOverHttp1::default();
        assert!(!kept.take());
        kept.clone().say();
        assert_eq!((kept.take(), kept.take()), (true, false));
    }
}
