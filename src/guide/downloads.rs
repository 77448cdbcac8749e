//! Downloads.
//!
//! Once a response's head has come, the request was processed, and nothing that resends requests helps: what is lost is the rest of
//! a body. There are two layers for it.
//!
//! | | [`WholeBodyLayer`](crate::body::WholeBodyLayer) | [`ResumeLayer`](../../resume/struct.ResumeLayer.html), feature `resume` |
//! |---|---|---|
//! | does | turns a body that is too short or too long into an error | the same, and asks for the rest where it breaks |
//! | for | any response that has a length | GETs with a length and a strong validator; all others it checks |
//! | costs | an addition for each frame | a few allocations for each download, and the digest where the server sends one |
//!
//! Take at least the first. hyper takes a body that RST_STREAM(NO_ERROR) or a graceful shutdown cut for a whole one, and half a file with
//! a `200` and no error is worse than none.
//!
//! # Into a file
//!
//! The body that the layer gives is read like any other. Write to a name of its own first, and let the file appear when it is whole:
//!
//! ```no_run
//! # #[cfg(feature = "resume")]
//! # async fn run() -> Result<(), tower::BoxError> {
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Full};
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tokio::io::AsyncWriteExt;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::resume::{Progress, ResumeLayer};
//!
//! let mut client = ServiceBuilder::new()
//!     .layer(ResumeLayer::new())
//!     .layer(RetryOnCanceledLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).build_http());
//!
//! let request = Request::get("http://localhost:8080/large").body(Full::<Bytes>::default())?;
//! let response = client.ready().await?.call(request).await?;
//! if !response.status().is_success() {
//!     return Err(format!("{}", response.status()).into());
//! }
//! let progress = response.extensions().get::<Progress>().cloned();
//! let mut body = response.into_body();
//! let mut file = tokio::fs::File::create("large.part").await?;
//! while let Some(frame) = body.frame().await {
//!     if let Ok(data) = frame?.into_data() {
//!         file.write_all(&data).await?;
//!     }
//! }
//! file.sync_all().await?;
//! tokio::fs::rename("large.part", "large").await?;
//! if let Some(progress) = progress {
//!     println!("{} bytes, {} resumes", progress.received(), progress.resumes());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Across runs of your program the layer knows nothing: keep the validator beside the part, and ask for the rest with `Range` and
//! `If-Range` yourself. `examples/batch_download` does it, and shows in what order the two have to be written.
//!
//! # Why a download does not go on
//!
//! `Incomplete` in the error's chain says how far it got and why it stopped. All the bytes that came are right, but for the last row.
//!
//! | [`Why`](../../resume/enum.Why.html) | what to do |
//! |---|---|
//! | `NoValidator`, `NoLength`, `NoRanges` | the server cannot be asked for a rest. It can be for all: begin again, or have it send an `ETag` and a length |
//! | `Encoded` | something asked for `gzip` below or with the request: a layer that decodes belongs above |
//! | `Changed`, `Elsewhere`, `Unproven` | what is there now is something else: throw away what you have, and begin again |
//! | `RangeIgnored` | the server sends everything again: [`allow_restart`](../../resume/struct.ResumeLayer.html#method.allow_restart) |
//! | `WrongRange`, `TooLong`, `NoTrailers` | the server is wrong |
//! | `Status` | 404, 403: it is gone, or your credentials are. 429, 503: a retry layer for statuses, *below* this one |
//! | `NoProgress`, `BudgetExhausted`, `MaxResumes` | the trouble lasts: later, or with other [`limits`](../../resume/struct.ResumeLayer.html#method.limits) |
//! | `Permanent` | a request for the rest failed for good: [`errors`](super::errors) for its source |
//! | `NoTimer` | there is no tokio runtime with a timer |
//! | `Digest` | the bytes are not what the server meant, from the first on: throw them away |
//!
//! # Many at once
//!
//! Over HTTP/2 a client has one connection to an origin, and all downloads on it share its fate and its speed. Three things help:
//!
//! - a limit of concurrency. `batch_download --concurrency auto` shows one that finds its own measure;
//! - room for a burst: [`budget_per_origin(1.0, n)`](crate::retry::Limits::budget_per_origin) with `n` at least the number of
//!   downloads at a time, in the resume layer's limits too;
//! - more connections: the pool of the feature [`connect`](../../connect/pool/index.html), where the server's stream limit asks for it.
//!
//! # Timeouts
//!
//! A timeout around the call ends with the head. `stall_timeout` is for a body that stands still; one for the whole download goes
//! around the reading. reqwest's own `timeout` covers the body and runs anew for each rest: set `read_timeout` instead, or a long one.
