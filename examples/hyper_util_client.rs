//! One layer around hyper-util's client, and the client without it, against a server that misbehaves.
//!
//! ```text
//! cargo run --example hyper_util_client
//! ```

mod shared;

use std::process::ExitCode;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::RetryOnCanceledLayer;

use shared::support::FaultyServer;
use shared::{Outcome, REQUEST_ID, compare, misbehaving_server, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let server = misbehaving_server().await;
    let bare: Client<HttpConnector, _> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let without = load(&server, bare).await;

    let server = misbehaving_server().await;
    let layered = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new()) // the one line
        .service(Client::builder(TokioExecutor::new()).http2_only(true).build_http());
    let with = load(&server, layered).await;

    compare(&without, &with)
}

async fn load<S>(server: &FaultyServer, client: S) -> Outcome
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error = legacy::Error> + Clone,
{
    let outcome = run(server, async |job| {
        let request = Request::builder().method(job.method).uri(job.uri).header(REQUEST_ID, job.id);
        let request = request.body(Full::from(job.body.unwrap_or_default()))?;
        client.clone().oneshot(request).await?.into_body().collect().await?;
        Ok::<_, BoxError>(())
    });
    outcome.await
}
