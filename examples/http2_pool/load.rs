//! The load, the server under it, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Full;
use tower::ServiceExt;
use tower_redial::connect::Unsent;
use tower_redial::fate::{BodyUse, Failure};

use crate::clients::AnyClient;
use crate::support::{Fault, FaultyServer, GoAway, REQUEST_ID};

/// How many POSTs each client sends.
pub(crate) const REQUESTS: u64 = 4_000;

/// How many at once.
const WORKERS: usize = 60;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What came of all requests of one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) ok: u64,
    /// By what the error proves.
    failed: BTreeMap<String, u64>,
    /// Of those not sent, how many were in their error.
    pub(crate) given_back: u64,
    pub(crate) twice: usize,
    pub(crate) connections: u64,
    pub(crate) seconds: f64,
}

impl Outcome {
    pub(crate) fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(crate) fn count(&self, fate: &str) -> String {
        self.failed.get(fate).copied().unwrap_or_default().to_string()
    }
}

/// Sends them all to a server of its own, so that all clients meet the same faults.
pub(crate) async fn send(client: &AnyClient) -> Outcome {
    let server = FaultyServer::builder()
        .announced_streams(10)
        .goaway(GoAway::every(100))
        .every(40, Fault::Refuse)
        .delay(Duration::from_millis(5))
        .start()
        .await;
    let began = Instant::now();
    let ids = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|_| tokio::spawn(work(client.clone(), server.uri("/"), Arc::clone(&ids))));
    let done = join_all(workers).await;
    let mut all = Outcome { seconds: began.elapsed().as_secs_f64(), ..Outcome::default() };
    for outcome in done.into_iter().flatten() {
        all.ok += outcome.ok;
        all.given_back += outcome.given_back;
        for (fate, count) in outcome.failed {
            *all.failed.entry(fate).or_default() += count;
        }
    }
    all.twice = server.ledger().doubled().len();
    all.connections = server.counters().connections;
    all
}

async fn work(client: AnyClient, uri: http::Uri, ids: Arc<AtomicU64>) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        if id >= REQUESTS {
            return outcome;
        }
        let request = Request::post(uri.clone()).header(REQUEST_ID, id);
        let Ok(request) = request.body(Full::<Bytes>::default()) else { return outcome };
        let fate = match tokio::time::timeout(PATIENCE, client.clone().oneshot(request)).await {
            Ok(Ok(_)) => {
                outcome.ok += 1;
                continue;
            }
            Ok(Err(error)) => {
                outcome.given_back += u64::from(Unsent::<Full<Bytes>>::take_from(&*error).is_some());
                Failure::of(&*error, BodyUse::Untouched).fate().to_string().replace(' ', "_")
            }
            Err(_) => "hung".to_owned(),
        };
        *outcome.failed.entry(fate).or_default() += 1;
    }
}
