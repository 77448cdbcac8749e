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
use crate::support::tls::Identity;
use crate::support::tls::Trusting as _;
use crate::support::{Cut, Fault, FaultyServer, GoAway, GoAwayStyle, ProcessAt, clients, reason};

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

/// C1, C5, C8, C10, G7: whatever fails, in the clear and over TLS: no error claims a proof that the server's book denies, and every
/// request ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_proof_is_ever_wrong() {
    let _alone = CORES.lock().await;
    for tls in [false, true] {
        for body in ["", "8 bytes."] {
            for process_at in [ProcessAt::Headers, ProcessAt::Complete] {
                proofs(tls, body, process_at).await;
            }
        }
    }
}

async fn proofs(tls: bool, body: &'static str, process_at: ProcessAt) {
    let cut = |how, processed| Fault::Cut { how, processed };
    let server = FaultyServer::builder()
        .goaway_in_turn([
            GoAway::every(30),
            GoAway::every(20).style(GoAwayStyle::Final),
            GoAway::every(25).style(GoAwayStyle::LowLast),
            GoAway::every(35).style(GoAwayStyle::FinalUnanswered),
        ])
        .every(11, Fault::Refuse)
        .every(70, cut(Cut::Fin, true))
        .every(90, cut(Cut::Rst, false))
        .every(110, cut(Cut::Fin, false))
        .every(17, Fault::Reset { reason: reason::CANCEL, processed: true })
        .announced_streams(20)
        .process_at(process_at)
        .addresses(8);
    let identity = Identity::new();
    let server = if tls { server.tls(identity.clone()) } else { server }.start().await;
    let pool = Pool::builder(&ConnectionHealth::default(), identity.connector()).max_connections(3).build();
    let requests = requests() / 10;
    let ids = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|worker| {
        let (mut pool, ids) = (pool.clone(), Arc::clone(&ids));
        let uri = server.uri_at(worker as usize, "/");
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let id = ids.fetch_add(1, Ordering::Relaxed);
                if id >= requests {
                    return claimed;
                }
                let request: http::Request<Full<Bytes>> = clients::post(uri.clone(), &id.to_string(), body);
                let answer = checked(PATIENCE, pool.ready().await.unwrap().call(request)).await.expect("it hangs");
                match answer {
                    Ok(response) => drop(checked(PATIENCE, response.into_body().collect()).await.expect("it hangs")),
                    Err(error) => {
                        assert_eq!(error.is_unsent(), error.take_unsent::<Full<Bytes>>().is_some());
                        claimed.push((id, error.failure()));
                    }
                }
            }
        })
    });
    let mut failed = std::collections::BTreeMap::new();
    let mut claims = Vec::new();
    for worker in futures_util::future::join_all(workers).await {
        for (id, failure) in worker.unwrap() {
            *failed.entry(failure.to_string()).or_insert(0) += 1;
            claims.extend(failure.fate().is_proof().then_some((id, failure)));
        }
    }
    drop(pool);
    // What is on its way arrives.
    let quiet = async {
        while server.counters().open_connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    checked(PATIENCE, quiet).await.expect("the connections end");
    println!("tls {tls}, body {body:?}, {process_at:?}: {failed:?}");
    let ledger = server.ledger();
    let wrong: Vec<_> = claims.iter().filter(|(id, _)| ledger.times(&id.to_string()) > 0).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(claims.len() > 100, "{failed:?}");
    assert_eq!(ledger.doubled(), []);
    assert_eq!(server.violations(), Vec::<String>::new());
}
