use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use foldhash::fast::RandomState;
use http::{Request, Response, Uri};
use http_body::Body;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection as Connects;
use tokio::runtime::Handle as Runtime;
use tokio::sync::Notify;
use tokio::time::timeout_at;
use tower::{BoxError, Service, ServiceExt};

use super::PoolBuilder;
use super::builder::Config;
use super::future::{Lease, PoolFuture};
use super::site::{Connect, Site};
use crate::ConnectionHealth;
use crate::connect::{Error, Http2Connection, HttpConnection, MakeConnection, ResponseBody};
use crate::fate::{Cause, Failure, Fate, Verdict};
use crate::health::Origin;
use crate::timer::can_wait;

/// A client with a pool of HTTP/2 connections for each origin.
///
/// See the [module](super) for what it does. Requests need an absolute URI. It is always ready: a request waits within its
/// future.
///
/// ```
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::connect::HttpConnector;
/// use tower::{BoxError, ServiceExt};
/// use tower_redial::ConnectionHealth;
/// use tower_redial::connect::Pool;
///
/// # async fn run() -> Result<(), BoxError> {
/// let pool = Pool::builder(&ConnectionHealth::default(), HttpConnector::new())
///     .max_connections(4)
///     .idle_timeout(Duration::from_secs(30))
///     .build();
///
/// let request = Request::get("http://localhost:8080/").body(Full::<Bytes>::default())?;
/// let response = pool.clone().oneshot(request).await?;
/// # drop(response);
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// A clone uses the same connections. When the last is gone, and the last request, they are closed.
pub struct Pool<C, B> {
    make: Arc<Mutex<MakeConnection<C, B>>>,
    config: Arc<Config>,
    origins: Arc<Origins<B>>,
}

/// In so many maps, so that requests to different origins seldom meet at a lock.
const SHARDS: usize = 16;

type Shard<B> = HashMap<Origin, Arc<Site<B>>, RandomState>;

struct Origins<B> {
    shards: [Mutex<Shard<B>>; SHARDS],
    hasher: RandomState,
}

impl<B> Origins<B> {
    fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::default() }
    }

    /// The map that an origin is in.
    fn lock(&self, origin: &Origin) -> MutexGuard<'_, Shard<B>> {
        let shard = self.hasher.hash_one(origin) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

impl<C, B> Pool<C, B> {
    /// Sets it up, over this connector, its connections watched by `health`.
    pub fn builder(health: &ConnectionHealth, connector: C) -> PoolBuilder<C, B> {
        PoolBuilder::new(health, connector)
    }

    pub(super) fn new(make: MakeConnection<C, B>, config: Config) -> Self {
        Self { make: Arc::new(Mutex::new(make)), config: Arc::new(config), origins: Arc::new(Origins::new()) }
    }

    /// How many origins it knows.
    #[must_use]
    pub fn origins(&self) -> usize {
        self.origins.len()
    }
}

impl<C, B> Pool<C, B>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Connects + Read + Write + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// The request's origin, joined.
    fn join(&self, uri: &Uri) -> Result<Lease<B>, Verdict> {
        let origin = Origin::of(uri).ok_or_else(|| Error::request("a pool needs absolute URIs"))?;
        let runtime = Runtime::try_current()
            .map_err(|error| Error::request("a pool needs tokio's runtime for its tasks").because(error))?;
        let mut origins = self.origins.lock(&origin);
        let site = match origins.get(&origin) {
            Some(site) => Arc::clone(site),
            None => {
                let keeper = Arc::new(Notify::new());
                let connect = self.connect(uri);
                let site = Site::new(connect, Arc::clone(&self.config), runtime.clone(), Arc::clone(&keeper));
                origins.insert(origin.clone(), Arc::clone(&site));
                runtime.spawn(keep(Arc::downgrade(&site), keeper, Arc::downgrade(&self.origins), origin));
                site
            }
        };
        // Under the lock: it is not forgotten in between.
        Ok(Lease::new(site))
    }

    fn connect(&self, uri: &Uri) -> Connect<B> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = uri.scheme().cloned();
        parts.authority = uri.authority().cloned();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let uri = Uri::from_parts(parts).unwrap_or_default();
        let prior_knowledge = self.config.prior_knowledge || uri.scheme() == Some(&http::uri::Scheme::HTTP);
        let make = Arc::clone(&self.make);
        Box::new(move || {
            let make = make.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let made = make.prior_knowledge(prior_knowledge).oneshot(uri.clone());
            Box::pin(async move { http2_of(made.await?) })
        })
    }
}

fn http2_of<B>(made: HttpConnection<B>) -> Result<Http2Connection<B>, Error> {
    match made {
        HttpConnection::Http2(connection) => Ok(connection),
        HttpConnection::Http1(_) => {
            let failure = Failure::new(Fate::Permanent, Cause::Http11Required);
            Err(Error::new(Verdict::new(failure, "the peer does not speak HTTP/2, or ALPN did not offer it")))
        }
    }
}

/// An origin that is looked after. Without that it is forgotten: where the runtime of its first request has ended, the next one's
/// takes its place.
struct Kept<B> {
    site: Weak<Site<B>>,
    origins: Weak<Origins<B>>,
    origin: Origin,
}

impl<B> Drop for Kept<B> {
    fn drop(&mut self) {
        let Some(origins) = self.origins.upgrade() else { return };
        let mut origins = origins.lock(&self.origin);
        let is_this = origins.get(&self.origin).is_some_and(|site| std::ptr::eq(Arc::as_ptr(site), self.site.as_ptr()));
        let gone = if is_this { origins.remove(&self.origin) } else { None };
        // Not under the lock: its connections go with it.
        drop(origins);
        drop(gone);
    }
}

/// Looks after an origin until it is forgotten.
async fn keep<B: 'static>(site: Weak<Site<B>>, wake: Arc<Notify>, origins: Weak<Origins<B>>, origin: Origin) {
    let timers = can_wait();
    let _kept = Kept { site: Weak::clone(&site), origins: Weak::clone(&origins), origin: origin.clone() };
    while let Some(kept) = site.upgrade() {
        let Some(next) = kept.keep() else {
            let Some(origins) = origins.upgrade() else { return };
            let mut origins = origins.lock(&origin);
            if kept.is_forgotten() {
                origins.remove(&origin);
                return;
            }
            continue;
        };
        drop(kept);
        if timers {
            // Whichever comes first.
            let _ = timeout_at(next, wake.notified()).await;
        } else {
            wake.notified().await;
        }
    }
}

impl<C, B> Service<Request<B>> for Pool<C, B>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Connects + Read + Write + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = PoolFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> PoolFuture<B> {
        match self.join(request.uri()) {
            Ok(lease) => PoolFuture::new(request, lease, self.config.max_wait),
            Err(verdict) => PoolFuture::failed(Error::new(verdict)),
        }
    }
}

impl<C, B> Clone for Pool<C, B> {
    fn clone(&self) -> Self {
        Self { make: Arc::clone(&self.make), config: Arc::clone(&self.config), origins: Arc::clone(&self.origins) }
    }
}

impl<C, B> fmt::Debug for Pool<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("config", &self.config).field("origins", &self.origins()).finish_non_exhaustive()
    }
}
