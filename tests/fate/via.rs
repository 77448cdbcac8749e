//! One request through one client, and what its failure is said to prove.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::client::conn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::BoxError;
use tower_redial::ReplayBody;
use tower_redial::body::replay;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};

use crate::support::clients;

/// A client to send one request by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// hyper-util's `legacy::Client`, HTTP/2 with prior knowledge.
    Legacy2,
    /// hyper-util's `legacy::Client`, HTTP/1.1.
    Legacy1,
    /// hyper's `client::conn::http2`.
    Conn2,
    /// hyper's `client::conn::http1`.
    Conn1,
}

/// Both that speak HTTP/2.
pub(crate) const HTTP2: [Via; 2] = [Via::Legacy2, Via::Conn2];
/// Both that speak HTTP/1.1.
pub(crate) const HTTP1: [Via; 2] = [Via::Legacy1, Via::Conn1];

impl Via {
    /// Sends the request, on a connection of its own, and gives the error that it must end in.
    pub(crate) async fn fail<B>(self, request: Request<B>) -> Failed
    where
        B: Body<Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        match self {
            Self::Legacy2 => fail_legacy(&clients::h2(), request).await,
            Self::Legacy1 => fail_legacy(&clients::h1(), request).await,
            Self::Conn2 => {
                let mut sender = conn_http2(&request).await;
                fail(request, |request| sender.send_request(request)).await
            }
            Self::Conn1 => {
                let mut sender = conn_http1(&request).await;
                fail(request, |request| sender.send_request(request)).await
            }
        }
    }
}

/// What a request ended in.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) error: BoxError,
    pub(crate) body: BodyUse,
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {:?}, body {:?}", self.failure, self.error, self.body)
    }
}

impl Failed {
    pub(crate) fn new<E: Into<BoxError>>(error: E, body: BodyUse) -> Self {
        let error = error.into();
        let failure = Failure::of(&*error, body);
        Self { failure, error, body }
    }

    /// Checks the fate and the cause, and that both stay the same when layers above wrap the error.
    #[track_caller]
    pub(crate) fn is(self, fate: Fate, cause: Cause) -> Self {
        assert_eq!((self.failure.fate(), self.failure.cause()), (fate, cause), "{self:?}");
        let Self { failure, error, body } = self;
        let wrapped = Wrapped(Box::new(Wrapped(Box::new(Wrapped(error)))));
        assert_eq!(Failure::of(&wrapped, body), failure, "C22: wrapped three times");
        let boxed: BoxError = Box::new(wrapped);
        assert_eq!(Failure::of(&*boxed, body), failure);
        Self { failure, error: boxed, body }
    }

    /// Whether the connection must not be used again.
    #[track_caller]
    pub(crate) fn connection_is_dead(self, dead: bool) -> Self {
        assert_eq!(self.failure.connection_is_dead(), dead, "{self:?}");
        self
    }
}

#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("by a layer above")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Sends a request whose body tells its use.
pub(crate) async fn fail<B, R, E>(
    request: Request<B>,
    send: impl AsyncFnOnce(Request<ReplayBody<B>>) -> Result<R, E>,
) -> Failed
where
    B: Body,
    E: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    let (body, rewind) = replay(body, 64 * 1024);
    match send(Request::from_parts(head, body)).await {
        Ok(_) => panic!("the request was answered"),
        Err(error) => Failed::new(error, rewind.body_use()),
    }
}

pub(crate) async fn fail_legacy<C, B>(client: &Client<C, ReplayBody<B>>, request: Request<B>) -> Failed
where
    C: Connect + Clone + Send + Sync + 'static,
    B: Body<Error: Into<BoxError>> + Send + Unpin + 'static,
{
    fail(request, async |request| client.request(request).await).await
}

async fn tcp<B>(request: &Request<B>) -> TokioIo<TcpStream> {
    let authority = request.uri().authority().expect("an authority").as_str();
    TokioIo::new(TcpStream::connect(authority).await.expect("a listening server"))
}

pub(crate) async fn conn_http2<B, D>(request: &Request<B>) -> conn::http2::SendRequest<D>
where
    D: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), tcp(request).await).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn conn_http1<B, D>(request: &Request<B>) -> conn::http1::SendRequest<D>
where
    D: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (sender, connection) = conn::http1::handshake(tcp(request).await).await.unwrap();
    tokio::spawn(connection);
    sender
}
