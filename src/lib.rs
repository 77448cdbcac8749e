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
//! | [`guide`] | from an error on the screen to a client that lives with it: chapter by chapter |
//! | [`retry`] | the layer: what is resent, how often, and how to set it |
//! | [`fate`] | what an error proves, for any error of hyper, hyper-util, h2, io and tower's timeouts; usable by itself |
//! | [`body`] | the request body that can be sent again, the response body that is whole or fails; usable by itself |
//! | [`health`] | connections that close, drain or fall silent: seen at the socket, left before a request fails |
//! | [`downgrade`] | HTTP/1.1 for a while, for an origin that asks for it or whose HTTP/2 keeps failing |
#![cfg_attr(
    feature = "connect",
    doc = "| [`connect`] | HTTP/2 connections of our own of which each stream is known, a maker for them, a pool |"
)]
#![cfg_attr(
    feature = "reqwest",
    doc = "| [`reqwest`] | the layers around reqwest and in reqwest-middleware; a client that is renewed when its connections are dead |"
)]
#![cfg_attr(feature = "resume", doc = "| [`resume`] | downloads that go on where they broke |")]
#![cfg_attr(
    feature = "tonic",
    doc = "| [`tonic`] | all layers around tonic's channel, under a generated client; connection errors as the status that gRPC has for them |"
)]
//!
//! # The stacks
//!
//! The layer goes around any `Service<http::Request<ReplayBody<B>>>` that is `Clone` and answers with an
//! `http::Response`, and around the clients that bring a request type of their own. In all of them an idempotent request is resent
//! after anything that another attempt can help. They differ in what is proved of the others:
//!
//! | stack | feature, versions | a request that changes something is resent when | seen of its connections | cannot be known, and why |
//! |---|---|---|---|---|
//! | hyper-util's `legacy::Client` | none; hyper-util 0.1 | it came back, no connection came to be, it was refused, or it met a GOAWAY while its body was being sent | everything, with both halves of [`health`] | whether a request *without a body* that meets a GOAWAY was processed: which stream it has, if any, only hyper knows |
//! | hyper's `client::conn`, behind a service of your own that connects again | none; hyper 1 | the same | GOAWAY, silence and limits, with [`ConnectionHealth::connector`](health::ConnectionHealth::connector) below; not which of them serves a request | the same |
//! | tonic's `Channel`, under a generated client | `tonic`; tonic 0.14 | the same; each call has a body, and with [`own_goaway`](health::Builder::own_goaway) a graceful GOAWAY fails nothing | GOAWAY, silence and limits, where TLS ends in the connector | which connection serves a call: tonic does not say. So a call that hyper loses cannot be ended: set `Endpoint::timeout` |
//! | reqwest | `reqwest`; reqwest 0.13 | with [`single_hop`](RetryOnCanceledLayer::single_hop) as with hyper-util; without it never, since redirects are followed below | what errors show: its connector's types are sealed | which of several hops an error speaks of; what its pool does; which requests wait. `Renew` is for connections that fell silent |
//! | reqwest-middleware | `reqwest-middleware`; 0.5 | the same | the same | the same |
//! | kube's `Client`, with both layers in its stack | none; kube 5 | as with hyper-util | as with hyper-util | as with hyper-util; its requests' bodies are in memory |
//! | `connect::Http2Connection`, `connect::Pool` | `connect`; h2 0.4 | it was not sent, it was refused, or a GOAWAY names a stream below its own, with or without a body | everything | nothing of the stream: what stays unknown, only the server knows |
//!
//! `tests/conformance` plays the same faults to every one of them, and has the table of what each fault proves there.
//!
//! reqwest resends by itself, by default, and takes every GOAWAY for a proof. Beside this layer that is switched off with
//! `reqwest::retry::never()`: attempts would multiply, and now and then a request that changes something is processed twice. hyper-util's
//! own retry, of what a used connection handed back, costs nothing and may stay.
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
//!     .timeout(Duration::from_secs(10)) // for each attempt, up to the response's head: well below `retry_for`
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
//! | `metrics` | counters, gauges and histograms through the `metrics` facade, with OpenTelemetry's names: see [`health`] and [`downgrade`] |
//! | `reqwest` | the layers around reqwest 0.13, and `Renew` |
//! | `reqwest-middleware` | the layers as middleware of reqwest-middleware 0.5; brings `reqwest` |
//! | `resume` | `resume`: downloads that go on where they broke |
//! | `serde` | snapshots and events of [`health`] and [`downgrade`] can be serialized |
//! | `test-util` | `test_util`: servers that misbehave as real ones do, for tests of your own client |
//! | `tonic` | the layers around tonic 0.14's channel, and connection errors as gRPC's statuses. What [`retry`](retry#grpc) does for gRPC needs no feature |
//!
//! None is on by default.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod body;
mod body_use;
#[cfg(feature = "connect")]
pub mod connect;
pub mod downgrade;
pub mod fate;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod guide;
pub mod health;
mod hyper_io;
mod jitter;
mod over_http1;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "resume")]
pub mod resume;
pub mod retry;
mod sync;
#[cfg(feature = "test-util")]
pub mod test_util;
mod timer;
#[cfg(feature = "tonic")]
pub mod tonic;

pub use self::body::ReplayBody;
pub use self::downgrade::{Downgrade, DowngradeLayer};
pub use self::fate::{BodyUse, Cause, Failure, Fate};
pub use self::health::{ConnectionHealth, ConnectionHealthLayer};
#[doc(hidden)]
pub use self::jitter::seed_jitter;
pub use self::retry::{RetryOnCanceled, RetryOnCanceledLayer};

/// The README's snippets, compiled.
#[cfg(all(doctest, feature = "connect", feature = "reqwest-middleware", feature = "resume", feature = "tonic"))]
#[doc = include_str!("../README.md")]
struct Readme;
