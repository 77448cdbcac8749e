//! The origin behind the servers: it counts what was processed, which no proxy in front of it can hide.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// The header that names a request; a resend carries the same name.
pub(crate) use crate::support::REQUEST_ID;
use crate::support::{Ledger, Received, Reply};

/// A path that is answered by a head alone.
pub(crate) const HEAD_ONLY: &str = "/head-only";

/// A path whose answer takes [`THINKS`].
pub(crate) const SLOW: &str = "/slow";

/// How long the backend thinks about a request for [`SLOW`].
pub(crate) const THINKS: Duration = Duration::from_millis(2_500);

type Handler = dyn Fn(&Received, &Bytes) -> Reply + Send + Sync;

/// A plain HTTP/1.1 server that counts requests by [`REQUEST_ID`]. It ends when it is dropped.
///
/// It never closes a connection, so the proxy in front of it has no reason to resend to it on its own account.
#[derive(Debug)]
pub(crate) struct Backend {
    addr: SocketAddr,
    ledger: Ledger,
    _accepting: JoinSet<()>,
}

impl Backend {
    /// Starts to listen on a free port, and echoes bodies.
    pub(crate) async fn start() -> Self {
        Self::serving(Ledger::new(), echo).await
    }

    /// The same with these answers, counting in this book.
    pub(crate) async fn serving(
        ledger: Ledger,
        handler: impl Fn(&Received, &Bytes) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, ledger.clone(), Arc::new(handler)));
        Self { addr, ledger, _accepting: accepting }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How often each request was processed, by its name.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

async fn accept(listener: TcpListener, ledger: Ledger, handler: Arc<Handler>) {
    // Owned by this task, so that the connections end with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (ledger, handler) = (ledger.clone(), Arc::clone(&handler));
        connections.spawn(async move {
            let service = service_fn(move |request| process(request, ledger.clone(), Arc::clone(&handler)));
            // An error here is the proxy leaving, which it may.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn process(
    request: Request<Incoming>,
    ledger: Ledger,
    handler: Arc<Handler>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let received = Received {
        stream_id: 0,
        path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        authority: text("host"),
        id: text(REQUEST_ID),
        end_stream: body.is_end_stream(),
        method: head.method,
        headers: head.headers,
    };
    // Counted at the head, not at the end: an endpoint may act on a request before it has read all of it.
    ledger.arrived(&received.id);
    ledger.processed(&received.id);
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let reply = handler(&received, &body);
    if let Some(delay) = reply.delay {
        tokio::time::sleep(delay).await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(reply.body)).expect("a status and headers of the handler's"))
}

fn echo(received: &Received, body: &Bytes) -> Reply {
    let Received { path, id, .. } = received;
    let reply = Reply::ok(answer(path, id, body)).header(REQUEST_ID, id);
    if path == SLOW { reply.after(THINKS) } else { reply }
}

/// The answer's body: the request's name and its body, but for [`HEAD_ONLY`]. The name is in the answer's head too, so that
/// one that belongs to another request is seen.
pub(crate) fn answer(path: &str, id: &str, body: &[u8]) -> Bytes {
    if path == HEAD_ONLY { Bytes::new() } else { [id.as_bytes(), b" ", body].concat().into() }
}
