//! What a request takes while it is in flight, and that very many are answered.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use serde_json::json;
use stats_alloc::Region;
use tokio::task::JoinSet;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_redial::connect::Pool;
use tower_redial::test_util::FaultyServer;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::pipe::Pipe;
use crate::stacks::Stack;
use crate::{ALLOCATOR, Part, kept};

/// So many at a time are few.
const FEW: usize = 1_000;

pub(crate) fn measure(in_flight: usize) -> Part {
    let [bare, layers] = Stack::ALL.map(|stack| bytes_of(stack, in_flight));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (few, many) = runtime.block_on(async {
        let mut few = 0.0;
        for _ in 0..in_flight / FEW {
            few += seconds_of(FEW).await;
        }
        (few, seconds_of(in_flight).await)
    });
    let microseconds = |seconds: f64| seconds * 1e6 / in_flight as f64;
    let (few, many) = (microseconds(few), microseconds(many));
    Part {
        lines: vec![
            format!("{in_flight}: {bare:.0} bytes each with no layer, {layers:.0} with both"),
            format!("through the pool {many:.1} us each, and {few:.1} us when {FEW} are in flight: all are answered"),
        ],
        figures: json!({
            "in_flight": in_flight,
            "bytes_bare": bare,
            "bytes_layers": layers,
            "pool_microseconds": many,
            "pool_microseconds_of_1000_in_flight": few,
        }),
        targets: Vec::new(),
    }
}

/// Bytes for each of so many requests that wait for their answers.
fn bytes_of(stack: Stack, in_flight: usize) -> f64 {
    match stack {
        Stack::Bare => hold(Held, in_flight),
        Stack::Layers => {
            let health = ConnectionHealth::default();
            hold(
                ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(Held),
                in_flight,
            )
        }
    }
}

/// A service that answers when it is polled for the second time.
#[derive(Clone, Copy, Debug)]
struct Held;

impl<B: Unpin> Service<Request<B>> for Held {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Holding<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Holding<B> {
        Holding { _request: request, polled: false }
    }
}

/// It has the request for as long as it is held.
struct Holding<B> {
    _request: Request<B>,
    polled: bool,
}

impl<B: Unpin> Future for Holding<B> {
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.get_mut().polled, true) {
            Poll::Ready(Ok(Response::new(Empty::new())))
        } else {
            Poll::Pending
        }
    }
}

fn hold<S>(mut service: S, in_flight: usize) -> f64
where
    S: Service<Request<Empty<Bytes>>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut futures: Vec<Pin<Box<S::Future>>> = Vec::with_capacity(in_flight);
    let region = Region::new(ALLOCATOR);
    for _ in 0..in_flight {
        let request = Request::get("http://origin.example/").body(Empty::new()).expect("a uri");
        let Poll::Ready(Ok(())) = service.poll_ready(&mut cx) else { unreachable!("it is always ready") };
        let mut future = Box::pin(service.call(request));
        assert!(future.as_mut().poll(&mut cx).is_pending(), "it is held");
        futures.push(future);
    }
    let bytes = kept(&region) / in_flight as f64;
    for future in &mut futures {
        assert!(future.as_mut().poll(&mut cx).is_ready(), "it is answered");
    }
    bytes
}

/// How long so many requests take that begin at once, through the pool.
async fn seconds_of(in_flight: usize) -> f64 {
    let server = FaultyServer::builder().spare_bodies().service();
    let connector = service_fn(move |_: Uri| {
        let pipe = Pipe::to(&server);
        async { Ok::<_, std::io::Error>(pipe) }
    });
    let pool = Pool::builder(&ConnectionHealth::default(), connector).prior_knowledge(true).build();
    let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool);
    let began = Instant::now();
    let mut requests = JoinSet::new();
    for _ in 0..in_flight {
        let client = client.clone();
        requests.spawn(async move {
            let request = Request::get("http://origin.example/").body(Empty::<Bytes>::new()).expect("a uri");
            let response = client.oneshot(request).await.expect("it is answered");
            response.into_body().collect().await.expect("to the end");
        });
    }
    requests.join_all().await;
    began.elapsed().as_secs_f64()
}
