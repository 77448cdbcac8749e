//! Downloads that go on where they broke.
//!
//! Once the head of a response is in, nothing above an HTTP client helps: the connection dies eight minutes into a download, and the
//! eight minutes are lost. [`ResumeLayer`] goes around the client, above [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer).
//! Where the body of a response to a GET ends early, fails or stands still, it asks for the rest with `Range` and `If-Range`, and goes
//! on with the same body. Whoever reads it sees one response, and every byte once.
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Full};
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::resume::ResumeLayer;
//!
//! # async fn run() -> Result<(), BoxError> {
//! let mut client = ServiceBuilder::new()
//!     .layer(ResumeLayer::new())
//!     .layer(RetryOnCanceledLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).build_http());
//!
//! let request = Request::get("http://localhost:8080/large").body(Full::<Bytes>::default())?;
//! let mut body = client.ready().await?.call(request).await?.into_body();
//! while let Some(frame) = body.frame().await {
//!     drop(frame?.into_data());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `reqwest` the same layer goes around a `Service<reqwest::Request>`, and with `reqwest-middleware` it is middleware:
//! see [`tower_redial::reqwest`](../reqwest/index.html#downloads).
//!
//! # What is resumed
//!
//! Strict rules, since a rest that belongs to other bytes is worse than an error. A response is resumed if
//!
//! - it answers a GET without a body, with 200, or with 206 where the caller asked for one range;
//! - it has a strong `ETag`, or, where it has none, a `Last-Modified` at least a minute before its `Date` (RFC 9110, sections
//!   8.8.2.2 and 13.1.5);
//! - it says by `Content-Length` how long it is, a 206 too, and no content coding is applied. A layer that decodes takes that field
//!   away, so what was decoded below this one is not resumed. The layer sends `Accept-Encoding: identity`, unless the request has the
//!   field: a layer that decodes belongs above this one, and what it asks to be coded is not resumed;
//! - it does not say `Accept-Ranges: none`.
//!
//! The answer to the request for the rest is joined on if it is a 206 with the same validator and a `Content-Range` of exactly the
//! bytes that are missing, of the same complete length. A 200 with the same validator is, too, where
//! [`allow_restart`](ResumeLayer::allow_restart) is set: what was delivered is skipped. Everything else ends the body with
//! [`Incomplete`], which says how far it got and [`Why`] it does not go on; statuses such as 503 among them: retrying those belongs
//! to a layer below.
//!
//! The rest is asked for where the caller asked. A layer that follows redirects belongs **above** this one, so that this is the
//! place that the redirect led to: a validator speaks of one resource, and another's may be equal by chance. reqwest follows them below;
//! there the answer has to come from the same URL as the response, but for the query ([`Why::Elsewhere`]).
//!
//! The caller's own range is resumed inside itself. Requests for several ranges go through untouched, other methods too.
//!
//! # Every body is checked
//!
//! A body that is shorter or longer than its `Content-Length` is an error, resumed or not:
//! [`Whole`](crate::body::Whole) is in it. Where the server sends a `Repr-Digest` with all of a representation (RFC 9530; sha-256 or
//! sha-512), a body ends in an error if the digest is wrong, and the last bytes are kept back where it is known which they are. Not
//! checked are what a coding is applied to, and what has no length where the request asked for a coding: it may have been decoded.
//!
//! # How often
//!
//! | | |
//! |---|---|
//! | in a row, without a byte in between | 8, after 50 ms doubling up to 5 s, which is eight seconds or more in all ([`limits`](ResumeLayer::limits)). Each is a request of its own to the layers below, which may resend it |
//! | in all | 1,000 ([`max_resumes`](ResumeLayer::max_resumes)) |
//! | budget | its own, unless it is [shared](ResumeLayer::limits): as many as there were successes in the last ten seconds, and 10 a second. What brought a byte is a success |
//! | no byte while somebody reads | 30 s ([`stall_timeout`](ResumeLayer::stall_timeout)), also for the head of the answer |
//!
//! # What you see of it
//!
//! - [`Progress`] in the response's extensions, where it is known which bytes a response has: bytes, resumes, and how many bytes did not
//!   have to be fetched again;
//! - [`on_resume`](ResumeLayer::on_resume): each time such a download breaks, how, and what was decided and why;
//! - with the feature `tracing`, the same at debug level.
//!
//! # Timeouts
//!
//! A timeout below this layer is one for each attempt. hyper's clients have none for a body, and need none here. One for the whole
//! download belongs around the reading of it: a `tower::timeout` above this layer ends with the head.
//!
//! # Order of layers
//!
//! Outermost first: what decodes content, this layer, [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer),
//! [`ConnectionHealth`](crate::ConnectionHealth), the client. A concurrency limit below, whose permit lives in a response's body, is
//! given back before the rest is asked for.
//!
//! # Cost
//!
//! A few allocations for each download, and an addition for each frame; where the data are `Bytes`, as hyper's are, no byte is looked at or
//! copied, but for a digest.
//! Memory is what one frame takes, however long the download.
//!
//! # Bodies
//!
//! The request for the rest has the empty body that `Default` makes. Where a client's body type has none, since it also uploads
//! streams for instance, box it: `http_body_util`'s `BoxBody` and `UnsyncBoxBody` have one.
//!
//! Where the errors below are boxed already, the compiler does not see that the future of `collect()` on the response's body is `Send`:
//! in a spawned task, call `boxed_unsync()` on the body before, or read it frame by frame.
//!
//! # Runtime
//!
//! Waits and the stall timeout need a tokio runtime with its timer enabled, as [`retry`](crate::retry#runtime)'s do.

mod body;
mod came_from;
mod digest;
mod download;
mod error;
mod event;
mod future;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod layer;
mod part;
mod progress;
mod range;
mod resuming;
mod service;
mod timer;
#[cfg(feature = "tracing")]
mod trace;
mod unknown;
mod validator;

pub use self::body::ResumeBody;
#[cfg(feature = "reqwest")]
pub(crate) use self::came_from::CameFrom;
pub use self::error::{Incomplete, Why};
pub use self::event::{Break, Decision, Event};
pub use self::future::ResponseFuture;
pub use self::layer::ResumeLayer;
pub use self::progress::Progress;
pub use self::service::Resume;
