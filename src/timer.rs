//! Whether there is a timer to wait with.

use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

/// Whether there is a tokio runtime here, with its timer. Without one `sleep` panics, and tokio has no way to ask.
pub(crate) fn can_wait() -> bool {
    Handle::try_current().is_ok() && catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}
