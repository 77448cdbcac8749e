//! The client, and the requests that keep it busy.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::task::JoinSet;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::health::ResponseBody;
use tower_redial::retry::{Attempts, Decision, Event};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::support::REQUEST_ID;

type AnyClient = BoxCloneSyncService<Request<Full<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>;

/// Longer than it takes until a silent connection is failed: that shall be seen to end its requests, not this.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);

/// After a pause, a request makes its connection be probed: so there is a round trip to show. All workers pause for the
/// last part of each period, longer than [`VERIFY_IDLE`] and the slowest response.
const PERIOD: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(700);

/// The first pause comes earlier than the others.
const AHEAD: Duration = Duration::from_secs(3);

const VERIFY_IDLE: Duration = Duration::from_millis(300);

/// Whatever fails at once does not make a worker spin.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Watches the client's connections, with times so short that their effect is seen within seconds. A program that
/// crosses a real network leaves the defaults as they are.
pub(crate) fn health() -> ConnectionHealth {
    ConnectionHealth::builder()
        .probe_after(Duration::from_secs(1))
        .probe_timeout(Duration::from_millis(500))
        .dead_after(Duration::from_secs(2))
        .verify_idle(VERIFY_IDLE)
        .max_age(Duration::from_secs(10))
        .build()
}

/// hyper-util's client with all there is around it.
fn client(health: &ConnectionHealth, outcomes: &Outcomes) -> AnyClient {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_only(true)
        .build::<_, _>(health.connector(tcp));
    let outcomes = outcomes.clone();
    let retry = RetryOnCanceledLayer::new().resend_timeouts(true).on_retry(move |event| outcomes.decided(event));
    BoxCloneSyncService::new(
        ServiceBuilder::new().layer(retry).layer(health.layer()).timeout(ATTEMPT_TIMEOUT).service(client),
    )
}

/// Starts the workers. They end when the set is dropped.
pub(crate) fn start(workers: usize, uri: &Uri, health: &ConnectionHealth, outcomes: &Outcomes) -> JoinSet<()> {
    let client = client(health, outcomes);
    let began = Instant::now();
    let mut set = JoinSet::new();
    for worker in 0..workers {
        set.spawn(work(worker, began, client.clone(), uri.clone(), outcomes.clone()));
    }
    set
}

async fn work(worker: usize, began: Instant, client: AnyClient, uri: Uri, outcomes: Outcomes) {
    for nth in 0_u64.. {
        tokio::time::sleep(pause(began.elapsed())).await;
        let outcome = async { send(&client, request(&uri, worker, nth)?).await };
        let outcome = outcome.await;
        let failed = outcome.is_err();
        outcomes.ended(&outcome);
        if failed {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
}

/// What is left of the pause, if there is one now.
fn pause(elapsed: Duration) -> Duration {
    let period = PERIOD.as_millis();
    let into = (elapsed + AHEAD).as_millis() % period;
    let left = Duration::from_millis((period - into) as u64);
    if left <= PAUSE { left } else { Duration::ZERO }
}

/// Half of them may be processed twice, a quarter may not, and a quarter only since its sender says so.
fn request(uri: &Uri, worker: usize, nth: u64) -> Result<Request<Full<Bytes>>, http::Error> {
    let id = format!("{worker}-{nth}");
    let request = Request::builder().uri(uri.clone()).header(REQUEST_ID, &id);
    match nth % 4 {
        1 => request.method(Method::POST).body(Full::from(vec![b'+'; 512])),
        3 => request.method(Method::POST).header("idempotency-key", &id).body(Full::from(vec![b'+'; 2_048])),
        _ => request.body(Full::default()),
    }
}

/// The response to the end of its body; whether it took a resend.
async fn send(client: &AnyClient, request: Request<Full<Bytes>>) -> Result<bool, BoxError> {
    let response = client.clone().oneshot(request).await?;
    let resent = response.extensions().get::<Attempts>().is_some();
    response.into_body().collect().await?;
    Ok(resent)
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes(Arc<Mutex<Counts>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ok: u64,
    /// Of these, thanks to a resend.
    pub(crate) resent: u64,
    pub(crate) failed: u64,
    pub(crate) resends: BTreeMap<String, u64>,
    pub(crate) given_up: BTreeMap<String, u64>,
}

impl Outcomes {
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// For `on_retry`, which is told of each failed attempt once.
    fn decided(&self, event: &Event<'_>) {
        let cause = event.failure().cause();
        let mut counts = self.lock();
        let count = match event.decision() {
            Decision::Stop(stop) => counts.given_up.entry(format!("{cause}: {stop}")),
            // A resend; whatever else a decision may become, it is one about an attempt that failed.
            _ => counts.resends.entry(cause.to_string()),
        };
        *count.or_default() += 1;
    }

    fn ended(&self, outcome: &Result<bool, BoxError>) {
        let mut counts = self.lock();
        match outcome {
            Ok(resent) => {
                counts.ok += 1;
                counts.resent += u64::from(*resent);
            }
            Err(_) => counts.failed += 1,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
