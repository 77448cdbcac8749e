//! Tower middleware that keeps HTTP requests alive when their connection dies.
//!
//! A server closes an HTTP/2 connection gracefully, after its thousandth request, say, and requests that it never saw come
//! back as `hyper::Error(Canceled, "connection closed")`. [`RetryOnCanceled`] goes around the client that you have, reads
//! each failure for what it [proves](fate), and sends again what can safely be sent again:
//!
//! - a request that was not sent, or that the server says it did not process: **whatever its method**;
//! - one that may have been processed: only if it is idempotent (RFC 9110, section 9.2.2).
//!
//! It never causes a request that changes something to be processed twice. Streaming bodies work; nothing needs `Clone`.
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
//! # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let mut client = ServiceBuilder::new()
//!     .layer(RetryOnCanceledLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).build_http());
//!
//! let request = Request::get("http://localhost:8080/").body(Full::<Bytes>::default())?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! | | |
//! |---|---|
//! | [`retry`] | the layer: what is resent, how often, and how to set it |
//! | [`fate`] | what an error proves, for any error of hyper, hyper-util, h2, io and tower's timeouts; usable by itself |
//! | [`body`] | the request body that can be sent again, the response body that is whole or fails; usable by itself |
//! | [`health`] | connections that close, drain or fall silent: seen at the socket, left before a request fails |
#![cfg_attr(
    feature = "connect",
    doc = "| [`connect`] | HTTP/2 connections of our own of which each stream is known, a maker for them, a pool |"
)]
#![cfg_attr(
    feature = "reqwest",
    doc = "| [`reqwest`] | the layers around reqwest and in reqwest-middleware; a client that is renewed when its connections are dead |"
)]
#![cfg_attr(
    feature = "tonic",
    doc = "| [`tonic`] | all layers around tonic's channel, under a generated client; connection errors as the status that gRPC has for them |"
)]
//!
//! # The stacks
//!
//! The layer goes around any `Service<http::Request<ReplayBody<B>>>` that is `Clone` and answers with an
//! `http::Response`.
//!
//! | stack | what surfaces without it | what cannot be known from outside |
//! |---|---|---|
//! | hyper-util's `legacy::Client` | every GOAWAY, REFUSED_STREAM and lost connection; `Canceled` on a fresh connection | whether a request *without a body* that meets a GOAWAY was processed |
//! | hyper's `client::conn`, behind a service of your own that connects again | the same, and every `Canceled` | the same |
//! | tonic 0.14's `Channel`: feature `tonic` | the same, as `Code::Cancelled`, `Unknown` or `Internal` | which connection serves a call. Calls have a body, so that a GOAWAY is a proof; and with [`own_goaway`](health::Builder::own_goaway) a graceful one fails nothing |
//! | kube 5's `Client`, with both layers in its stack | as hyper-util's; watches that are open go on | as hyper-util's; `own_goaway` helps here too |
//! | `connect::Pool`, `connect::Http2Connection` (feature `connect`) | GOAWAY and REFUSED_STREAM, each with its proof; lost connections; what was not sent comes back in `connect::Unsent` | nothing of the stream: what is left unknown, only the server knows |
//!
//! In all but the last, the stream that a request has on its connection cannot be known, so that a last-stream-id, or an interim
//! response that came before a refusal, is no evidence here.
//!
//! kube needs no feature. Its config's layers and these go into one stack; what kube retries by itself, on status codes, goes
//! above:
//!
//! ```text
//! let https = config.rustls_https_connector()?;
//! let hyper = legacy::Client::builder(TokioExecutor::new()).build(health.connector(https));
//! let service = ServiceBuilder::new()
//!     .layer(config.base_uri_layer())      // above: budgets and limits are kept for each origin
//!     .layer(RetryOnCanceledLayer::new())
//!     .option_layer(config.auth_layer()?)  // below: a token that has run out is renewed for each attempt
//!     .layer(config.extra_headers_layer()?)
//!     .layer(health.layer())
//!     .service(hyper);
//! let client = kube::Client::new(service, config.default_namespace);
//! ```
//!
//! `examples/kube_client.rs` is the whole of it, and runs against an API server of its own.
//!
//! # The timeout to set
//!
//! In hyper 1.12 a request can wait for ever: when a connection's task ends while callers enqueue, its queue can keep a
//! request, and with it the one sender that would have woken it. With both halves of [`health`] in place such a request is
//! ended. Without them nothing outside hyper can see it: put a timeout for each attempt below the layer, and let idempotent
//! requests be resent after it:
//!
//! ```
//! use std::time::Duration;
//! # use bytes::Bytes;
//! # use http::Request;
//! # use http_body_util::Full;
//! # use hyper_util::client::legacy::Client;
//! # use hyper_util::rt::TokioExecutor;
//! # use tower::{Service, ServiceExt};
//! use tower::ServiceBuilder;
//! use tower_redial::RetryOnCanceledLayer;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let mut client = ServiceBuilder::new()
//!     .timeout(Duration::from_secs(90)) // for the whole request, and for whatever its method
//!     .layer(RetryOnCanceledLayer::new().resend_timeouts(true))
//!     .timeout(Duration::from_secs(30)) // for each attempt, up to the response's head
//!     .service(Client::builder(TokioExecutor::new()).build_http());
//! # let request = Request::get("http://localhost:8080/").body(Full::<Bytes>::default())?;
//! # let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `connect` | `connect`: HTTP/2 connections of our own, whose GOAWAY is a proof, and a pool of them |
//! | `tracing` | a debug event for each decision and each change of a connection, with OpenTelemetry's attribute names |
//! | `metrics` | counters, gauges and histograms through the `metrics` facade, with OpenTelemetry's names: see [`health`] |
//! | `reqwest` | the layers around reqwest 0.13, and `Renew` |
//! | `reqwest-middleware` | the layers as middleware of reqwest-middleware 0.5; brings `reqwest` |
//! | `serde` | snapshots and events of [`health`] can be serialized |
//! | `tonic` | the layers around tonic 0.14's channel, and connection errors as gRPC's statuses. What [`retry`](retry#grpc) does for gRPC needs no feature |
//!
//! None is on by default.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod body;
mod body_use;
#[cfg(feature = "connect")]
pub mod connect;
pub mod fate;
pub mod health;
#[cfg(feature = "reqwest")]
pub mod reqwest;
pub mod retry;
mod timer;
#[cfg(feature = "tonic")]
pub mod tonic;

pub use self::body::ReplayBody;
pub use self::fate::{BodyUse, Cause, Failure, Fate};
pub use self::health::{ConnectionHealth, ConnectionHealthLayer};
pub use self::retry::{RetryOnCanceled, RetryOnCanceledLayer};

/// The README's snippets, compiled.
#[cfg(all(doctest, feature = "reqwest-middleware", feature = "tonic"))]
#[doc = include_str!("../README.md")]
struct Readme;
