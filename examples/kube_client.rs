//! Both layers in the stack of kube's client, and the stack without them, against a small API server that winds connections up
//! as kube-apiserver does with `--goaway-chance`, only oftener: after every fifth request.
//!
//! ```text
//! cargo run --example kube_client
//! ```

#[path = "../tests/support/apiserver.rs"]
mod apiserver;
mod shared;

use std::pin::pin;
use std::process::ExitCode;

use futures_util::StreamExt;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, PostParams, WatchParams};
use kube::client::{Body, ConfigExt};
use kube::{Api, Client, Config};
use tower::{BoxError, ServiceBuilder};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use apiserver::ApiServer;
use shared::{Outcome, calls, compare, in_time, support};

const CALLS: usize = 1_500;
const GOAWAY_IN: u64 = 5;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let server = ApiServer::start(GOAWAY_IN).await;
    let without = load(&server, bare(Config::new(server.uri()))?).await?;

    let server = ApiServer::start(GOAWAY_IN).await;
    let with = load(&server, layered(Config::new(server.uri()))?).await?;

    Ok(compare(&without, &with))
}

/// What `Client::try_from(config)` makes, for an API server in the clear.
fn bare(config: Config) -> Result<Client, BoxError> {
    let hyper: legacy::Client<_, Body> =
        legacy::Client::builder(TokioExecutor::new()).http2_only(true).build(connector());
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper);
    Ok(Client::new(service, config.default_namespace))
}

/// The same with the layers. With TLS, `config.rustls_https_connector()` goes into `health.connector(..)`, without `http2_only`.
fn layered(config: Config) -> Result<Client, BoxError> {
    let health = ConnectionHealth::builder().own_goaway(true).build();
    let hyper = legacy::Client::builder(TokioExecutor::new()).http2_only(true).build(health.connector(connector())); // at the socket
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer()) // above: budgets and limits are kept for each origin
        .layer(RetryOnCanceledLayer::new())
        .option_layer(config.auth_layer()?) // below: a token that has run out is renewed for each attempt
        .layer(config.extra_headers_layer()?)
        .layer(health.layer()) // at the request
        .service(hyper);
    Ok(Client::new(service, config.default_namespace))
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

/// Creates, reads and lists ConfigMaps, while one watch is open all the time.
async fn load(server: &ApiServer, client: Client) -> Result<Outcome, BoxError> {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let events = api.watch(&WatchParams::default(), "0").await?;
    let mut outcome = calls(
        CALLS,
        server.ledger(),
        |n| n % 3 == 0,
        async |n, name| {
            match n % 3 {
                0 => drop(api.create(&PostParams::default(), &config_map(name)).await?),
                1 => drop(api.get_opt(&name).await?),
                _ => drop(api.list(&ListParams::default().limit(10)).await?),
            }
            Ok::<_, BoxError>(())
        },
    )
    .await;
    outcome.connections = server.counts().connections;
    // All that was created was told on the one watch.
    let created = server.ledger().distinct() as usize;
    let mut told = pin!(events.take(created));
    let mut count = 0;
    while let Some(event) = in_time(async { Ok(told.next().await) }).await? {
        event?;
        count += 1;
    }
    println!("{created} created, {count} told on {} watch", server.counts().watches);
    Ok(outcome)
}

fn config_map(name: String) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
    ConfigMap { metadata, data: Some([("key".to_owned(), "value".to_owned())].into()), ..ConfigMap::default() }
}
