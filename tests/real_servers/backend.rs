//! The origin behind the servers: it counts what was processed, which no proxy in front of it can hide.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// The header that names a request; a resend carries the same name.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// A path that is answered by a head alone.
pub(crate) const HEAD_ONLY: &str = "/head-only";

/// A path whose answer takes [`THINKS`].
pub(crate) const SLOW: &str = "/slow";

/// How long the backend thinks about a request for [`SLOW`].
pub(crate) const THINKS: Duration = Duration::from_millis(2_500);

type Counts = Arc<Mutex<HashMap<String, usize>>>;

/// A plain HTTP/1.1 server that echoes bodies and counts requests by [`REQUEST_ID`]. It ends when it is dropped.
///
/// It never closes a connection, so the proxy in front of it has no reason to resend to it on its own account.
#[derive(Debug)]
pub(crate) struct Backend {
    addr: SocketAddr,
    counts: Counts,
    _accepting: JoinSet<()>,
}

impl Backend {
    /// Starts to listen on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let counts = Counts::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&counts)));
        Self { addr, counts, _accepting: accepting }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How often each request was processed, by its name.
    pub(crate) fn processed(&self) -> HashMap<String, usize> {
        self.counts.lock().expect("no panic while counting").clone()
    }
}

async fn accept(listener: TcpListener, counts: Counts) {
    // Owned by this task, so that the connections end with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let counts = Arc::clone(&counts);
        connections.spawn(async move {
            let service = service_fn(move |request| process(request, Arc::clone(&counts)));
            // An error here is the proxy leaving, which it may.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn process(request: Request<Incoming>, counts: Counts) -> Result<Response<Full<Bytes>>, Infallible> {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    // Counted at the head, not at the end: an endpoint may act on a request before it has read all of it.
    *counts.lock().expect("no panic while counting").entry(id.clone()).or_default() += 1;
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    if path == SLOW {
        tokio::time::sleep(THINKS).await;
    }
    let response = Response::builder().header(REQUEST_ID, &id).body(Full::new(answer(&path, &id, &body)));
    Ok(response.expect("a header that came with the request"))
}

/// The answer's body: the request's name and its body, but for [`HEAD_ONLY`]. The name is in the answer's head too, so that
/// one that belongs to another request is seen.
pub(crate) fn answer(path: &str, id: &str, body: &[u8]) -> Bytes {
    if path == HEAD_ONLY { Bytes::new() } else { [id.as_bytes(), b" ", body].concat().into() }
}
