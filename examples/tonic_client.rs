//! All layers around tonic's channel, under a generated client, and the bare channel, against tonic's own server with a
//! `max_connection_age` of a tenth of a second.
//!
//! ```text
//! cargo run --features tonic --example tonic_client
//! ```

#[path = "../tests/support/greeter/mod.rs"]
mod greeter;
mod shared;

use std::process::ExitCode;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::{Endpoint, Server};
use tower::{BoxError, ServiceBuilder};
use tower_redial::tonic::GrpcLayer;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use greeter::{Greeter, GreeterClient, HelloRequest, Running, Stack};
use shared::{Outcome, calls, compare, support};

const CALLS: usize = 800;

/// Every so many calls one is a stream, which is open when its connection is wound up.
const STREAM_EVERY: usize = 25;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    let server = server().await;
    let bare = Endpoint::from(server.uri()).connect().await?;
    let without = load(&server, GreeterClient::new(bare)).await;

    let server = self::server().await;
    let health = ConnectionHealth::builder().own_goaway(true).build();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true); // as tonic's own
    let channel = Endpoint::from(server.uri()).connect_with_connector(health.connector(connector)).await?;
    let layered = ServiceBuilder::new()
        .layer(GrpcLayer::new(RetryOnCanceledLayer::new(), health.layer().origin(&server.uri())))
        .service(channel);
    let with = load(&server, GreeterClient::new(layered)).await;

    Ok(compare(&without, &with))
}

async fn server() -> Running {
    Greeter::serve(Server::builder().max_connection_age(Duration::from_millis(100))).await
}

async fn load<T: Stack + Clone>(server: &Running, client: GreeterClient<T>) -> Outcome {
    // Everything in gRPC is a POST.
    let mut outcome = calls(
        CALLS,
        server.ledger.clone(),
        |_| true,
        async |n, name| {
            let mut client = client.clone();
            if n % STREAM_EVERY == 0 {
                let request = HelloRequest { name, replies: 10, pace: 20 };
                let mut replies = client.lots_of_replies(request).await?.into_inner();
                while replies.message().await?.is_some() {}
            } else {
                client.say_hello(HelloRequest { name, replies: 1, pace: 10 }).await?;
            }
            Ok::<_, BoxError>(())
        },
    )
    .await;
    outcome.connections = server.connections();
    outcome
}
