//! The layers around reqwest, and a client of reqwest's that is renewed when its connections are dead.
//!
//! With the feature `reqwest`, [`RetryOnCanceled`](crate::RetryOnCanceled),
//! [`WatchConnection`](crate::health::WatchConnection) and [`PreferHttp2`](crate::downgrade::PreferHttp2) are
//! `Service<reqwest::Request>` around any other, reqwest's client for instance. Errors stay reqwest's own.
//!
//! ```
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
//!
//! # async fn run() -> Result<(), reqwest::Error> {
//! let client = reqwest::Client::builder().retry(reqwest::retry::never()).build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(RetryOnCanceledLayer::new())
//!     .layer(ConnectionHealth::default().layer())
//!     .service(client.clone());
//!
//! let request = client.get("http://localhost:8080/").build()?;
//! let response = service.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `reqwest-middleware` the same values are middleware:
//!
//! ```
//! # #[cfg(feature = "reqwest-middleware")]
//! # fn run() -> Result<(), reqwest::Error> {
//! use reqwest_middleware::ClientBuilder;
//! use tower_redial::RetryOnCanceledLayer;
//!
//! let client = reqwest::Client::builder().retry(reqwest::retry::never()).build()?;
//! let client = ClientBuilder::new(client).with(RetryOnCanceledLayer::new()).build();
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! Middleware before it sees the request once, middleware after it sees each attempt, and each attempt begins with the
//! extensions that the request came with. What the last attempt leaves in them is there for those before it.
//! [`ResendCount`](crate::retry::ResendCount) is in an attempt's extensions, [`Attempts`](crate::retry::Attempts) in the
//! response's.
//!
//! # Switch reqwest's own retry off
//!
//! reqwest retries by itself by default: once a request was refused or met a graceful GOAWAY, any method, up to twice. It takes
//! that GOAWAY for a proof, which it is not ([`fate`](crate::fate#why-a-goaway-is-no-proof-by-itself)): now and then a request
//! that changes something is processed twice. And its attempts and this layer's multiply. `reqwest::retry::never()` switches it
//! off; this layer does what it did, and more.
//!
//! One `RetryOnCanceled` is enough as well: around a `Service<reqwest::Request>` two do not know of each other, since reqwest's requests
//! have no place for the [mark](crate::retry::ResendCount), and their attempts multiply. In reqwest-middleware they do.
//!
//! # HTTP/1.1 where HTTP/2 fails
//!
//! [`downgrade`](crate::downgrade) takes two clients here, since reqwest's connectors are its own:
//!
//! ```
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_redial::{Downgrade, RetryOnCanceledLayer};
//!
//! # async fn run() -> Result<(), reqwest::Error> {
//! let builder = || {
//!     reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).retry(reqwest::retry::never())
//! };
//! let http2 = builder().build()?;
//! let http1 = builder().http1_only().build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(RetryOnCanceledLayer::new().single_hop(true).resend_http_1_1_required(true))
//!     .layer(Downgrade::default().layer().fallback(http1))
//!     .service(http2.clone());
//!
//! let request = http2.post("https://example.com/orders").body("one").build()?;
//! let response = service.ready().await?.call(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! In reqwest-middleware `downgrade.layer().fallback(http1)` is the last middleware: what goes over HTTP/1.1 goes to that client from
//! there.
//!
//! # Redirects, and what a failure proves
//!
//! reqwest follows redirects by default, below this layer, and an error of its speaks of the **last hop**: "never sent" of a
//! redirect's target says nothing about the request that was redirected. So, unless you say that there is one hop only, a
//! request that changes something is not resent here on any proof; idempotent ones are. That is one setting:
//!
//! ```
//! # fn run() -> Result<(), reqwest::Error> {
//! use tower_redial::{RetryOnCanceledLayer, retry};
//!
//! let client = reqwest::Client::builder()
//!     .redirect(reqwest::redirect::Policy::none())
//!     .retry(reqwest::retry::never())
//!     .build()?;
//! let layer = RetryOnCanceledLayer::<retry::Typed>::new().single_hop(true);
//! # drop((client, layer));
//! # Ok(())
//! # }
//! ```
//!
//! Say it only of a client that follows none, and whose own retry is off.
//!
//! # Bodies
//!
//! | body | without `single_hop` | with it |
//! |---|---|---|
//! | in memory | cloned for each attempt, as reqwest does for redirects | wrapped, so that it shows whether it was sent: then a GOAWAY is a proof. Recorded by counting a reference, but for less than 1 KiB |
//! | a stream, a file, a multipart form | wrapped, and recorded up to [`replay_limit`](crate::RetryOnCanceledLayer::replay_limit) | the same |
//!
//! A wrapped body is a stream to reqwest, which follows no 307 or 308 with one: streams never were redirected, bodies in memory
//! still are where you did not say `single_hop`.
//!
//! # Timeouts
//!
//! reqwest's `timeout` runs anew for each attempt, and covers its response's body too: it is the timeout for an attempt. For
//! the whole there is `tower::timeout`, or `tokio::time::timeout` around the call. After reqwest's timeout idempotent requests
//! are resent where [`resend_timeouts`](crate::RetryOnCanceledLayer::resend_timeouts) says so. A timeout does not take the
//! connection out of reqwest's pool, and nothing outside reqwest can: that is what [`Renew`] is for.
//!
//! # Downloads
//!
//! With the feature `resume`, `ResumeLayer` goes around all of that, and whoever reads `bytes_stream()` reads all of a file whose length was said, or an error:
//!
//! ```
//! # #[cfg(feature = "resume")]
//! # async fn run() -> Result<(), reqwest::Error> {
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::resume::ResumeLayer;
//!
//! let client = reqwest::Client::builder().retry(reqwest::retry::never()).build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(ResumeLayer::new())
//!     .layer(RetryOnCanceledLayer::new())
//!     .service(client.clone());
//! let response = service.ready().await?.call(client.get("http://localhost:8080/large").build()?).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! The service that the layer makes is also middleware of reqwest-middleware. What is missing of a download is asked for after the
//! middleware's own time, so it needs a client of its own for it, and is always the last:
//!
//! ```
//! # #[cfg(all(feature = "resume", feature = "reqwest-middleware"))]
//! # fn run() -> Result<(), reqwest::Error> {
//! use reqwest_middleware::ClientBuilder;
//! use tower::Layer;
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::resume::ResumeLayer;
//!
//! let client = reqwest::Client::builder().retry(reqwest::retry::never()).build()?;
//! let below = ClientBuilder::new(client.clone()).with(RetryOnCanceledLayer::new()).build();
//! let client = ClientBuilder::new(client).with(ResumeLayer::new().layer(below)).build();
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! In an error of reqwest's `Incomplete` is found down the chain of sources. reqwest decodes whatever comes coded, if it was built to; the
//! layer asks for no coding, and what was decoded all the same is not resumed. It cannot see `default_headers` of the client: an
//! `Accept-Encoding` among them gives way to `identity`; set it on the request. reqwest's `timeout` covers a body too: it runs anew
//! with each request for the rest.
//!
//! # What cannot be done
//!
//! reqwest's connector types are sealed and it drops request extensions, so the socket half of [`health`](crate::health)
//! cannot be installed: connections are not watched, GOAWAY is not seen before a request meets it, stream limits are not
//! known. What errors show is counted, and what they say is dead is taken out of the pool, through
//! [`connect_info`](hyper_util::client::legacy::Error::connect_info). reqwest has no request extensions that others could set:
//! say what is [idempotent](crate::retry::Treatment) by the layer's predicate, by an `Idempotency-Key` header, or, with
//! reqwest-middleware, by [`Idempotent`](crate::retry::Idempotent) in its extensions.

mod downgrade;
mod health;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
#[cfg(feature = "resume")]
mod over_http;
mod renew;
mod request;
#[cfg(feature = "resume")]
mod resume;
mod service;
mod whole;

pub use self::downgrade::Preferring;
pub use self::health::Watching;
#[cfg(feature = "resume")]
pub use self::over_http::{Answered, OverHttp};
pub use self::renew::{Renew, RenewBuilder, Renewal, Renewing};
#[cfg(feature = "resume")]
pub use self::resume::Resuming;
pub use self::whole::Checking;
