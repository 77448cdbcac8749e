//! Servers that misbehave as real ones do, for tests of your own client.
//!
//! - [`ScriptedServer`]: every frame, or byte of HTTP/1.1, is written by the test, so that a GOAWAY, a refusal, a cut or silence comes at
//!   exactly the moment that is meant.
//! - [`FaultyServer`]: runs by itself, under load, and fails by a plan; [`FaultyService`] is the same over any transport.
//! - [`CuttingProxy`]: stands in front of any server, and cuts what passes through it.
//! - [`Ledger`]: what a server **processed**, by unique request id. A client that saw one answer proves nothing.
//! - [`Identity`]: a throw-away certificate, for all of them under TLS.
//! - [`wire`]: frames, to write what no server should.
//!
//! The HTTP/2 side is built on raw frames, not on h2 or hyper: a server made of the code under test would send what that code thinks is
//! right, in the order it likes. What the client does against RFC 9113 fails the test ([`FaultyServer::violations`] lists it instead).
//!
//! # Panics
//!
//! This is a test kit: what goes wrong is a panic that says what was waited for. Nothing waits for ever; see [`bound`].
//!
//! # Exactly this order
//!
//! A GOAWAY comes while an order is being sent. The server says that it did not process it; so the layer sends it again, on the next
//! connection:
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{Layer, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::test_util::{REQUEST_ID, ScriptedServer, reason};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = ScriptedServer::bind().await;
//! let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
//! let client = RetryOnCanceledLayer::new().layer(client);
//!
//! let order = Request::post(server.uri("/orders")).header(REQUEST_ID, "1");
//! let order = client.oneshot(order.body(Full::<Bytes>::from("one of those")).unwrap());
//! let script = async {
//!     let mut first = server.accept().await;
//!     let received = first.request().await;
//!     first.reset(received.stream_id, reason::REFUSED_STREAM).await;
//!     first.goaway(received.stream_id, reason::NO_ERROR).await;
//!     first.close().await;
//!
//!     let mut second = server.accept().await;
//!     let received = second.request().await;
//!     second.process(&received);
//!     second.respond(received.stream_id, 200, &[], "done").await;
//!     second
//! };
//! let (response, _connection) = tokio::join!(order, script);
//! assert_eq!(response.unwrap().status(), 200);
//! assert_eq!(server.ledger().times("1"), 1);
//! # }
//! ```
//!
//! # Under load
//!
//! Every connection is wound up after ten requests, every seventh request is refused, and every thirteenth is cut off after it was
//! processed. No client can know that of the last; so only requests that may be processed twice are sent here:
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{Layer, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::test_util::{Cut, Fault, FaultyServer, GoAway, REQUEST_ID};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = FaultyServer::builder()
//!     .goaway(GoAway::every(10))
//!     .every(7, Fault::Refuse)
//!     .every(13, Fault::Cut { how: Cut::Rst, processed: true })
//!     .start()
//!     .await;
//! let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
//! let client = RetryOnCanceledLayer::new().layer(client);
//! for n in 0..50 {
//!     let request = Request::get(server.uri("/")).header(REQUEST_ID, n).body(Full::<Bytes>::default()).unwrap();
//!     assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 200);
//! }
//! assert_eq!(server.violations(), Vec::<String>::new());
//! assert!(server.counters().goaways > 3);
//! # }
//! ```
//!
//! # Silence
//!
//! The connection stays open and says nothing any more: what a NAT that forgot it, or a machine that froze, looks like.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_redial::test_util::{FaultyServer, REQUEST_ID};
//! use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = FaultyServer::builder().silent_once(2).start().await;
//! let short = Duration::from_millis(50);
//! let health = ConnectionHealth::builder().probe_after(short).probe_timeout(short).dead_after(2 * short).build();
//! let client = Client::builder(TokioExecutor::new()).http2_only(true).build(health.connector(HttpConnector::new()));
//! let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(client);
//! for n in 0..5 {
//!     let request = Request::get(server.uri("/")).header(REQUEST_ID, n).body(Full::<Bytes>::default()).unwrap();
//!     assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 200);
//! }
//! assert_eq!(server.counters().silenced, 1);
//! # }
//! ```
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

pub mod bound;
#[doc(hidden)]
pub mod commands;
pub mod cutting;
mod faults;
mod faulty_conn;
mod faulty_h1;
mod faulty_io;
pub mod faulty_server;
mod faulty_service;
mod flow;
mod h1_script;
mod h2_script;
pub mod hpack;
mod identity;
mod ledger;
pub mod message;
mod mix;
pub mod script;
mod socket;
pub mod wire;

pub use self::cutting::{CutOff, CuttingProxy};
pub use self::faults::{Cut, Fault, GoAway, GoAwayStyle, ProcessAt};
pub use self::faulty_server::{Counters, FaultyServer};
pub use self::faulty_service::FaultyService;
pub use self::h1_script::H1Conn;
pub use self::h2_script::{End, Event, H2Conn, ReceivedBody};
pub use self::identity::{H2, HTTP_1_1, Identity};
pub use self::ledger::{Ledger, REQUEST_ID};
pub use self::message::{Received, Reply};
pub use self::mix::mix;
pub use self::script::{NobodyListens, ScriptedServer};
pub use self::socket::{Socket, Transport};
pub use self::wire::{Frame, reason, setting};
