//! Moving from reqwest-retry, and from `tower::retry`.
//!
//! Both answer another question than this crate. They ask whether an error or a status *looks* transient, and send again. This crate asks what
//! an error *proves*, and leaves statuses alone. So you move the errors here, and keep what you have for statuses.
//!
//! # From reqwest-retry
//!
//! | | reqwest-retry 0.9 | here |
//! |---|---|---|
//! | a POST after a timeout, or a response that was cut | sent again, though it may have been processed | not sent again |
//! | GOAWAY, REFUSED_STREAM | not retried: it looks for `IncompleteMessage`, `Canceled`, two kinds of io errors, timeouts and connects | resent on their proof |
//! | a streamed body | the request fails before it is sent | sent, and replayed up to [`replay_limit`](crate::RetryOnCanceledLayer::replay_limit) |
//! | budget | none; the policy counts for each request | for each origin |
//! | 5xx, 408, 429 | retried, whatever the method | not touched |
//! | the error in the end | wrapped, "Request failed after 3 retries" | the client's own |
//!
//! Both in one run against one server: `cargo test --all-features --test reqwest beside -- --nocapture`.
//!
//! Before:
//!
//! ```
//! # #[cfg(feature = "reqwest-middleware")]
//! # fn run() {
//! use reqwest_middleware::ClientBuilder;
//! use reqwest_retry::RetryTransientMiddleware;
//! use reqwest_retry::policies::ExponentialBackoff;
//!
//! let policy = ExponentialBackoff::builder().build_with_max_retries(3);
//! let client = ClientBuilder::new(reqwest::Client::new())
//!     .with(RetryTransientMiddleware::new_with_policy(policy))
//!     .build();
//! # drop(client);
//! # }
//! ```
//!
//! After, with statuses of GETs and HEADs as before, and errors left to the layer below:
//!
//! ```
//! # #[cfg(feature = "reqwest-middleware")]
//! # mod moved {
//! use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error};
//! use reqwest_retry::policies::ExponentialBackoff;
//! use reqwest_retry::{RetryTransientMiddleware, Retryable, RetryableStrategy, default_on_request_success};
//! use tower_redial::RetryOnCanceledLayer;
//!
//! /// Statuses only: what an error is worth, the layer below knows.
//! struct Statuses;
//!
//! impl RetryableStrategy for Statuses {
//!     fn handle(&self, result: &Result<reqwest::Response, Error>) -> Option<Retryable> {
//!         result.as_ref().ok().and_then(default_on_request_success)
//!     }
//! }
//!
//! fn client() -> Result<ClientWithMiddleware, reqwest::Error> {
//!     let policy = ExponentialBackoff::builder().build_with_max_retries(3);
//!     let client = reqwest::Client::builder()
//!         .redirect(reqwest::redirect::Policy::none()) // for single_hop
//!         .retry(reqwest::retry::never())
//!         .build()?;
//!     Ok(ClientBuilder::new(client)
//!         .with(RetryTransientMiddleware::new_with_policy_and_strategy(policy, Statuses))
//!         .with(RetryOnCanceledLayer::new().single_hop(true))
//!         .build())
//! }
//! # }
//! ```
//!
//! reqwest-retry still refuses streams, and still retries the status of a POST. If that is not what you want, leave it out and let your
//! code look at the status. Without `single_hop` redirects are followed, and a request that changes something is not resent
//! ([why](../../reqwest/index.html#redirects-and-what-a-failure-proves)).
//!
//! # From `tower::retry`
//!
//! A policy for connection errors has to clone the request before it knows whether it will need it, and to guess from the error. Before:
//!
//! ```
//! use std::future::{Ready, ready};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::retry::Policy;
//!
//! #[derive(Clone)]
//! struct Attempts(u32);
//!
//! impl<R, E> Policy<Request<Full<Bytes>>, Response<R>, E> for Attempts {
//!     type Future = Ready<()>;
//!
//!     fn retry(&mut self, _: &mut Request<Full<Bytes>>, result: &mut Result<Response<R>, E>) -> Option<Ready<()>> {
//!         // Any error: a POST that was processed is sent again too.
//!         if result.is_ok() || self.0 == 0 {
//!             return None;
//!         }
//!         self.0 -= 1;
//!         Some(ready(()))
//!     }
//!
//!     fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
//!         Some(request.clone())
//!     }
//! }
//! # let policy = Attempts(2);
//! # fn check(_: impl Policy<Request<Full<Bytes>>, Response<()>, std::io::Error>) {}
//! # check(policy);
//! ```
//!
//! After:
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower::ServiceBuilder;
//! use tower_redial::{ReplayBody, RetryOnCanceledLayer};
//!
//! let client: Client<HttpConnector, ReplayBody<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
//! let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(client);
//! # let _ = tower::util::BoxCloneSyncService::new(service);
//! ```
//!
//! The client below gets [`ReplayBody`](crate::ReplayBody) around your body type; where the compiler has to be told, this is how.
//!
//! A policy that also retries statuses goes above, and looks at responses only:
//!
//! ```
//! use std::future::{Ready, ready};
//!
//! use bytes::Bytes;
//! use http::{Method, Request, Response, StatusCode};
//! use http_body_util::Full;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::retry::Policy;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//!
//! #[derive(Clone)]
//! struct Unavailable(u32);
//!
//! impl<R, E> Policy<Request<Full<Bytes>>, Response<R>, E> for Unavailable {
//!     type Future = Ready<()>; // a real one waits: see `tower::retry::backoff`
//!
//!     fn retry(&mut self, request: &mut Request<Full<Bytes>>, result: &mut Result<Response<R>, E>) -> Option<Ready<()>> {
//!         let response = result.as_ref().ok()?;
//!         let again = response.status() == StatusCode::SERVICE_UNAVAILABLE && request.method() == Method::GET && self.0 > 0;
//!         self.0 = self.0.saturating_sub(1);
//!         again.then(|| ready(()))
//!     }
//!
//!     fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
//!         Some(request.clone())
//!     }
//! }
//!
//! # async fn run() -> Result<(), tower::BoxError> {
//! let mut client = ServiceBuilder::new()
//!     .retry(Unavailable(2))
//!     .layer(RetryOnCanceledLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).build_http());
//! let request = Request::get("http://localhost:8080/").body(Full::default())?;
//! let response = client.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # Or keep your own layer
//!
//! and ask what the error proves: [`Failure::of`](crate::Failure::of) is public, and depends on nothing else here.
//!
//! ```
//! use std::error::Error;
//!
//! use http::Method;
//! use tower_redial::fate::{BodyUse, Failure, Fate};
//!
//! fn may_be_sent_again(error: &(dyn Error + 'static), method: &Method) -> bool {
//!     match Failure::of(error, BodyUse::Untouched).fate() {
//!         Fate::NotSent | Fate::NotProcessed => true,
//!         Fate::Unknown => method.is_idempotent(),
//!         _ => false,
//!     }
//! }
//! # let lost = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
//! # assert!(may_be_sent_again(&lost, &Method::PUT) && !may_be_sent_again(&lost, &Method::POST));
//! ```
