//! Whether there is a timer to wait with.

use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;
#[cfg(feature = "resume")]
use tokio::time::{Instant, Sleep, sleep_until};

/// Whether there is a tokio runtime here, with its timer. Without one `sleep` panics, and tokio has no way to ask.
pub(crate) fn can_wait() -> bool {
    Handle::try_current().is_ok() && catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}

/// A timer of the runtime that is here, if there is one with timers.
#[cfg(feature = "resume")]
pub(crate) fn timer(deadline: Instant) -> Option<Sleep> {
    Handle::try_current().is_ok().then(|| catch_unwind(|| sleep_until(deadline)).ok())?
}
