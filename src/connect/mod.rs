//! Connections of our own, of which each stream is known; a maker for them; a pool.
//!
//! From outside hyper nobody can tell which stream a request has, so that a GOAWAY proves little
//! ([`fate`](crate::fate) says why), and what waits in its queue can be lost. [`Http2Connection`] drives h2 itself, over a transport
//! that [`health`](crate::health) watches, and reads the truth off the wire. [`MakeConnection`] makes such connections over any
//! connector of hyper's; [`Pool`] keeps as many of them as it takes.
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::connect::HttpConnector;
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
//! use tower_redial::connect::Pool;
//! use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
//!
//! # async fn run() -> Result<(), BoxError> {
//! let mut connector = HttpConnector::new();
//! connector.set_nodelay(true);
//! let pool = Pool::builder(&ConnectionHealth::default(), connector).build();
//! let mut client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool);
//!
//! let request = Request::post("http://localhost:8080/").body(Full::<Bytes>::from("once"))?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # What a failed request proves
//!
//! | what is known of its stream | fate | cause |
//! |---|---|---|
//! | it never had one: the connection drained, fell silent or ended while it waited | `NotSent`, and the request comes back: [`Unsent`] | `HandedBack` |
//! | no byte of its HEADERS was given to the transport when the connection ended; from then on nothing is | the same; unless its body was asked for, [if you let it](Http2Settings::keep_unsent_bodies) | `HandedBack` |
//! | it is above the smallest last-stream-id of the peer's GOAWAYs, with or without a body (RFC 9113, section 6.8) | `NotProcessed` | `GoAway` |
//! | the same, the first of its connection, and the code is an error: Go does not resend it either | `Permanent` | `GoAway` |
//! | the peer reset it with REFUSED_STREAM (RFC 9113, section 8.7), and had not begun to answer it with an interim response | `NotProcessed` | `Refused` |
//! | anything else | what [`fate`](crate::fate) says of h2's error, which it has as its source | |
//!
//! `NotSent` is said only of what will stay unsent: h2 may have HEADERS in its buffer that it would still flush as it ends, so the
//! transport takes nothing more after that. Where it is a GOAWAY that excludes the stream, HEADERS in that buffer may still go out:
//! the peer has said that it will not act on them. A write that fails counts as taken, all of it.
//!
//! # What waits, and where
//!
//! Requests wait for one of the streams that the peer allows, first come first served, and nothing of them is given to h2 before
//! their turn. The peer's limit can be used to the full, is kept when it changes, and may be 0. Before the peer's SETTINGS
//! as many are sent as [`streams_before_settings`](crate::health::Builder::streams_before_settings) says. Whoever waits is told as
//! soon as the connection drains, is silent, or ends; also if its task is dropped. A request that is dropped is reset with CANCEL.
//! If the peer lowers its limit in the very moment in which a request is given to h2, that one waits in h2 until the limit has
//! room for it, or the connection ends.
//!
//! # Bodies
//!
//! Any [`http_body::Body`] can be sent. It is asked for nothing before the request's head is on the wire, so that what was not sent can
//! be given back whole: a head and its body are two writes, and TCP wants `TCP_NODELAY`, or lets the second wait for 40 ms
//! ([`keep_unsent_bodies`](Http2Settings::keep_unsent_bodies)). Then its frames are asked for as the peer's windows have room; it is driven by the response's
//! future, and what is left of it when the response comes by a task of its own. `content-length` is set, and connection-specific
//! fields are left out (RFC 9113, section 8.2.2), as hyper does both. If it fails, its stream is reset with the HTTP/2 code in its
//! error's chain, or INTERNAL_ERROR, and the request's error is `Permanent`, with the body's as its source.
//!
//! A response's body is [`ResponseBody`]: its windows open as it is read, trailers come with it, and it never ends cleanly before its
//! end: see there.
//!
//! A request's `Data` that is not [`Bytes`](bytes::Bytes) is copied into one.
//!
//! # CONNECT and upgrades
//!
//! hyper's `Upgraded` cannot be made outside hyper. A CONNECT here is its two bodies: what is sent in the request's goes into the
//! tunnel, what comes out is the response's. So is an extended CONNECT (RFC 8441), which comes back unsent before the peer's SETTINGS
//! have come, with `hyper::ext::Protocol` or
//! `h2::ext::Protocol` in the request's extensions; where the peer does not take it, the request fails for good. HTTP/1.1's
//! `Upgrade` means nothing on HTTP/2, and the field is left out; on [`Http1Connection`] it works as hyper has it.
//!
//! # Runtime
//!
//! tokio's, with its timer.

mod body;
mod driver;
mod error;
mod future;
mod gate;
mod head;
mod http1;
mod http2;
mod http_connection;
mod make;
pub mod pool;
mod proof;
mod pump;
mod settings;
mod unsent;

pub use self::body::ResponseBody;
pub use self::error::Error;
pub use self::future::ResponseFuture;
pub use self::http_connection::{HttpBody, HttpConnection, HttpFuture};
pub use self::http1::{Http1Connection, Http1Future};
pub use self::http2::Http2Connection;
pub use self::make::{MakeConnection, Making};
pub use self::pool::{Pool, PoolBuilder};
pub use self::settings::Http2Settings;
pub use self::unsent::Unsent;
