//! A response body that is all there, or ends in an error.
//!
//! hyper takes a stream that the peer ends with RST_STREAM(NO_ERROR) for one that ended (hyper 1.12, `body/incoming.rs`), and so a
//! response with `Content-Length: 65536` may give half of that and no error, through every client that is built on it. What
//! the length of a response's content says is checked nowhere above. [`Whole`] does: a body that ends with fewer
//! bytes than announced, or that has more, ends in a [`WrongLength`] error. [`WholeBodyLayer`] puts it into every response of a
//! client, below whatever decodes the content.
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::body::WholeBodyLayer;
//!
//! # async fn run() -> Result<(), BoxError> {
//! let mut client = ServiceBuilder::new()
//!     .layer(WholeBodyLayer::new())
//!     .layer(RetryOnCanceledLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).build_http());
//!
//! let request = Request::get("http://localhost:8080/file").body(Full::<Bytes>::default())?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # Which length
//!
//! That of the `Content-Length` field (RFC 9110, section 8.6). It says nothing of the content, and nothing is checked, for responses to HEAD, for those with
//! a status of 1xx, 204 or 304, for a CONNECT that succeeded, beside `Transfer-Encoding`, and where it is no number or several that
//! differ. Without the field the body's own exact `size_hint` counts.
//!
//! # Cost
//!
//! An addition for each frame; no byte is looked at.

mod body;
mod error;
mod expected;
mod future;
mod layer;
mod service;

pub use self::body::Whole;
pub use self::error::WrongLength;
pub(crate) use self::expected::number;
#[cfg(any(feature = "connect", feature = "resume"))]
pub(crate) use self::expected::{Announced, announced};
pub use self::future::ResponseFuture;
pub use self::layer::WholeBodyLayer;
pub use self::service::WholeBody;
