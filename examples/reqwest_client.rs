//! reqwest, without and with the layers, against a server that misbehaves.
//!
//! ```text
//! cargo run --features reqwest --example reqwest_client
//! ```

mod shared;

use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, Request, redirect, retry};
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::reqwest::Renew;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use shared::{Job, REQUEST_ID, compare, misbehaving_server, run};

/// What every client of this program is made by.
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

fn request(job: Job) -> Result<Request, BoxError> {
    let mut request = Request::new(job.method, job.uri.to_string().parse()?);
    request.headers_mut().insert(REQUEST_ID, job.id.parse()?);
    *request.body_mut() = job.body.map(Into::into);
    Ok(request)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    let server = misbehaving_server().await;
    let bare = client().build()?;
    let without = run(&server, async |job| {
        bare.execute(request(job)?).await?.bytes().await?;
        Ok(())
    });
    let without = without.await;

    let server = misbehaving_server().await;
    let health = ConnectionHealth::default();
    let layered = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new().single_hop(true).resend_timeouts(true))
        .layer(health.layer())
        // A client that is built anew when its connection fell silent; without reqwest's own retry, since the layer does what
        // that did, and knows more.
        .service(Renew::builder().build(|| client().retry(retry::never()).build())?);
    let with = run(&server, async |job| {
        layered.clone().oneshot(request(job)?).await?.bytes().await?;
        Ok(())
    });
    let with = with.await;

    let exit = compare(&without, &with);
    for origin in health.snapshot().origins {
        println!("\nseen on the way to {}: {:?}", origin.origin, origin.failures);
    }
    Ok(exit)
}
