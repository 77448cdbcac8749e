//! The server: tonic's own, with a greeter that keeps a ledger.

use std::{
    convert::Infallible,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use http::Uri;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use super::{BIDI_HELLO, HelloReply, HelloRequest, LOTS_OF_GREETINGS, LOTS_OF_REPLIES, SAY_HELLO};
use crate::support::Ledger;

type Replies = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

/// Greets, and enters each call that it acts on in its ledger.
#[derive(Clone, Debug, Default)]
pub struct Greeter {
    pub ledger: Ledger,
}

/// A server that listens until it is dropped.
#[derive(Debug)]
pub struct Running {
    pub addr: SocketAddr,
    pub ledger: Ledger,
    connections: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Running {
    pub fn uri(&self) -> Uri {
        format!("http://{}", self.addr).parse().expect("an address")
    }

    /// How many there have been.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Greeter {
    /// Serves on 127.0.0.1, with what tonic's server is told.
    pub async fn serve(server: Server) -> Running {
        let greeter = Self::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let ledger = greeter.ledger.clone();
        let mut tasks = JoinSet::new();
        let mut server = server;
        tasks.spawn(async move {
            server.add_service(greeter).serve_with_incoming(incoming).await.expect("to serve");
        });
        Running { addr, ledger, connections, tasks }
    }

    async fn say_hello(self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let request = request.into_inner();
        self.ledger.processed(&request.name);
        pause(request.pace).await;
        Ok(Response::new(HelloReply::to(&request.name)))
    }

    async fn lots_of_replies(self, request: Request<HelloRequest>) -> Result<Response<Replies>, Status> {
        let request = request.into_inner();
        self.ledger.processed(&request.name);
        let replies = stream::iter(0..request.replies).then(move |n| {
            let reply = HelloReply::to(&format!("{} {n}", request.name));
            async move {
                pause(request.pace).await;
                Ok(reply)
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn lots_of_greetings(
        self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<HelloReply>, Status> {
        let mut requests = request.into_inner();
        let mut names = Vec::new();
        while let Some(request) = requests.message().await? {
            self.ledger.processed(&request.name);
            names.push(request.name);
        }
        Ok(Response::new(HelloReply::to(&names.join(" and "))))
    }

    async fn bidi_hello(self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        let replies = request.into_inner().map(move |request| {
            let request = request?;
            self.ledger.processed(&request.name);
            Ok(HelloReply::to(&request.name))
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

async fn pause(millis: u32) {
    if millis > 0 {
        sleep(Duration::from_millis(millis.into())).await;
    }
}

impl NamedService for Greeter {
    const NAME: &'static str = "helloworld.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greeter = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default());
            let path = request.uri().path().to_owned();
            Ok(match &*path {
                SAY_HELLO => grpc.unary(service_fn(|call| greeter.clone().say_hello(call)), request).await,
                LOTS_OF_REPLIES => {
                    grpc.server_streaming(service_fn(|call| greeter.clone().lots_of_replies(call)), request).await
                }
                LOTS_OF_GREETINGS => {
                    grpc.client_streaming(service_fn(|call| greeter.clone().lots_of_greetings(call)), request).await
                }
                BIDI_HELLO => grpc.streaming(service_fn(|call| greeter.clone().bidi_hello(call)), request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}
