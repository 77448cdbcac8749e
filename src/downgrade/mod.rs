//! HTTP/1.1 for a while, for an origin that asks for it or whose HTTP/2 keeps failing.
//!
//! Some servers want HTTP/1.1 for what HTTP/2 cannot do, a client certificate for one resource say, and answer
//! HTTP_1_1_REQUIRED (RFC 9113, section 7). Some middleboxes let a connection negotiate HTTP/2 and then cut it. A client that
//! believes in ALPN fails there for ever, though HTTP/1.1 would work. [`Downgrade`] gives such an origin HTTP/1.1 for a set time;
//! then one request tries HTTP/2, and decides for all.
//!
//! # In one client
//!
//! hyper-util's client gets a second connector, that offers HTTP/1.1 only, and the connector's layer:
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_rustls::HttpsConnectorBuilder;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
//! use tower_redial::{Downgrade, RetryOnCanceledLayer};
//!
//! # async fn run() -> Result<(), BoxError> {
//! let https = || HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
//! let downgrade = Downgrade::builder()
//!     .after(3, Duration::from_secs(60)) // connections that died in a row; without it only HTTP_1_1_REQUIRED counts
//!     .lasting(Duration::from_secs(300))
//!     .build();
//! let connector = downgrade.connector(https().enable_http2().build()).fallback(https().build());
//! let mut client = ServiceBuilder::new()
//!     .layer(RetryOnCanceledLayer::new())
//!     .layer(connector.layer())
//!     .service(Client::builder(TokioExecutor::new()).build(connector));
//!
//! let request = Request::post("https://example.com/orders").body(Full::new(Bytes::from("one")))?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! for origin in downgrade.snapshot().origins {
//!     println!("{}: {:?}", origin.origin, origin.state);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # In two clients
//!
//! Any two services that take the same requests and give the same responses, of which the second speaks HTTP/1.1 only. This is the
//! way for [reqwest](crate#the-stacks), whose connectors nobody else can make, and for HTTP/2 in the clear:
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
//! use tower_redial::{Downgrade, RetryOnCanceledLayer};
//!
//! # async fn run() -> Result<(), BoxError> {
//! let downgrade = Downgrade::default();
//! let connector = downgrade.connector(HttpConnector::new()); // optional: its sockets tell more than errors do
//! let http2 = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
//! let http1 = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
//! let mut client = ServiceBuilder::new()
//!     .layer(RetryOnCanceledLayer::new())
//!     .layer(downgrade.layer().fallback(http1))
//!     .service(http2);
//!
//! let request = Request::get("http://localhost:8080/").body(Full::<Bytes>::default())?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to an origin
//!
//! | state | from | what its requests get |
//! |---|---|---|
//! | [`Http2`](State::Http2) | the beginning; a probe that was answered, whole where its socket is watched | HTTP/2, or what ALPN says |
//! | [`Http1`](State::Http1) | HTTP_1_1_REQUIRED, at once; or, where [`after`](Builder::after) is set, so many deaths in a row within so long; or a probe that met either | HTTP/1.1, for [`lasting`](Builder::lasting) |
//! | [`Probing`](State::Probing) | the first idempotent request after that time: it goes over HTTP/2 | HTTP/1.1, all others |
//!
//! So an origin goes over to HTTP/1.1 no more often than once in [`lasting`](Builder::lasting). A probe is a request that may be sent
//! again (by its method, RFC 9110, section 9.2.2): another tries only if there was none such for as long again, since lost it may be lost
//! for good. A probe whose caller drops it, or that fails for a reason that says nothing of HTTP/2, decides nothing: another follows
//! after an eighth of [`lasting`](Builder::lasting), and if that says nothing either, after twice as long, up to all of it. One that does
//! not end is followed by another after [`lasting`](Builder::lasting).
//!
//! An origin is a scheme and an authority, as [`health`](crate::health) has it. 16,384 of them are remembered at the most, and only
//! those that were in trouble.
//!
//! # What counts
//!
//! A **death** is an HTTP/2 connection that ended before one response came to its end on it: by a close, a reset or another error of
//! the transport, by silence, by GOAWAY with an error's code, or because the server broke the protocol. Deaths count as long as no
//! response comes whole over HTTP/2 in between, and what had begun before the last one may have come down with it and is not
//! counted again: a hundred requests on one connection are one death, and so are ten connections that one outage takes.
//!
//! Never a sign of trouble are
//!
//! - GOAWAY(NO_ERROR), and whatever becomes of its connection then; ENHANCE_YOUR_CALM, which answers what this side does too often;
//! - what this side does: a caller who drops a request or stops waiting, a body that fails, an idle timeout, a client that is
//!   dropped;
//! - a connection that nobody waits on and the server closes;
//! - what fails before HTTP/2 is spoken: connects, TLS, certificates;
//! - a stream that either side resets, but for HTTP_1_1_REQUIRED: its connection goes on.
//!
//! | | from the sockets, with [`Downgrade::connector`] | from errors alone: two clients without it, reqwest |
//! |---|---|---|
//! | whether a connection had been of use | seen | not known: it counts as a death, and the next response forgives it |
//! | GOAWAY(NO_ERROR), and then a close on what it promised to answer | seen | not known: the close counts |
//! | a connection that died before a request was given to it | seen | not known: such a request came back, or was never sent |
//! | HTTP/2 or not | seen | by ALPN, where the error tells |
//! | silence | where [`health`](crate::health) inside, or the kernel, ends the connection, also when nobody waits any more; where a keep-alive does, or `health` outside, if a request still waits | if a request still waits |
//!
//! # Resends
//!
//! HTTP_1_1_REQUIRED says that the request is wanted over HTTP/1.1. [`RetryOnCanceled`](crate::RetryOnCanceled) above sends it again
//! at once, whatever its method, where that is [proved](crate::fate#http_1_1_required) to be safe; around reqwest, whose requests have no
//! place for a word between layers, if
//! [`resend_http_1_1_required`](crate::RetryOnCanceledLayer::resend_http_1_1_required) says so. Without it above, the error goes to
//! the caller, and the next requests go over HTTP/1.1. A death is a failure as any other: what it proves decides.
//!
//! An interim response before the reset, a 103 say, changes nothing: it is no answer to the request, and the code still says what
//! the server wants.
//!
//! # Requests that need HTTP/2
//!
//! They are never sent over HTTP/1.1: gRPC calls (as [`retry`](crate::retry#grpc) tells them, so not those of gRPC-Web, which was
//! made for HTTP/1.1), extended CONNECT (RFC 8441), and requests whose version is `HTTP_2`. While their origin is downgraded they
//! go over HTTP/2 all the same, and what they meet there is theirs. A plain CONNECT stays where it is as well.
//!
//! Others are the same over both, but for fields about a connection (RFC 9110, section 7.6.1): `TE` is listed in `Connection`, as
//! HTTP/1.1 has it, and `Keep-Alive`, `Proxy-Connection` and `HTTP2-Settings`, which HTTP/2 leaves out, are left out here too.
//! Several `Cookie` fields are joined to one (RFC 9113, section 8.2.3). `Host` is the client's work.
//!
//! # Order of layers
//!
//! Below [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer), above [`ConnectionHealth::layer`](crate::ConnectionHealth::layer) and
//! the timeout for each attempt. The two connectors may stand in either order.
//!
//! Limits of concurrency, of rate, and of load stand above as well. On the first client, or on the only one, they hold back what goes
//! over HTTP/1.1 too: before the layer knows the request, it has to wait until that client is ready.
//!
//! In one client the layer tells the connector by the request's URI: user information, `http1.tower-redial@`, stands before the host, so
//! that hyper-util keeps connections of HTTP/1.1 apart from others. It goes to no connector of yours and to no server, where the
//! layer is over the client that has [the connector which made it](DowngradeConnector::layer); layers between the two see it.
//!
//! What is open on a downgraded origin's HTTP/2 connection finishes there, and the connection ends as an idle one does. Until then
//! it gets nothing new but what needs HTTP/2. After a reset with HTTP_1_1_REQUIRED it does not get even that: gRPC calls leave it
//! too, and connect anew.
//!
//! # Limits
//!
//! - In one client only `https` can be downgraded: ALPN chooses there, and without it nobody does. A client that is `http2_only` speaks
//!   HTTP/2 whatever the connector says, and must not be given a fallback in its connector, where what it sends to a downgraded
//!   origin fails: it takes two clients.
//! - Whether a response came whole is known at the socket only. From errors alone its head is enough.
//! - HTTP/1.1 has one request at a time on a connection: a hundred that shared one of HTTP/2 become as many connections when their
//!   origin is downgraded. A limit of concurrency above bounds them.
//! - A request's trailers are dropped over HTTP/1.1, unless it announces them in `Trailer` and its body's length is not known before
//!   (hyper 1.12, `proto/h1/role.rs`).
//! - A request is counted for the origin of its URI. Behind a redirect that a client follows by itself, as reqwest does by default, it
//!   may have been another's.
//!
//! # Observing
//!
//! [`Downgrade::snapshot`] lists origins, [`Downgrade::subscribe`] streams events. With the feature `tracing` each event is logged at
//! debug level; with `serde` both can be serialized; with `metrics` there is the counter `tower_redial.downgrade.events`, with the
//! labels `event` and `reason` besides `server.address`, `server.port` and `url.scheme`.

mod attempt;
mod config;
mod connector;
mod event;
mod future;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod handle;
mod io;
mod layer;
mod machine;
#[cfg(feature = "metrics")]
mod metrics;
mod registry;
mod request;
mod service;
mod snapshot;
#[cfg(feature = "tracing")]
mod trace;
mod wire;

#[cfg(feature = "reqwest")]
pub(crate) use self::attempt::{Attempt, Way};
pub use self::config::Builder;
pub use self::connector::{Connecting, DowngradeConnector};
pub use self::event::{Event, EventKind, Trouble};
pub use self::future::ResponseFuture;
pub use self::handle::Downgrade;
pub use self::io::ObservedIo;
pub use self::layer::{DowngradeLayer, NoFallback, OneClient};
#[cfg(feature = "reqwest")]
pub(crate) use self::request::{Need, need, prepare};
pub use self::service::PreferHttp2;
pub use self::snapshot::{OriginSnapshot, Snapshot, State};
