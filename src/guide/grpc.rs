//! Streams, and gRPC.
//!
//! # A stream as a request's body
//!
//! What can be sent again depends on how much of it was taken, not on its type:
//!
//! | when the attempt failed | is it sent again? |
//! |---|---|
//! | nothing had been taken of it | yes: it lies whole in its slot. So it is whenever a request came back unsent |
//! | less than [`replay_limit`](crate::RetryOnCanceledLayer::replay_limit) had been taken | yes: what was taken is replayed, then the stream goes on |
//! | more | no: [`Stop::BodyUsed`](crate::retry::Stop::BodyUsed), and the client's error |
//! | the stream itself had failed | no: its error would come again |
//! | the response's head had come | no: there was an answer |
//!
//! So a bidirectional stream is protected up to the server's first word, and a long upload up to its first 64 KiB. A stream that must
//! not be replayed at all gets [`replay_limit(0)`](crate::RetryOnCanceledLayer::replay_limit), or its request
//! [`NoRetry`](crate::retry::NoRetry).
//!
//! # gRPC through tonic
//!
//! Take [`GrpcLayer`](../../tonic/index.html) from the feature `tonic`: it is all the layers in their order. Three decisions are yours:
//!
//! 1. **Which methods may be processed twice.** All of gRPC is POST, so nothing tells. Name those that only read, or that carry an id which the
//!    server knows: [`idempotent_grpc_methods`](crate::RetryOnCanceledLayer::idempotent_grpc_methods). The others are resent on a
//!    proof only, which most calls that meet a graceful shutdown have.
//! 2. **Each attempt's timeout.** `Endpoint::timeout`, for what hyper can lose.
//! 3. **No pings on a timer.** Leave `http2_keep_alive_interval` off and let [`health`](crate::health) probe on suspicion: gRPC servers
//!    throw out clients that ping oftener than every five minutes, with `too_many_pings`.
//!
//! ```
//! # #[cfg(feature = "tonic")]
//! # async fn run() -> Result<(), tonic::transport::Error> {
//! use std::time::Duration;
//!
//! use hyper_util::client::legacy::connect::HttpConnector;
//! use tonic::transport::Endpoint;
//! use tower::ServiceBuilder;
//! use tower_redial::tonic::GrpcLayer;
//! use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
//!
//! let health = ConnectionHealth::builder().own_goaway(true).build();
//! let endpoint = Endpoint::from_static("http://localhost:50051").timeout(Duration::from_secs(10));
//! let origin = endpoint.uri().clone();
//! let mut connector = HttpConnector::new();
//! connector.set_nodelay(true);
//! let channel = endpoint.connect_with_connector(health.connector(connector)).await?;
//!
//! let retry = RetryOnCanceledLayer::new()
//!     .idempotent_grpc_methods(["/shop.Catalog/Get", "/shop.Catalog/List"])
//!     .resend_timeouts(true); // of those two
//! let stack = ServiceBuilder::new()
//!     .layer(GrpcLayer::new(retry, health.layer().origin(&origin)))
//!     .service(channel);
//! # drop(stack);
//! # Ok(())
//! # }
//! ```
//!
//! TLS has to end in the connector: [how](../../tonic/index.html#at-the-socket).
//!
//! # What a status proves
//!
//! A status that a server sent is an answer. One that stands for a failure of the connection has that failure as its source, and
//! is read like it. So code that keeps its own books can ask:
//!
//! ```
//! # #[cfg(feature = "tonic")]
//! # fn run() {
//! use std::io;
//! use std::sync::Arc;
//!
//! use tonic::Status;
//! use tower_redial::fate::{BodyUse, Failure, Fate};
//!
//! fn what_became_of_it(status: &Status) -> Fate {
//!     Failure::of(status, BodyUse::Untouched).fate()
//! }
//!
//! assert_eq!(what_became_of_it(&Status::unavailable("try later")), Fate::Permanent); // the server's word
//!
//! let mut lost = Status::unavailable("transport error");
//! lost.set_source(Arc::new(io::Error::from(io::ErrorKind::ConnectionReset)));
//! assert_eq!(what_became_of_it(&lost), Fate::Unknown);
//! # }
//! # #[cfg(feature = "tonic")]
//! # run();
//! ```
//!
//! `UNAVAILABLE` from the server, and what gRPC calls a retry policy, are status retries: they belong to a layer above this one. gRPC's
//! *transparent* retries are what this layer does.
//!
//! # When a server's stream breaks off
//!
//! Once the head of a response has come nothing is resent: what the caller has seen cannot be taken back. A watch or a subscription has to
//! be begun again by whoever knows where it stood. Do that with a pause that grows, and reset it when a message has come; the
//! layers below see to it that the new call finds a connection.
//!
//! # gRPC through something else
//!
//! [What `retry` does for gRPC](crate::retry#grpc), deadlines and attempt counts, it does for any client that sends `application/grpc`, by
//! hyper-util's for instance. Statuses are tonic's matter, and so is the feature.
