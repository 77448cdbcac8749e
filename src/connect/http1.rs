use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection as Connects;
use tokio::runtime::Handle as Runtime;
use tower::{BoxError, Service};

use super::gate::Closed;
use super::http2::not_let_in;
use super::{Error, head};
use crate::body_use::BodyUse;
use crate::fate::{Failure, Verdict};
use crate::health::{self, Close, MonitoredIo, State};

/// One HTTP/1.1 connection, hyper's, whose unsent requests come back as well.
///
/// One request at a time: it is ready when the last response has been read to its end. Upgrades work as hyper has them. Made by
/// [`MakeConnection`](super::MakeConnection).
///
/// The request's URI goes out as the path, and its host as the Host header unless there is one; through a proxy, and for
/// CONNECT, as RFC 9112, section 3.2 has it.
///
/// # Errors
///
/// `poll_ready` gives one when the connection drains or has ended. Requests that were not sent are in their error: see
/// [`Unsent`](super::Unsent). Of others the error proves nothing, since HTTP/1.1 has no way to say.
pub struct Http1Connection<B> {
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    /// `None` once the connection's task has ended: what waits in hyper's queue is handed back only when every sender is gone
    /// (hyper 1.12, `client/dispatch.rs`).
    sender: Mutex<Option<SendRequest<B>>>,
    health: health::Connection,
    proxied: bool,
}

impl<B> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, Option<SendRequest<B>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the sender away when the task ends, however it does.
struct Ending<B>(Arc<Shared<B>>);

impl<B> Drop for Ending<B> {
    fn drop(&mut self) {
        let sender = self.0.lock().take();
        drop(sender);
    }
}

impl<B> Http1Connection<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    pub(super) async fn handshake<T>(io: MonitoredIo<T>, runtime: &Runtime) -> Result<Self, Error>
    where
        T: Connects + Read + Write + Send + Unpin + 'static,
    {
        let health = io.connection().clone();
        let proxied = io.connected().is_proxied();
        let (sender, connection) = handshake(io).await.map_err(|error| {
            Error::new(Verdict::not_connected("the connection ended before its first request").because(error))
        })?;
        let shared = Arc::new(Shared { sender: Mutex::new(Some(sender)), health, proxied });
        let ending = Ending(Arc::clone(&shared));
        runtime.spawn(async move {
            // Why it ends, the wire and each request's own error tell.
            let _ = connection.with_upgrades().await;
            drop(ending);
        });
        Ok(Self { shared })
    }
}

impl<B> Http1Connection<B> {
    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.health.state()
    }

    /// The connection's handle in [`health`].
    #[must_use]
    pub fn handle(&self) -> &health::Connection {
        &self.shared.health
    }
}

impl<B> Service<Request<B>> for Http1Connection<B>
where
    B: Body + Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = Http1Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let state = self.state();
        if !state.admits() {
            return Poll::Ready(Err(Error::new(not_let_in(Closed(state)))));
        }
        let mut sender = self.shared.lock();
        let Some(sender) = sender.as_mut() else {
            return Poll::Ready(Err(Error::new(not_let_in(Closed(State::Closed(Close::Client))))));
        };
        sender.poll_ready(cx).map_err(|error| Error::new(Verdict::not_sent("the connection has ended").because(error)))
    }

    fn call(&mut self, mut request: Request<B>) -> Http1Future {
        let uri = request.uri().clone();
        let host = match head::for_http1(&mut request, self.shared.proxied) {
            Ok(host) => host,
            Err(verdict) => return Http1Future::failed(Error::new(verdict)),
        };
        let mut sender = self.shared.lock();
        let Some(sender) = sender.as_mut() else {
            let verdict = not_let_in(Closed(self.state()));
            return Http1Future::failed(Error::unsent(as_it_was(request, uri, host), verdict));
        };
        let response = sender.try_send_request(request);
        Http1Future(Box::pin(async move { response.await.map_err(|error| failed(error, uri, host)) }))
    }
}

fn as_it_was<B>(mut request: Request<B>, uri: Uri, host_added: bool) -> Request<B> {
    *request.uri_mut() = uri;
    if host_added {
        request.headers_mut().remove(http::header::HOST);
    }
    request
}

fn failed<B: Send + 'static>(mut error: TrySendError<Request<B>>, uri: Uri, host_added: bool) -> Error {
    let failure = Failure::of_try_send(&error, BodyUse::Untouched);
    match error.take_message() {
        Some(request) => {
            let verdict = Verdict::not_sent("the connection ended before the request was taken from it");
            Error::unsent(as_it_was(request, uri, host_added), verdict.because(error.into_error()))
        }
        None => Error::new(Verdict::new(failure, "the connection was lost").because(error.into_error())),
    }
}

impl<B> fmt::Debug for Http1Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Connection").field("connection", self.handle()).finish_non_exhaustive()
    }
}

/// The future of [`Http1Connection`].
pub struct Http1Future(BoxFuture<'static, Result<Response<Incoming>, Error>>);

impl Http1Future {
    fn failed(error: Error) -> Self {
        Self(Box::pin(std::future::ready(Err(error))))
    }
}

impl Future for Http1Future {
    type Output = Result<Response<Incoming>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.0.as_mut().poll(cx)))
    }
}

impl fmt::Debug for Http1Future {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Future").finish_non_exhaustive()
    }
}
