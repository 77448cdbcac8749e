//! Connection health: a connection that closes, drains or falls silent is seen when it does, and left before a request fails.
//!
//! hyper says nothing of a GOAWAY until the next request meets it. A connection that a NAT, a failover or a sleeping machine
//! silenced is used for minutes, and a caller's timeout does not take it out of the pool. Pings on a timer find it, and get
//! clients thrown out by gRPC servers. [`ConnectionHealth`] watches the connection itself. It is one object with two halves,
//! each of use by itself:
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
//! use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
//!
//! # async fn run() -> Result<(), BoxError> {
//! let health = ConnectionHealth::builder().max_age(Duration::from_secs(600)).build();
//! let client = Client::builder(TokioExecutor::new())
//!     .http2_only(true)
//!     .build(health.connector(HttpConnector::new())); // at the socket
//! let mut client = ServiceBuilder::new()
//!     .layer(RetryOnCanceledLayer::new())
//!     .layer(health.layer()) // at the request
//!     .service(client);
//!
//! let request = Request::get("http://localhost:8080/").body(Full::<Bytes>::default())?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! for connection in health.snapshot().connections {
//!     println!("{} to {}: {:?}", connection.id, connection.origin, connection.state);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # At the socket
//!
//! [`ConnectionHealth::connector`] goes around a connector of hyper's, above its TLS, and reads the headers of HTTP/2
//! [frames](frame) as they go by. Nothing is copied or delayed. What it sees moves a [state machine](machine):
//!
//! | state | from | what follows |
//! |---|---|---|
//! | [`Open`](State::Open) | | it gets requests |
//! | [`Draining`](State::Draining) | GOAWAY; its age, its number of requests; PROTOCOL_ERROR; repeated refusals below the peer's limit; your wish | what is open finishes, new requests go to a new connection |
//! | [`Silent`](State::Silent) | no byte for [`probe_timeout`](Builder::probe_timeout) after a probe | new requests go to a new connection; a byte brings it back where its client can be told so |
//! | [`Closed`](State::Closed) | its end; or no byte for [`dead_after`](Builder::dead_after) after a probe: it is failed, and what was on it fails with an io error `TimedOut`, which is [`Unknown`](crate::Fate::Unknown), [`Silent`](crate::Cause::Silent) | idempotent requests are resent by a retry layer above |
//!
//! A **probe** is one PING, sent on suspicion and never on a timer: when an open stream has heard nothing for
//! [`probe_after`](Builder::probe_after), with the first request after [`verify_idle`](Builder::verify_idle), and when a caller
//! gives a request up that nothing has been heard since. An idle connection is never probed. The [schedule](machine) keeps
//! within what gRPC servers put up with by default. The answer is taken out of the bytes, so that h2 never sees it.
//!
//! A connection that drains ends when its client lets go of it: hyper-util's pool closes an idle one at the next request to its
//! origin, or after its own idle timeout (`pool_idle_timeout`, with a `pool_timer`).
//!
//! A connection that does not come to be within [`connect_timeout`](Builder::connect_timeout), or whose peer sends no SETTINGS
//! within [`handshake_timeout`](Builder::handshake_timeout), is given up.
//!
//! HTTP/1.1, and ciphertext where a client does its TLS above the connector, pass through untouched; bytes, age and the end
//! are recorded.
//!
//! # At the request
//!
//! [`ConnectionHealth::layer`] goes around a client, below [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer) and above the
//! timeout for each attempt. Where the client is hyper-util's it knows which connection serves a request, and
//!
//! - puts its handle, [`Connection`], into the response's extensions;
//! - tells the client not to use a connection again that drains, is silent, or whose requests' errors say so. Where the
//!   socket is not watched, a timeout below counts too ([`retire_on_timeout`](Builder::retire_on_timeout));
//! - holds requests back while the peer's SETTINGS_MAX_CONCURRENT_STREAMS is used up, first come first served: they wait where
//!   they are provably unsent, and move on when the connection drains. The last stream is left free, since h2 queues the
//!   request that fills the limit, and hyper fails what is queued there with an error that proves nothing. To an origin of
//!   which nothing is known goes one request first ([`streams_before_settings`](Builder::streams_before_settings));
//! - ends a request whose connection has ended, and whose client does not say so, after a [`grace`](Builder::grace): hyper 1.12
//!   can lose one that is handed to a connection's task as that ends.
//!
//! The layer sets hyper-util's `capture_connection` on each request; one that you set on it yourself is replaced.
//!
//! # Which client can be told
//!
//! | client | at the socket | at the request | how it is told to leave a connection |
//! |---|---|---|---|
//! | hyper-util's `legacy::Client`, kube | yes | all of it | `Connected::poison`, through the layer; [`own_goaway`](Builder::own_goaway) besides, where a graceful GOAWAY must not lose a request without a body |
//! | tonic's `Channel`, by `connect_with_connector` | yes; TLS has to end in the connector: an `http://` endpoint, its `.origin(https://..)`, and a connector that does TLS | counts, holds back, with [`origin`](ConnectionHealthLayer::origin); which connection serves a request is not known | [`own_goaway`](Builder::own_goaway), under [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer) |
//! | the connections of `connect` (feature) | yes, always | not needed: they know their streams | they ask where it stands |
//! | reqwest | no: its connector's types are sealed | evidence in errors only | `Connected::poison`, through the error |
//!
//! Without a way to tell the client, a connection that is silent still fails its requests in bounded time, and requests wait
//! in the layer until it does.
//!
//! # What it cannot see
//!
//! Time stands still for tokio's clock while a machine sleeps. What was open then is found silent
//! [`probe_after`](Builder::probe_after) it woke up; who knows of it, calls [`ConnectionHealth::drain_all`].
//!
//! # Observing
//!
//! [`ConnectionHealth::snapshot`] lists connections and origins, [`ConnectionHealth::subscribe`] streams events. Both show
//! hosts and ports, and neither paths nor headers. With the feature `tracing` each event is logged at debug level. With `serde`
//! both can be serialized. With `metrics` there are [counters, gauges and histograms](crate::guide::observing#metrics).
//!
//! # Runtime
//!
//! Timers need tokio's. Without them everything that takes no time works: GOAWAY, limits, the end.

mod alarm;
mod body;
mod config;
mod connection;
mod connection_health;
mod connector;
mod ended;
mod event;
pub mod frame;
mod future;
mod gate;
mod inbound;
mod io;
mod layer;
pub mod machine;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
mod origin;
mod origins;
mod outbound;
mod permit;
mod registry;
mod service;
mod snapshot;
#[cfg_attr(not(feature = "connect"), allow(dead_code, reason = "only a connection of our own asks"))]
mod streams;
#[cfg(feature = "tracing")]
mod trace;
pub(crate) mod watched;

pub use self::body::ResponseBody;
pub use self::config::Builder;
#[cfg(feature = "connect")]
pub(crate) use self::connection::Wire;
pub use self::connection::{Connection, ConnectionId};
pub use self::connection_health::ConnectionHealth;
pub use self::connector::{Connecting, MonitoredConnector};
pub use self::event::{Event, EventKind, Events, Notice};
pub use self::future::ResponseFuture;
pub use self::io::MonitoredIo;
pub use self::layer::ConnectionHealthLayer;
pub use self::machine::{Close, Drain, State};
pub use self::origin::Origin;
pub(crate) use self::origins::Origins;
pub use self::service::WatchConnection;
#[cfg(feature = "connect")]
pub(crate) use self::streams::Truth;

pub use self::snapshot::{ConnectionSnapshot, FailureCount, OriginSnapshot, Protocol, Snapshot};
