//! The order of layers, and where the timeouts belong.
//!
//! Outermost first; leave out what you do not need:
//!
//! | | layer | why there |
//! |---|---|---|
//! | 1 | the timeout for the whole request | it has to end backoffs and waits too |
//! | 2 | what decodes content, follows redirects, logs or traces the request as your code sees it | a resumed download is asked for where the caller asked, uncoded |
//! | 3 | [`ResumeLayer`](../../resume/struct.ResumeLayer.html) for downloads, or [`WholeBodyLayer`](crate::body::WholeBodyLayer) | each request for a rest is one for all below |
//! | 4 | a retry layer for status codes, if you have one | a response is no failure to the next |
//! | 5 | [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer) | |
//! | 6 | a [`downgrade`](crate::downgrade)'s layer | it sees each attempt, and may send the next elsewhere |
//! | 7 | [`ConnectionHealth::layer`](crate::ConnectionHealth::layer) | it sees each attempt, and which connection serves it |
//! | 8 | signatures, fresh credentials, what logs or traces each attempt | made anew for each |
//! | 9 | the timeout for each attempt | |
//! | 10 | the client, with [`ConnectionHealth::connector`](crate::ConnectionHealth::connector) around the connector that does TLS | |
//!
//! Limits of concurrency or rate, and load shedders, go where their permits should be counted: above 5 a request holds its permit through
//! all attempts, below 5 each attempt takes its own and none is held during a backoff. What reads the request's body ahead of the
//! client belongs above 5 ([why](crate::retry#order-of-layers)).
//!
//! All of it in one stack:
//!
//! ```
//! # #[cfg(feature = "resume")]
//! # async fn run() -> Result<(), tower::BoxError> {
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_redial::resume::ResumeLayer;
//! use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
//!
//! let health = ConnectionHealth::builder()
//!     .max_age(Duration::from_secs(600))
//!     .build();
//! let client = Client::builder(TokioExecutor::new())
//!     .http2_only(true) // in the clear; over TLS ALPN says so
//!     .build(health.connector(HttpConnector::new()));
//! let mut client = ServiceBuilder::new()
//!     .timeout(Duration::from_secs(120)) // 1: up to the response's head
//!     .layer(ResumeLayer::new()) // 3
//!     .layer(RetryOnCanceledLayer::new().resend_timeouts(true).retry_for(Duration::from_secs(60))) // 5
//!     .layer(health.layer()) // 7
//!     .timeout(Duration::from_secs(20)) // 9
//!     .service(client);
//!
//! let request = Request::get("http://localhost:8080/").body(Full::<Bytes>::default())?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # Which timeout does what
//!
//! | timeout | what it bounds | what follows |
//! |---|---|---|
//! | [`connect_timeout`](crate::health::Builder::connect_timeout), 10 s | name, TCP and TLS | not sent: resent, whatever the method |
//! | [`handshake_timeout`](crate::health::Builder::handshake_timeout), 10 s | the wait for a new connection's SETTINGS | the connection is failed; what had been sent on it is unknown |
//! | [`max_wait`](crate::health::Builder::max_wait), 30 s | the wait for a stream within the server's limit | not sent: resent, whatever the method |
//! | [`probe_after`](crate::health::Builder::probe_after) and [`dead_after`](crate::health::Builder::dead_after), 15 s each | silence, while a stream is open | unknown: resent if idempotent |
//! | yours at 9 | one attempt, up to the head | unknown: resent if idempotent and [`resend_timeouts`](crate::RetryOnCanceledLayer::resend_timeouts) is set |
//! | [`retry_for`](crate::RetryOnCanceledLayer::retry_for), 30 s | when the last resend may begin. It ends nothing | the error of the attempt before |
//! | yours at 1 | all of it, up to the head | the error of `tower::timeout`: nobody knows what became of the request |
//! | [`stall_timeout`](../../resume/struct.ResumeLayer.html#method.stall_timeout), 30 s | a download that stands still while it is read | the rest is asked for |
//!
//! # The numbers have to fit
//!
//! - **Each attempt well below `retry_for`, `retry_for` below the whole.** An attempt that times out when `retry_for` is over is not
//!   resent. For `n` attempts that may all time out: `retry_for` at least `n - 1` times the timeout of one, and the whole at least `n`
//!   times.
//! - **A silent connection takes `probe_after` + `dead_after` to be found** by a request that was on it before, or came within
//!   [`verify_idle`](crate::health::Builder::verify_idle) of its last byte: by default 30 s, which is when the default `retry_for` is over. So
//!   set one of the two: `retry_for` to a minute, or shorter times at the socket; a timeout for each attempt with
//!   `resend_timeouts` does it as well. A request after a longer pause is accompanied by a probe, and needs `dead_after` alone.
//! - **The timeout for each attempt is no detector of dead connections.** It cannot tell a slow server from a silent one, and a connection
//!   on which a request timed out stays in the client's pool. Where the socket is watched, the request that was given up has the
//!   connection probed; where it is not, [`retire_on_timeout`](crate::health::Builder::retire_on_timeout) leaves it on suspicion.
//! - **Never without any.** [The timeout to set](crate#the-timeout-to-set) is for what hyper can lose.
//!
//! # reqwest
//!
//! reqwest's `timeout` is the one for each attempt, and covers the body as well: a download needs a long one, or
//! `read_timeout`. Its redirects are below the layers, which is why [`single_hop`](crate::RetryOnCanceledLayer::single_hop) has to be said. See
//! [`tower_redial::reqwest`](../../reqwest/index.html#timeouts).
//!
//! # gRPC
//!
//! A call's own deadline, `Request::set_timeout`, is number 1 and is kept by `GrpcLayer`; `Endpoint::timeout` is number 9. See
//! [`tower_redial::tonic`](../../tonic/index.html#tonics-own-timeouts-and-pings).
