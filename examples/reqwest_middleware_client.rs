//! reqwest-middleware, without and with the layer, against a server that misbehaves.
//!
//! ```text
//! cargo run --features reqwest-middleware --example reqwest_middleware_client
//! ```

mod shared;

use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, redirect, retry};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower::BoxError;
use tower_redial::RetryOnCanceledLayer;

use shared::{Job, REQUEST_ID, compare, misbehaving_server, run};

fn client() -> reqwest::ClientBuilder {
    Client::builder()
        .http2_prior_knowledge()
        // The server here has no TLS; yours has, and this line is not there.
        .tls_backend_preconfigured(shared::support::tls::trust_nobody())
        // No redirects, so that a proof is about the request that was made: see `single_hop` below.
        .redirect(redirect::Policy::none())
        // For each attempt.
        .timeout(Duration::from_secs(10))
}

async fn send(client: &ClientWithMiddleware, job: Job) -> Result<(), BoxError> {
    let request = client.request(job.method, job.uri.to_string()).header(REQUEST_ID, job.id);
    let request = match job.body {
        Some(body) => request.body(body),
        None => request,
    };
    request.send().await?.bytes().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    let server = misbehaving_server().await;
    let bare = ClientBuilder::new(client().build()?).build();
    let without = run(&server, |job| send(&bare, job)).await;

    let server = misbehaving_server().await;
    let layer = RetryOnCanceledLayer::new().single_hop(true).resend_timeouts(true);
    // Not both: the layer does what reqwest's own retry did, and knows more.
    let client = client().retry(retry::never()).build()?;
    let layered = ClientBuilder::new(client).with(layer).build();
    let with = run(&server, |job| send(&layered, job)).await;
    Ok(compare(&without, &with))
}
