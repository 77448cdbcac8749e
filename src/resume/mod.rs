//! Downloads.

mod body;
mod digest;
mod download;
mod error;
mod event;
mod future;
mod layer;
mod part;
mod progress;
mod range;
mod resuming;
mod service;
mod timer;
#[cfg(feature = "tracing")]
mod trace;
mod validator;

pub use self::body::ResumeBody;
pub use self::error::{Incomplete, Why};
pub use self::event::{Break, Decision, Event};
pub use self::future::ResponseFuture;
pub use self::layer::ResumeLayer;
pub use self::progress::Progress;
pub use self::service::Resume;
