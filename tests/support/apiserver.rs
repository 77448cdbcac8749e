//! A part of a Kubernetes API server: ConfigMaps that can be created, read, listed and watched, over connections that are
//! wound up by chance.
//!
//! It is no part of `support`, so that only what speaks to it compiles it: `#[path = "../support/apiserver.rs"] mod apiserver;`
//! beside `mod support`.
#![allow(dead_code, unreachable_pub, reason = "each test and example uses a part of it")]

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::support::Ledger;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Where the ConfigMaps are.
const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// It listens until it is dropped.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    addr: SocketAddr,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    /// `--goaway-chance`, as one in so many requests. After such a request's answer its connection is wound up.
    goaway_in: u64,
    ledger: Ledger,
    requests: AtomicU64,
    connections: AtomicU64,
    goaways: AtomicU64,
    watches: AtomicU64,
    store: Mutex<Store>,
}

#[derive(Debug, Default)]
struct Store {
    items: Vec<Value>,
    watchers: Vec<mpsc::UnboundedSender<Bytes>>,
}

/// What it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    pub connections: u64,
    pub goaways: u64,
    pub watches: u64,
}

impl ApiServer {
    /// Listens on 127.0.0.1 with HTTP/2 in the clear. kube-apiserver winds up one connection in 50 requests at the most; here
    /// it may be any number.
    pub async fn start(goaway_in: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            goaway_in,
            ledger: Ledger::new(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            goaways: AtomicU64::new(0),
            watches: AtomicU64::new(0),
            store: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, Arc::clone(&shared)));
        Self { shared, addr, tasks }
    }

    pub fn uri(&self) -> Uri {
        format!("http://{}", self.addr).parse().expect("an address")
    }

    /// What was created, by name.
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger.clone()
    }

    pub fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let shared = &self.shared;
        Counts {
            requests: get(&shared.requests),
            connections: get(&shared.connections),
            goaways: get(&shared.goaways),
            watches: get(&shared.watches),
        }
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.expect("to accept");
        shared.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(tcp, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(tcp: TcpStream, shared: Arc<Shared>) {
    tcp.set_nodelay(true).expect("a socket");
    let wind_up = Arc::new(Notify::new());
    let service = service_fn({
        let wind_up = Arc::clone(&wind_up);
        move |request| {
            let (shared, wind_up) = (Arc::clone(&shared), Arc::clone(&wind_up));
            async move {
                let response = shared.answer(request).await;
                let nth = shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
                if nth % shared.goaway_in == 0 {
                    shared.goaways.fetch_add(1, Ordering::Relaxed);
                    wind_up.notify_one();
                }
                Ok::<_, Infallible>(response)
            }
        }
    });
    let mut connection = pin!(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tcp), service));
    loop {
        tokio::select! {
            // How it ends is the client's affair.
            _ = connection.as_mut() => return,
            // GOAWAY(2^31-1), a round trip, GOAWAY(the last): open streams, watches among them, go on.
            () = wind_up.notified() => connection.as_mut().graceful_shutdown(),
        }
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let name = path.strip_prefix(PATH).map(|rest| rest.trim_start_matches('/').to_owned());
        match (request.method(), name.as_deref()) {
            (&Method::GET, Some("")) if watch => self.watch(),
            (&Method::GET, Some("")) => {
                let query = request.uri().query().unwrap_or_default();
                let limit = query.split('&').find_map(|field| field.strip_prefix("limit=")?.parse().ok());
                self.list(limit.unwrap_or(usize::MAX))
            }
            (&Method::GET, Some(name)) => self.get(name),
            (&Method::POST, Some("")) => match request.into_body().collect().await {
                Ok(body) => self.create(&body.to_bytes()),
                Err(error) => status(StatusCode::BAD_REQUEST, &error.to_string()),
            },
            _ => status(StatusCode::NOT_FOUND, "no such resource"),
        }
    }

    fn list(&self, limit: usize) -> Response<Body> {
        let items = self.store.lock().unwrap().items.iter().take(limit).cloned().collect::<Vec<_>>();
        let metadata = json!({ "resourceVersion": items.len().to_string() });
        let list = json!({ "apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": items });
        whole(StatusCode::OK, &list)
    }

    fn get(&self, name: &str) -> Response<Body> {
        let store = self.store.lock().unwrap();
        match store.items.iter().find(|item| item["metadata"]["name"] == name) {
            Some(item) => whole(StatusCode::OK, item),
            None => status(StatusCode::NOT_FOUND, "no such object"),
        }
    }

    fn create(&self, body: &[u8]) -> Response<Body> {
        let Ok(mut item) = serde_json::from_slice::<Value>(body) else {
            return status(StatusCode::BAD_REQUEST, "no JSON");
        };
        let name = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.ledger.processed(&name);
        let mut store = self.store.lock().unwrap();
        if store.items.iter().any(|item| item["metadata"]["name"] == *name) {
            return status(StatusCode::CONFLICT, "it is there already");
        }
        item["metadata"]["resourceVersion"] = json!((store.items.len() + 1).to_string());
        store.items.push(item.clone());
        let event = Bytes::from(json!({ "type": "ADDED", "object": item }).to_string() + "\n");
        store.watchers.retain(|watcher| watcher.send(event.clone()).is_ok());
        whole(StatusCode::CREATED, &item)
    }

    fn watch(&self) -> Response<Body> {
        self.watches.fetch_add(1, Ordering::Relaxed);
        let (tell, mut told) = mpsc::unbounded_channel();
        self.store.lock().unwrap().watchers.push(tell);
        let events = stream::poll_fn(move |cx| told.poll_recv(cx)).map(|event| Ok(Frame::data(event)));
        answer(StatusCode::OK, StreamBody::new(events).boxed_unsync())
    }
}

fn status(code: StatusCode, message: &str) -> Response<Body> {
    let reason = code.canonical_reason().unwrap_or_default().replace(' ', "");
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message,
        "reason": reason, "code": code.as_u16(),
    });
    whole(code, &status)
}

fn whole(code: StatusCode, value: &Value) -> Response<Body> {
    answer(code, Full::new(Bytes::from(value.to_string())).boxed_unsync())
}

fn answer(code: StatusCode, body: Body) -> Response<Body> {
    let response = Response::builder().status(code).header("content-type", "application/json");
    response.body(body).expect("a status and a header")
}
