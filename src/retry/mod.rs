//! Requests survive a closed connection.
//!
//! [`RetryOnCanceledLayer`] goes around a client. When an attempt fails, it asks what the failure
//! [proves](crate::fate) and resends the request where that is safe:
//!
//! - a request that was not sent, or not processed, whatever its method;
//! - one that may have been processed, only if it is idempotent (RFC 9110, section 9.2.2).
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//!
//! # async fn run() -> Result<(), hyper_util::client::legacy::Error> {
//! let mut client = ServiceBuilder::new()
//!     .layer(RetryOnCanceledLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).http2_only(true).build_http());
//!
//! let request = Request::post("http://localhost:8080/orders").body(Full::new(Bytes::from("one"))).unwrap();
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! The response and the error types are the client's own, and a request that is not resent ends in the client's own
//! error, unchanged. The request needs no `Clone`: its head is kept, its body is a [`ReplayBody`](crate::ReplayBody).
//!
//! # What is resent, how often
//!
//! | failure | limits | budget |
//! |---|---|---|
//! | handed back, refused, not processed | [`Limits::transparent`] | its own, generous |
//! | graceful GOAWAY, proof or not | [`Limits::transparent`] | none for the first two resends, since the server asked for them |
//! | HTTP_1_1_REQUIRED, where a [`downgrade`](crate::downgrade) is below | [`Limits::transparent`] | its own, generous |
//! | lost with the connection, connect failed, ENHANCE_YOUR_CALM | [`Limits::after_loss`] | its own, tight |
//!
//! No resend begins later than [`retry_for`](RetryOnCanceledLayer::retry_for) after the request did. A token is taken
//! from the budget at the moment when a resend is sent, and only a success puts one back. Budgets are kept for each
//! origin.
//!
//! # Which requests
//!
//! In this order:
//!
//! 1. [`NoRetry`] in the request's extensions, or [`Treatment::NoRetry`]: never resent;
//! 2. CONNECT, and requests with an `Upgrade` header: only where they were not sent;
//! 3. [`Treatment::Idempotent`] or [`Treatment::NotIdempotent`] from the layer's predicate;
//! 4. a gRPC method of [`idempotent_grpc_methods`](RetryOnCanceledLayer::idempotent_grpc_methods);
//! 5. the method, an `Idempotency-Key` header, or [`Idempotent`] in the extensions.
//!
//! # gRPC
//!
//! A request with a content-type of `application/grpc`, alone or with a message format as in `application/grpc+proto`, is a gRPC
//! call, whatever client it goes through. One of gRPC-Web (`application/grpc-web`) is not: what follows does not hold for it.
//!
//! - the caller's deadline is one for all attempts: on a resend `grpc-timeout` is what the attempts before left of it, and
//!   where that is nothing, there is no resend ([`Stop::OutOfTime`]);
//! - `grpc-previous-rpc-attempts` tells the server how many earlier attempts it may have seen. As in gRPC's own libraries,
//!   those that were provably not processed do not count (proposal A6, "Transparent Retries");
//! - once a response's headers have come, trailers-only responses among them, nothing is resent: a status is a response.
//!
//! # What you see of it
//!
//! - [`Attempts`] in the response's extensions, if there was a resend;
//! - [`ResendCount`] in the request's extensions on each resend, for the layers below;
//! - [`on_retry`](RetryOnCanceledLayer::on_retry): each failed attempt, what it proves, and what was decided and why;
//! - with the feature `tracing`, the same at debug level.
//!
//! # Order of layers
//!
//! Outermost first: the timeout for the whole request, this layer, [`downgrade`](crate::downgrade), [`health`](crate::health), the
//! timeout for each attempt, the client. A concurrency limit or a load shedder may stand on either side: no permit is held during a backoff. What changes the request for each
//! attempt (signing, fresh credentials) belongs below. A layer that reads the body ahead of the client must stand above:
//! below, a body that was polled is taken for one whose request was sent on an open stream.
//!
//! # Two retry layers
//!
//! Attempts must not multiply. A request that carries a [`ResendCount`] from above is not resent by this layer, and a
//! client's own retries are best switched off, but for hyper-util's
//! `retry_canceled_requests`, which costs nothing.
//!
//! # Differences from [`tower::retry`]
//!
//! `tower::retry` asks a policy whether to clone the request beforehand, and knows nothing of what an error proves. This
//! layer clones no body, streams included, and its policy is what HTTP's own rules say.
//!
//! # Runtime
//!
//! Backoffs need a tokio runtime with its timer enabled. Without one the layer resends only what needs no wait; it finds
//! out by a panic of tokio's that it catches, since tokio has no way to ask, and with `panic = "abort"` cannot.
//!
//! # Bodies
//!
//! A body has to be `Unpin`, as hyper's clients ask anyway. `Box::pin` one that is not.

mod as_error;
mod attempts;
mod backoff;
mod budget;
mod event;
mod exchange;
mod future;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
pub(crate) mod grpc;
pub(crate) mod head;
mod layer;
mod limits;
mod over_http1;
mod policy;
pub(crate) mod request;
mod service;
mod spare;
#[cfg_attr(not(feature = "tracing"), path = "untraced.rs")]
mod trace;
mod treatment;

pub use self::as_error::{AsError, Boxed, Typed};
pub use self::attempts::{Attempt, Attempts, ResendCount};
pub use self::backoff::Backoff;
pub use self::event::{Decision, Event, Stop};
pub use self::future::ResponseFuture;
pub use self::layer::RetryOnCanceledLayer;
pub use self::limits::Limits;
pub(crate) use self::over_http1::NextOverHttp1;
pub use self::request::Resendable;
pub use self::service::RetryOnCanceled;
pub(crate) use self::treatment::IDEMPOTENT_METHODS;
pub use self::treatment::{Idempotent, NoRetry, Treatment};
