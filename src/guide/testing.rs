//! Testing your own client.
//!
//! # Your policy, without a network
//!
//! A [`Verdict`](crate::fate::Verdict) is an error that says what it proves. With one a test plays any failure to your stack, and sees what
//! your settings make of it; with `#[tokio::test(start_paused = true)]` backoffs take no time:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_redial::fate::Verdict;
//! use tower_redial::retry::Attempts;
//! use tower_redial::{ReplayBody, RetryOnCanceledLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // A server that is shutting down when the first request comes, and processes the second.
//! let requests = Arc::new(AtomicU32::new(0));
//! let seen = Arc::clone(&requests);
//! let server = service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| {
//!     let first = seen.fetch_add(1, Ordering::Relaxed) == 0;
//!     async move {
//!         if first { Err(Verdict::not_sent("the connection closed")) } else { Ok(Response::new("done")) }
//!     }
//! });
//!
//! let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(server);
//! let order = Request::post("http://shop/orders").body(Full::from("one")).unwrap();
//! let response = client.oneshot(order).await.unwrap();
//! assert_eq!(response.extensions().get::<Attempts>().unwrap().resends(), 1);
//!
//! // A connection that is lost proves nothing: an order is not sent again.
//! let server = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
//!     Err::<Response<&str>, _>(Verdict::connection_lost("the connection was cut"))
//! });
//! let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(server);
//! let order = Request::post("http://shop/orders").body(Full::from("one")).unwrap();
//! client.oneshot(order).await.unwrap_err();
//! # }
//! ```
//!
//! # The whole client, against real frames
//!
//! The feature `test-util` has the servers of this crate's own tests, in `tower_redial::test_util`: `ScriptedServer`, of which every
//! frame is written by the test, so that a GOAWAY, a refusal, a cut or silence comes at exactly the moment that is meant;
//! `FaultyServer`, which fails by a plan under load; and a `Ledger` of what was processed. As a dev-dependency:
//!
//! ```toml
//! [dev-dependencies]
//! tower-redial = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! A deploy in the middle of a hundred orders: each connection is wound up after ten of them, as nginx does it, and every seventh is
//! refused. All are answered, and none is processed twice:
//!
//! ```
//! # #[cfg(feature = "test-util")]
//! # mod test {
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_redial::test_util::{Fault, FaultyServer, GoAway, REQUEST_ID};
//! use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
//!
//! # pub async fn run() {
//! let server = FaultyServer::builder().goaway(GoAway::every(10)).every(7, Fault::Refuse).start().await;
//! // Yours, here:
//! let health = ConnectionHealth::default();
//! let client = Client::builder(TokioExecutor::new()).http2_only(true).build(health.connector(HttpConnector::new()));
//! let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(client);
//! for n in 0..100 {
//!     let order = Request::post(server.uri("/orders")).header(REQUEST_ID, n);
//!     let order = order.body(Full::<Bytes>::from("one of those")).unwrap();
//!     assert_eq!(client.clone().oneshot(order).await.unwrap().status(), 200);
//! }
//! assert_eq!((server.ledger().distinct(), server.ledger().doubled()), (100, vec![]));
//! # }
//! # }
//! # #[cfg(feature = "test-util")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() { test::run().await }
//! # #[cfg(not(feature = "test-util"))]
//! # fn main() {}
//! ```
//!
//! `tests/conformance` in the repository plays the same faults to every client that this crate goes around.
//!
//! # What to test
//!
//! - A POST that meets a graceful shutdown is processed once. Count at the server, by an id of the request: a client that saw one answer
//!   proves nothing.
//! - A GET that meets a cut connection is answered.
//! - With the server gone, a request ends in the time that you promise, with the error that your callers expect.
//! - With the server back, the client is well without a restart.
//! - The GOAWAY race needs a multi-thread runtime and some seconds: on a current-thread one it does not occur.
