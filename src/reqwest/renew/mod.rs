//! A client that is replaced when its connections are dead.

mod builder;
mod future;
mod shared;
mod suspects;
#[cfg(feature = "tracing")]
mod trace;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use reqwest::{Client, Error, Request, Response};
use tower::Service;

pub use self::builder::{RenewBuilder, Renewal};
pub use self::future::Renewing;

use self::shared::Shared;
use super::request::uri;
use crate::health::Origin;

/// A reqwest client that is replaced by a new one when its connections are dead and it does not know.
///
/// reqwest keeps a connection that fell silent: a request's timeout does not take it out of the pool, and from outside it
/// cannot be taken out, so every later request is lost on it as well. A new client has a new pool.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use tower::{Service, ServiceBuilder, ServiceExt};
/// use tower_redial::RetryOnCanceledLayer;
/// use tower_redial::reqwest::Renew;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// // What has to outlive a client is made outside and shared.
/// let cookies = Arc::new(reqwest::cookie::Jar::default());
/// let renew = Renew::builder().build(move || {
///     reqwest::Client::builder()
///         .cookie_provider(Arc::clone(&cookies))
///         .timeout(Duration::from_secs(10))
///         .retry(reqwest::retry::never())
///         .build()
/// })?;
/// let mut client = ServiceBuilder::new()
///     .layer(RetryOnCanceledLayer::new().resend_timeouts(true))
///     .service(renew.clone());
///
/// let request = renew.client().get("http://localhost:8080/").build()?;
/// let response = client.ready().await?.call(request).await?;
/// # drop(response);
/// # Ok(())
/// # }
/// ```
///
/// # When
///
/// - after [`timeouts`](RenewBuilder::timeouts) to one origin with no response from it in between: timeouts of reqwest's own,
///   while it waits for the response's head. One that a layer above makes is not seen;
/// - after an error which says that the connection is dead, but not which connection, so that it cannot be
///   [poisoned](hyper_util::client::legacy::connect::Connected::poison). Where the error does say, the connection is poisoned,
///   and the client stays;
/// - when you [say so](Self::renew), after a change of network for instance.
///
/// There is one rebuild at a time, and none sooner than [`pace`](RenewBuilder::pace) after the last. The request whose failure
/// led to it gets its error once the new client is there, so that a retry layer above sends it on a new connection; it waits
/// no longer than [`patience`](RenewBuilder::patience) for that. Requests that are under way on the old client, and
/// responses whose bodies are still being read, finish there.
///
/// # What the closure has to share
///
/// A new client has a new pool, and everything else that the closure does not give it from outside: a cookie jar
/// (`cookie_provider`), a DNS resolver (`dns_resolver`) and its cache, TLS sessions and identities. What reqwest reads from
/// the environment, proxies for instance, it reads again. The closure runs on a thread where it may block.
///
/// # If the closure fails
///
/// Or panics: the client stays as it is, [`on_renewal`](RenewBuilder::on_renewal) is told, and the next attempt is made no
/// sooner than `pace` later.
///
/// # With reqwest-middleware
///
/// It is middleware too, the last: requests go to its own client, and neither what comes after it nor the client of the
/// `ClientBuilder` sees them.
#[derive(Clone)]
pub struct Renew {
    shared: Arc<Shared>,
}

impl Renew {
    /// Sets one up.
    #[must_use]
    pub fn builder() -> RenewBuilder {
        RenewBuilder::default()
    }

    fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The client as it is now: to make requests with. What is sent through it is not seen.
    #[must_use]
    pub fn client(&self) -> Client {
        self.shared.current().client
    }

    /// How many clients came before this one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.current().generation
    }

    /// Has the client rebuilt now, however short ago it was: after a change of network, say.
    ///
    /// Does not wait for it. Nothing happens where a rebuild is under way.
    pub fn renew(&self) {
        self.shared.renew_now();
    }
}

impl Service<Request> for Renew {
    type Response = Response;
    type Error = Error;
    type Future = Renewing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // reqwest's client always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Renewing {
        let origin = Origin::of(&uri(&request));
        let mut current = self.shared.current();
        Renewing::new(current.client.call(request), origin, current.generation, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for Renew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renew").field("generation", &self.generation()).finish_non_exhaustive()
    }
}
