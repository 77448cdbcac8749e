//! The clients that are compared.

#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use self::support::tls;
use super::load::Load;

/// What is around the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Bare,
    /// Each request asks hyper-util which connection it gets, and nobody looks: what knowing it costs by itself.
    Capture,
    /// The retry layer alone.
    Retry,
    /// Both layers and the monitored connector.
    Layers,
}

impl Stack {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Capture => "capture",
            Self::Retry => "retry",
            Self::Layers => "layers",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        let all = [Self::Bare, Self::Capture, Self::Retry, Self::Layers];
        all.into_iter().find(|stack| stack.name() == name).expect("a stack's name")
    }
}

/// Sends so many requests, as the load says, over one connection that is made anew, and returns when all are answered. What
/// comes before the first answer is not in the time that is returned.
pub(crate) async fn run(
    stack: Stack,
    load: Load,
    address: SocketAddr,
    certificate: &[u8],
    requests: usize,
) -> std::time::Duration {
    let scheme = if load.tls { "https" } else { "http" };
    let uri: Uri = format!("{scheme}://{address}{}", load.path()).parse().expect("an address and a path");
    let connector = tls::trusting(certificate);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).http2_only(true);
    builder.http2_initial_stream_window_size(2 << 20).http2_initial_connection_window_size(64 << 20);
    match stack {
        Stack::Bare => drive(builder.build(connector), load, &uri, requests).await,
        Stack::Capture => {
            let captured = builder.build(connector).map_request(|mut request| {
                capture_connection(&mut request);
                request
            });
            drive(captured, load, &uri, requests).await
        }
        Stack::Retry => {
            let retry = RetryOnCanceledLayer::new().layer(builder.build(connector));
            drive(retry, load, &uri, requests).await
        }
        Stack::Layers => {
            let health = ConnectionHealth::default();
            let client = builder.build(health.connector(connector));
            let layers = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer());
            drive(layers.service(client), load, &uri, requests).await
        }
    }
}

async fn drive<S, R>(service: S, load: Load, uri: &Uri, requests: usize) -> std::time::Duration
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Body + Send + Unpin,
    R::Error: Into<BoxError>,
{
    exchange(service.clone(), uri.clone()).await;
    let began = std::time::Instant::now();
    let workers: Vec<_> = (0..load.concurrency)
        .map(|worker| {
            let share = requests / load.concurrency + usize::from(worker < requests % load.concurrency);
            let (service, uri) = (service.clone(), uri.clone());
            tokio::spawn(async move {
                for _ in 0..share {
                    exchange(service.clone(), uri.clone()).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("no worker panics");
    }
    began.elapsed()
}

/// One request, and its response to the end.
async fn exchange<S, R>(service: S, uri: Uri)
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<R>>,
    S::Error: Into<BoxError>,
    R: Body + Unpin,
    R::Error: Into<BoxError>,
{
    let request = Request::get(uri).header("accept", "*/*").body(Full::default()).expect("a uri");
    let response = service.oneshot(request).await.unwrap_or_else(|error| panic!("{}", error.into()));
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        drop(frame.unwrap_or_else(|error| panic!("{}", error.into())));
    }
}
