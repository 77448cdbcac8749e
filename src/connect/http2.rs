use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle as Runtime;
use tower::load::Load;
use tower::{BoxError, Service};

use super::driver::{Driver, Handle, Place, Shared, Watcher};
use super::future::ResponseFuture;
use super::gate::{Closed, Gate};
use super::{Error, Http2Settings, ResponseBody};
use crate::fate::Verdict;
use crate::health::{self, MonitoredIo, State};

/// One HTTP/2 connection of which each stream is known.
///
/// What a failed request proves is read off the wire: see the [module](super). `B` is the body of its requests.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Uri};
/// use http_body_util::Full;
/// use hyper_util::rt::TokioIo;
/// use tokio::net::TcpStream;
/// use tower::{BoxError, Service, ServiceExt};
/// use tower_redial::ConnectionHealth;
/// use tower_redial::connect::{Http2Connection, Http2Settings};
///
/// # async fn run() -> Result<(), BoxError> {
/// let uri: Uri = "http://127.0.0.1:8080/".parse()?;
/// let health = ConnectionHealth::default();
/// let io = health.monitor(TokioIo::new(TcpStream::connect("127.0.0.1:8080").await?), &uri);
/// let mut connection = Http2Connection::handshake(io, &Http2Settings::default()).await?;
///
/// let request = Request::get(uri).body(Full::<Bytes>::default())?;
/// let response = connection.ready().await?.call(request).await?;
/// # drop(response);
/// # Ok(())
/// # }
/// ```
///
/// # Readiness
///
/// Ready means that a stream of the peer's limit is held for the next request, until that is made or this handle is dropped.
/// Requests and handles that wait for one are served in their order. A `call` without it waits within its future.
///
/// # Errors
///
/// `poll_ready` gives one when the connection drains, is silent, is too old, or has ended, so that whoever holds it gets
/// another: `tower::reconnect::Reconnect`, hyper-util's `client::pool::singleton`, [`Pool`](super::Pool). It is
/// [`NotSent`](crate::Fate::NotSent).
///
/// # Clone
///
/// A clone is another handle to the same connection, not ready yet. When the last is gone, and nothing is open any more, the
/// connection is closed.
pub struct Http2Connection<B> {
    place: Place,
    marker: PhantomData<fn(B)>,
}

impl<B> Http2Connection<B> {
    /// Begins HTTP/2 on a transport that [`ConnectionHealth::monitor`](crate::ConnectionHealth::monitor) or its connector
    /// watches, and spawns the task that drives it.
    ///
    /// It does not wait for the peer's SETTINGS: a peer that sends none in time fails the connection
    /// ([`handshake_timeout`](health::Builder::handshake_timeout)).
    ///
    /// # Errors
    ///
    /// The transport's, when it fails at once; and where there is no tokio runtime.
    pub async fn handshake<T>(mut io: MonitoredIo<T>, settings: &Http2Settings) -> Result<Self, Error>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let runtime = Runtime::try_current().map_err(|error| {
            Error::new(Error::request("an HTTP/2 connection needs tokio's runtime for its task").because(error))
        })?;
        io.be_exact();
        let health = io.connection().clone();
        let (sender, connection) =
            settings.builder().handshake::<_, Bytes>(TokioIo::new(io)).await.map_err(|error| {
                Error::new(Verdict::not_connected("the connection ended before its first frame").because(error))
            })?;
        let gate = Gate::new(sender, health.streams_before_settings());
        let shared = Shared::new(gate, health, settings.keep_unsent_bodies, runtime.clone());
        let place = Place::new(Handle::new(Arc::clone(&shared)));
        runtime.spawn(Driver::new(connection, shared));
        Ok(Self { place, marker: PhantomData })
    }

    fn shared(&self) -> &Shared {
        self.place.handle().shared()
    }

    /// Holds a stream for the next request, if one is free.
    pub(super) fn try_ready(&mut self) -> bool {
        self.place.try_enter()
    }

    /// Has this told whenever the connection stands otherwise, or has room. Once.
    pub(super) fn watch(&self, watcher: Watcher) {
        let _ = self.shared().watcher.set(watcher);
    }

    /// Whether a request would be sent at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let shared = self.shared();
        shared.health.admits() && shared.gate.has_room()
    }

    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared().health.state()
    }

    /// Its streams that are open or about to be.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared().gate.in_flight()
    }

    /// How many streams there may be at once; `None` for no limit.
    #[must_use]
    pub fn stream_limit(&self) -> Option<usize> {
        let (limit, _) = self.shared().gate.load();
        (limit != usize::MAX).then_some(limit)
    }

    /// The connection's handle in [`health`]: all that is known of it, and a way to [drain](health::Connection::drain) it.
    #[must_use]
    pub fn handle(&self) -> &health::Connection {
        &self.shared().health
    }
}

/// Nothing was sent: the connection lets nobody in.
pub(super) fn not_let_in(closed: Closed) -> Verdict {
    Verdict::not_sent(match closed.0 {
        State::Draining(_) => "the connection is to be replaced",
        State::Silent => "nothing comes from the connection's peer",
        _ => "the connection has ended",
    })
}

impl<B> Service<Request<B>> for Http2Connection<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.place.poll(cx).map_err(|closed| Error::new(not_let_in(closed)))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<B> {
        let next = Place::new(self.place.handle().clone());
        ResponseFuture::new(request, std::mem::replace(&mut self.place, next))
    }
}

/// The [number](Http2Connection::in_flight) of its streams.
impl<B> Load for Http2Connection<B> {
    type Metric = usize;

    fn load(&self) -> usize {
        self.in_flight()
    }
}

impl<B> Clone for Http2Connection<B> {
    fn clone(&self) -> Self {
        Self { place: Place::new(self.place.handle().clone()), marker: PhantomData }
    }
}

impl<B> fmt::Debug for Http2Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Connection")
            .field("connection", self.handle())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
