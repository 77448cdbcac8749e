//! Every layer in its place in a `ServiceBuilder`, and the same stack without them, against a server that misbehaves.
//!
//! ```text
//! cargo run --example service_builder
//! ```

mod shared;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::retry::Limits;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use shared::support::FaultyServer;
use shared::{Outcome, REQUEST_ID, compare, misbehaving_server, run};

/// For a whole request, and for each attempt of it.
const IN_ALL: Duration = Duration::from_secs(20);
const EACH: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let server = misbehaving_server().await;
    let bare = ServiceBuilder::new()
        .timeout(IN_ALL)
        .timeout(EACH)
        .service(Client::builder(TokioExecutor::new()).http2_only(true).build_http());
    let without = load(&server, bare).await;

    let server = misbehaving_server().await;
    let health = ConnectionHealth::builder()
        .max_age(Duration::from_millis(30)) // ten minutes would be more like it
        .build();
    let retry = RetryOnCanceledLayer::new()
        .transparent(Limits::transparent().max_resends(10))
        .resend_timeouts(true) // of GETs
        .on_retry(|event| {
            if event.attempt() > 3 {
                eprintln!("attempt {} of a {}: {}", event.attempt(), event.method(), event.failure());
            }
        });
    let layered = ServiceBuilder::new()
        .timeout(IN_ALL)
        .layer(retry)
        .layer(health.layer()) // at the request
        .timeout(EACH)
        .service(
            Client::builder(TokioExecutor::new()).http2_only(true).build(health.connector(HttpConnector::new())), // at the socket
        );
    let with = load(&server, layered).await;

    let mut left = BTreeMap::<_, usize>::new();
    for drained in health.snapshot().ended.iter().filter_map(|connection| connection.drained) {
        *left.entry(drained.to_string()).or_default() += 1;
    }
    println!("connections that were left, by reason: {left:?}\n");
    compare(&without, &with)
}

async fn load<S, B>(server: &FaultyServer, client: S) -> Outcome
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = BoxError> + Clone,
    B: Body<Error: Into<BoxError>>,
{
    let outcome = run(server, async |job| {
        let request = Request::builder().method(job.method).uri(job.uri).header(REQUEST_ID, job.id);
        let request = request.body(Full::from(job.body.unwrap_or_default()))?;
        client.clone().oneshot(request).await?.into_body().collect().await.map_err(Into::into)?;
        Ok::<_, BoxError>(())
    });
    outcome.await
}
