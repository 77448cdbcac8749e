//! What the fuzz targets see of what is private. Only there under `--cfg fuzzing`, and no part of the crate's interface.

#[cfg(feature = "resume")]
pub use crate::resume::fuzzing::{Sent, allows, ask, content_range, digest, has_digest, one_range};

pub use crate::downgrade::fuzzing::observe;
pub use crate::retry::fuzzing::{is_grpc, prepare, timeout};
