//! The GOAWAY race and the hang of hyper's queue (see `tests/goaway_race.rs`), on connections of our own: neither happens.
//!
//! 25,000 requests here; `REDIAL_STRESS_REQUESTS=250000 cargo test --release --features connect --test connect race` for more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::Mutex;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_redial::connect::Pool;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::support::bound::checked;
use crate::support::{FaultyServer, GoAway, GoAwayStyle, ProcessAt, clients};

const WORKERS: u64 = 64;

/// How long an answer may take before its request counts as hung.
const PATIENCE: Duration = Duration::from_secs(20);

/// One stress at a time: the race needs the cores.
static CORES: Mutex<()> = Mutex::const_new(());

fn requests() -> u64 {
    std::env::var("REDIAL_STRESS_REQUESTS").ok().and_then(|requests| requests.parse().ok()).unwrap_or(25_000)
}

#[derive(Debug, Default)]
struct Outcome {
    answered: u64,
    surfaced: u64,
    hung: u64,
    doubled: usize,
}

async fn stress(body: &'static str, style: GoAwayStyle, process_at: ProcessAt) {
    let _alone = CORES.lock().await;
    let server = FaultyServer::builder()
        .goaway(GoAway::every(50).style(style))
        .process_at(process_at)
        .addresses(8)
        .start()
        .await;
    let pool = Pool::<HttpConnector, _>::builder(&ConnectionHealth::default(), clients::http_connector()).build();
    let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool);
    let (began, ids) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let workers = (0..WORKERS).map(|worker| {
        let (mut client, ids) = (client.clone(), Arc::clone(&ids));
        let uri = server.uri_at(worker as usize, "/");
        tokio::spawn(async move {
            let mut outcome = Outcome::default();
            loop {
                let id = ids.fetch_add(1, Ordering::Relaxed);
                if id >= requests() {
                    return outcome;
                }
                let request: http::Request<Full<Bytes>> = clients::post(uri.clone(), &id.to_string(), body);
                let exchange = async {
                    let response = client.ready().await?.call(request).await?;
                    response.into_body().collect().await
                };
                match checked(PATIENCE, exchange).await {
                    Some(Ok(_)) => outcome.answered += 1,
                    Some(Err(error)) => {
                        outcome.surfaced += 1;
                        println!("{:?} {error:?}", error.failure());
                    }
                    None => outcome.hung += 1,
                }
            }
        })
    });
    let mut outcome = Outcome { doubled: server.ledger().doubled().len(), ..Outcome::default() };
    for worker in futures_util::future::join_all(workers).await {
        let worker = worker.unwrap();
        outcome.answered += worker.answered;
        outcome.surfaced += worker.surfaced;
        outcome.hung += worker.hung;
    }
    outcome.doubled = server.ledger().doubled().len();
    let counters = server.counters();
    let took = began.elapsed();
    println!(
        "{style:?}, body {body:?}: {outcome:?}, processed {}, {} connections, {} GOAWAYs, {took:?}",
        server.ledger().total(),
        counters.connections,
        counters.goaways,
    );
    assert_eq!(server.violations(), Vec::<String>::new());
    assert_eq!((outcome.doubled, outcome.hung, outcome.surfaced), (0, 0, 0));
    assert_eq!((outcome.answered, server.ledger().distinct()), (requests(), requests()));
    assert!(counters.goaways > 100 && counters.connections > 100, "the server did misbehave: {counters:?}");
}

/// C6, G5, G7, G9: POSTs without a body, for which hyper's GOAWAY proves nothing: here it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn posts_without_a_body_survive_every_shutdown() {
    stress("", GoAwayStyle::TwoStep, ProcessAt::Headers).await;
}

/// C7: POSTs with a body, on a server that acts on their head alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn posts_with_a_body_survive_every_shutdown() {
    stress("8 bytes.", GoAwayStyle::TwoStep, ProcessAt::Headers).await;
}

/// C8: a final GOAWAY leaves streams above it unprocessed, body or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn posts_above_a_final_goaway_survive() {
    stress("", GoAwayStyle::LowLast, ProcessAt::Complete).await;
}
