//! The requests of one run, and how each ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tower::{BoxError, ServiceExt};
use tower_redial::{BodyUse, Failure};

use crate::rows::Load;
use crate::stacks::Client;
use crate::support::clients;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    /// With an error that does not prove the request unprocessed, which may not be sent twice: who sends it again risks a second
    /// effect.
    Unproven,
    /// With any other error.
    Failed,
    /// Not within the row's timeout.
    TimedOut,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    pub(crate) took: Duration,
    /// Whether it had ended when the last request began.
    pub(crate) in_time: bool,
}

/// What all requests of a run have in common.
#[derive(Clone)]
struct Run {
    client: Client,
    uri: Uri,
    ids: Arc<AtomicU64>,
    ends: Instant,
    timeout: Duration,
}

/// Whether the request with this number changes something: every other does.
pub(crate) fn is_post(id: u64) -> bool {
    id % 2 == 1
}

/// Sends requests for as long as the window is, and waits until all have ended.
pub(crate) async fn run(client: &Client, uri: &Uri, load: Load, window: Duration, timeout: Duration) -> Vec<Ended> {
    let ids = Arc::new(AtomicU64::new(1));
    let run = Run { client: client.clone(), uri: uri.clone(), ids, ends: Instant::now() + window, timeout };
    let mut tasks = JoinSet::new();
    match load {
        Load::Workers(workers) => {
            for _ in 0..workers {
                tasks.spawn(run.clone().worker());
            }
        }
        Load::Paced(rate) => {
            let mut ticks = interval(Duration::from_secs(1) / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while Instant::now() < run.ends {
                ticks.tick().await;
                let run = run.clone();
                tasks.spawn(async move { vec![run.one().await] });
            }
        }
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

impl Run {
    async fn worker(self) -> Vec<Ended> {
        let mut ended = Vec::new();
        while Instant::now() < self.ends {
            ended.push(self.one().await);
        }
        ended
    }

    async fn one(&self) -> Ended {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let (method, body) =
            if is_post(id) { (Method::POST, Bytes::from_static(b"a change")) } else { (Method::GET, Bytes::new()) };
        let request = clients::request(method, self.uri.clone(), &id.to_string(), body);
        let began = Instant::now();
        let ending = match timeout(self.timeout, exchange(&self.client, request)).await {
            Ok(Ok(())) => Ending::Answered,
            Ok(Err(error)) if is_post(id) && !is_proof(&error) => Ending::Unproven,
            Ok(Err(_)) => Ending::Failed,
            Err(_) => Ending::TimedOut,
        };
        let now = Instant::now();
        Ended { ending, took: now - began, in_time: now <= self.ends }
    }
}

/// Whether the error proves that the request was not processed.
fn is_proof(error: &BoxError) -> bool {
    Failure::of(error.as_ref(), BodyUse::Untouched).fate().is_proof()
}

/// One request, and its answer to the end.
async fn exchange(client: &Client, request: crate::stacks::Outgoing) -> Result<(), BoxError> {
    let response = client.clone().oneshot(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("status {}", response.status()).into());
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}
