//! kube's client with both layers in its stack, against an API server that winds connections up by chance
//! (`--goaway-chance`).

#[path = "../support/apiserver.rs"]
mod apiserver;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use futures_util::future::join_all;
use http::Uri;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Api, Client, Config};
use tokio::sync::oneshot;
use tower::{BoxError, ServiceBuilder};
use tower_redial::fate::{BodyUse, Failure, Fate};
use tower_redial::health::Protocol;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use apiserver::ApiServer;
use support::bound::{LIMIT, checked, within};
use support::clients;

const WORKERS: usize = 16;
const ROUNDS: usize = 30;

/// One connection in ten requests is wound up: five times what kube-apiserver allows.
const GOAWAY_IN: u64 = 10;

fn config(uri: Uri) -> Config {
    Config::new(uri)
}

/// kube's own layers, and the two of this crate where they belong.
fn redial(uri: Uri, health: &ConnectionHealth) -> Client {
    let config = config(uri);
    let mut hyper = HyperClient::builder(TokioExecutor::new());
    let hyper = hyper.http2_only(true).timer(TokioTimer::new()).build(health.connector(clients::http_connector()));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(config.extra_headers_layer().unwrap())
        .layer(RetryOnCanceledLayer::new())
        .option_layer(config.auth_layer().unwrap())
        .layer(health.layer())
        .service(hyper);
    ClientBuilder::new(service, config.default_namespace).build()
}

fn bare(uri: Uri) -> Client {
    let config = config(uri);
    let hyper: HyperClient<_, Body> = clients::h2();
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().unwrap())
        .map_err(BoxError::from)
        .service(hyper);
    Client::new(service, config.default_namespace)
}

fn config_map(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap { metadata, data: Some([("key".to_owned(), "value".to_owned())].into()), ..ConfigMap::default() }
}

/// What failed: reads, and creates with the names that they had.
#[derive(Debug, Default)]
struct Failed {
    reads: Vec<kube::Error>,
    creates: Vec<(String, kube::Error)>,
}

/// hyper can leave a request waiting for ever when its connection ends.
async fn in_time<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    let hung = || kube::Error::Service("no answer, ever".into());
    checked(LIMIT, call).await.unwrap_or_else(|| Err(hung()))
}

/// Each worker creates, gets and lists, over and over.
async fn load(client: &Client) -> Failed {
    let workers = (0..WORKERS).map(|worker| {
        let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
        tokio::spawn(async move {
            let mut failed = Failed::default();
            for round in 0..ROUNDS {
                let name = format!("map-{worker}-{round}");
                let created = in_time(api.create(&PostParams::default(), &config_map(&name))).await;
                match created {
                    Ok(created) => {
                        assert_eq!(created.metadata.name.as_deref(), Some(&*name));
                        match in_time(api.get(&name)).await {
                            Ok(got) => assert_eq!(got, created),
                            Err(error) => failed.reads.push(error),
                        }
                    }
                    Err(error) => failed.creates.push((name, error)),
                }
                failed.reads.extend(in_time(api.list(&ListParams::default())).await.err());
            }
            failed
        })
    });
    let mut all = Failed::default();
    for failed in join_all(workers).await {
        let failed = failed.expect("a worker");
        all.reads.extend(failed.reads);
        all.creates.extend(failed.creates);
    }
    all
}

/// A watch over all of it, on the connection that was the first to be wound up. Returns the names that it told of.
async fn watch(client: Client, opened: oneshot::Sender<()>, wanted: Arc<AtomicU64>) -> BTreeSet<String> {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let events = within("a watch", api.watch(&WatchParams::default(), "0")).await.expect("a watch");
    opened.send(()).expect("somebody waits for it");
    let mut events = pin!(events);
    let mut names = BTreeSet::new();
    while (names.len() as u64) < wanted.load(Ordering::Relaxed) {
        match within("an event", events.next()).await.expect("the watch goes on").expect("an event") {
            WatchEvent::Added(map) => assert!(names.insert(map.metadata.name.expect("a name"))),
            other => panic!("{other:?}"),
        }
    }
    names
}

/// G1, G5, G9: nothing surfaces for reads, no create is processed twice, and a watch that is open all the while tells of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_the_layers_goaways_go_unnoticed() {
    let server = ApiServer::start(GOAWAY_IN).await;
    let health = ConnectionHealth::builder().own_goaway(true).build();
    let client = redial(server.uri(), &health);
    let (opened, open) = oneshot::channel();
    let wanted = Arc::new(AtomicU64::new(u64::MAX));
    let watching = tokio::spawn(watch(client.clone(), opened, Arc::clone(&wanted)));
    open.await.expect("a watch");
    let failed = load(&client).await;
    // The one that ends the watch.
    wanted.store(server.ledger().distinct() + 1, Ordering::Relaxed);
    let last = Api::<ConfigMap>::default_namespaced(client.clone());
    within("a create", last.create(&PostParams::default(), &config_map("last"))).await.expect("the last");
    let told = watching.await.expect("the watch");

    let counts = server.counts();
    println!(
        "with the layers: {counts:?}, {} reads and {} creates failed, {} created twice, {} told by one watch",
        failed.reads.len(),
        failed.creates.len(),
        server.ledger().doubled().len(),
        told.len()
    );
    assert_eq!(failed.reads.len(), 0, "{:?}", failed.reads);
    assert_eq!(server.ledger().doubled(), []);
    // What hyper's race with a GOAWAY leaves unknown may surface, and nothing else.
    for (name, error) in &failed.creates {
        let failure = Failure::of(error, BodyUse::Untouched);
        assert_eq!((failure.fate(), failure.cause().label()), (Fate::Unknown, "goaway"), "{name}: {error:?}");
    }
    assert!(failed.creates.len() <= 5, "{:?}", failed.creates);
    assert_eq!(told.len() as u64, server.ledger().distinct());
    assert_eq!(counts.watches, 1);
    assert!(counts.connections > 10, "{counts:?}");
    let snapshot = health.snapshot();
    assert!(snapshot.connections.iter().chain(&snapshot.ended).all(|conn| conn.protocol == Protocol::Http2));
}

/// The same without, to compare.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_layers_goaways_surface() {
    let server = ApiServer::start(GOAWAY_IN).await;
    let failed = load(&bare(server.uri())).await;
    println!(
        "bare: {:?}, {} reads and {} creates failed, {} created twice",
        server.counts(),
        failed.reads.len(),
        failed.creates.len(),
        server.ledger().doubled().len()
    );
    assert!(!failed.reads.is_empty() && !failed.creates.is_empty());
    // kube's errors can be read as well.
    for error in failed.reads.iter().filter(|error| !error.to_string().contains("no answer, ever")) {
        assert_ne!(Failure::of(error, BodyUse::Untouched).fate(), Fate::Permanent, "{error:?}");
    }
}

/// C22, M1: what the API server answers is an answer, whatever its status.
#[tokio::test]
async fn an_answer_is_an_answer() {
    let server = ApiServer::start(u64::MAX).await;
    let client = redial(server.uri(), &ConnectionHealth::default());
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let missing = within("a get", api.get("missing")).await.unwrap_err();
    assert!(matches!(&missing, kube::Error::Api(status) if status.code == 404), "{missing:?}");
    assert_eq!(server.counts().requests, 1);
}
