//! A request body that can be sent again, without `Clone` and mostly without a buffer; and a response body that is
//! [whole], or ends in an error.
//!
//! [`replay`] splits a body in two: a [`ReplayBody`], which goes into the request, and a [`Rewind`], which stays with
//! whoever may have to send the request again.
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Full};
//! use tower_redial::body::replay;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (first, mut rewind) = replay(Full::new(Bytes::from("once more")), 64 * 1024);
//! assert_eq!(first.collect().await.unwrap().to_bytes(), "once more");
//!
//! let second = rewind.again().expect("it was short enough to be recorded");
//! assert_eq!(second.collect().await.unwrap().to_bytes(), "once more");
//! # }
//! ```
//!
//! # How
//!
//! The body lies in a slot that both halves share.
//!
//! - As long as nobody polled it, it lies there whole, and sending it again just takes it back: no copy, no buffer.
//! - Once polled, its frames are recorded as they pass, trailers too, up to a limit in bytes. A new attempt is given what
//!   was recorded and goes on with the rest of the source. Recording a [`Bytes`](bytes::Bytes) of 1 KiB or
//!   more counts a reference and copies nothing; smaller ones are gathered in one buffer.
//! - When more than the limit has passed, recording stops, its memory is freed, and the body can no longer be sent
//!   again. The attempt that is under way does not notice. A body whose `size_hint` tells beforehand that it is too
//!   large is not recorded from the start.
//! - A body that is empty from the start has no slot at all.
//!
//! # Never a mixed stream
//!
//! The newest attempt owns the body. An older [`ReplayBody`] that is still alive somewhere, in the task of a dying
//! connection for instance, gets a [`Superseded`] error at its next poll and is woken for it: never a clean end, which
//! the peer would take for the whole body, and never a frame that belongs to the newer one. A source that failed fails
//! again at every later poll.

mod error;
mod recording;
mod replay_body;
mod rewind;
mod slot;
pub mod whole;

pub use self::error::{SourceError, Superseded};
pub use self::replay_body::ReplayBody;
pub use self::rewind::Rewind;
pub use self::whole::{Whole, WholeBody, WholeBodyLayer, WrongLength};

use http_body::Body;

/// Splits a body into the half that is sent and the half that can send it again.
///
/// `limit` is how many bytes of it may be kept for a later attempt. With a limit of 0 the body can be sent again only
/// as long as nothing of it was taken.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
/// use tower_redial::body::replay;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower::BoxError> {
/// let (first, mut rewind) = replay(Full::new(Bytes::from("order")), 1024);
/// assert_eq!(first.collect().await?.to_bytes(), "order"); // and then its connection was lost
///
/// let second = rewind.again().expect("five bytes are within the limit");
/// assert_eq!(second.collect().await?.to_bytes(), "order");
/// # Ok(())
/// # }
/// ```
pub fn replay<B: Body>(body: B, limit: usize) -> (ReplayBody<B>, Rewind<B>) {
    let rewind = Rewind::new(body, limit);
    (rewind.handle(), rewind)
}
