//! Keeps HTTP requests alive when their connection dies.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod body;
mod body_use;
pub mod fate;
pub mod retry;

pub use self::body::ReplayBody;
pub use self::fate::{BodyUse, Cause, Failure, Fate};
pub use self::retry::{RetryOnCanceled, RetryOnCanceledLayer};
