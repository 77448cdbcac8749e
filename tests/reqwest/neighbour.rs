//! Beside reqwest-retry, in one run against one server: what each of them loses, and does twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tower_redial::RetryOnCanceledLayer;

use crate::setup::{build, stream, with_body};
use crate::support::bound::checked;
use crate::support::{Fault, FaultyServer, GoAway, Ledger, Received, Reply, clients};

const REQUESTS: usize = 400;

/// The clients' timeout.
const PATIENCE: Duration = Duration::from_secs(2);

/// What became of one client's requests.
#[derive(Debug, Default)]
struct Outcome {
    /// Requests that ended in an error.
    failed: usize,
    /// Of these, never processed: they could have been sent again.
    lost: usize,
    /// Requests that change something and were processed more than once.
    doubled: usize,
}

/// Sends POSTs, every fourth with a stream, eight at a time.
async fn run(client: &ClientWithMiddleware, name: &'static str, server: &FaultyServer) -> Outcome {
    let workers = (0..8).map(|worker| {
        let (client, uri) = (client.clone(), server.uri("/"));
        tokio::spawn(async move {
            let mut failed = Vec::new();
            for n in (worker..REQUESTS).step_by(8) {
                let id = format!("{name}-{n}");
                let body = if n % 4 == 0 { stream(b"a body", 2) } else { "a body".into() };
                let ended =
                    checked(Duration::from_secs(60), client.execute(with_body(Method::POST, &uri, &id, body))).await;
                if ended.expect("no request hangs").is_err() {
                    failed.push(id);
                }
            }
            failed
        })
    });
    let mut failed = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        failed.extend(worker.await.unwrap());
    }
    let ledger: Ledger = server.ledger();
    Outcome {
        failed: failed.len(),
        lost: failed.iter().filter(|id| ledger.times(id) == 0).count(),
        doubled: ledger.doubled().iter().filter(|(id, _)| id.starts_with(name)).count(),
    }
}

/// GOAWAY every 25 requests, one in 20 refused, and one in 50 answered too late: reqwest-retry sends POSTs again after errors that
/// prove nothing, not after those that do, and refuses streams. This crate does the opposite.
#[tokio::test]
async fn beside_reqwest_retry() {
    let answered = AtomicU64::new(0);
    let late = move |_: &Received, body| match answered.fetch_add(1, Ordering::Relaxed) % 50 {
        49 => Reply::ok(body).after(2 * PATIENCE),
        _ => Reply::ok(body),
    };
    let server = FaultyServer::builder().goaway(GoAway::every(25)).every(20, Fault::Refuse).handler(late).start().await;
    let client = || build(clients::reqwest().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE));
    let backoff = ExponentialBackoff::builder()
        .retry_bounds(Duration::from_millis(1), Duration::from_millis(20))
        .build_with_max_retries(5);
    let neighbour = ClientBuilder::new(client()).with(RetryTransientMiddleware::new_with_policy(backoff)).build();
    let ours = ClientBuilder::new(client()).with(RetryOnCanceledLayer::new().single_hop(true)).build();

    let neighbour = run(&neighbour, "reqwest-retry", &server).await;
    let ours = run(&ours, "tower-redial", &server).await;
    println!("reqwest-retry: {neighbour:?}\ntower-redial:  {ours:?}");

    // Every fourth has a stream.
    assert!(neighbour.lost >= REQUESTS / 4, "{neighbour:?}");
    assert!(neighbour.doubled > 0, "{neighbour:?}");
    assert_eq!((ours.lost, ours.doubled), (0, 0), "{ours:?}");
    // A POST that was processed and not answered in time is the caller's to decide about.
    assert!(ours.failed > 0 && ours.failed < neighbour.failed, "{ours:?}");
}
