//! A client's host: its callers, what they send and what they see.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request as HttpRequest, StatusCode};
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tower_redial::ConnectionHealth;
use tower_redial::health::{Events, Notice};
use tower_redial::resume::Incomplete;

use crate::asked;
use crate::content::Content;
use crate::dice::Dice;
use crate::history::{Outcome, Request};
use crate::oracle::{Oracle, now};
use crate::schedule::{ClientPlan, Method, REPLAY_LIMIT, RequestPlan};
use crate::stack::{self, Client};

/// What a request may take at the most, all its waits and attempts. One of these may be on a connection that has just answered
/// a probe, and then died: it is probed again after half a minute, whatever the settings say, so that no server is
/// pinged too often (`health::machine`, `SILENCE_GAPS`).
const BOUND: Duration = Duration::from_secs(45);

/// The same for a download, whose rest is asked for many times.
const BOUND_OF_DOWNLOAD: Duration = Duration::from_secs(60);

/// Between the end of all faults and the requests that must succeed.
const SETTLE: Duration = Duration::from_millis(1_500);

/// One client host.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) number: usize,
    pub(crate) seed: u64,
    pub(crate) plan: Arc<ClientPlan>,
    pub(crate) host: String,
    pub(crate) faults_end: Duration,
    pub(crate) health: ConnectionHealth,
    pub(crate) oracle: Oracle,
}

impl Caller {
    /// Sends all that is planned and waits for all of it.
    pub(crate) async fn run(self) -> turmoil::Result {
        let client = stack::client(&self.plan, &self.host, &self.health, &self.oracle);
        let told = tokio::spawn(tell(self.number, self.health.subscribe(), self.oracle.clone()));
        let planned = self.plan.requests.iter().enumerate().map(|(nth, plan)| {
            let (caller, client, plan) = (self.clone(), client.clone(), *plan);
            async move {
                sleep(plan.at).await;
                caller.send(client, plan, format!("c{}r{nth}", caller.number), false).await;
            }
        });
        let calm = async {
            sleep((self.faults_end + SETTLE).saturating_sub(now())).await;
            // What broke unseen is not used again.
            self.health.drain_all();
            sleep(Duration::from_millis(50)).await;
            let calm = self.plan.calm.iter().enumerate();
            join_all(
                calm.map(|(nth, plan)| self.send(client.clone(), *plan, format!("c{}calm{nth}", self.number), true)),
            )
            .await
        };
        // As tasks, so that each is woken by itself.
        let planned: Vec<_> = planned.map(tokio::spawn).collect();
        calm.await;
        for task in join_all(planned).await {
            if let Err(error) = task {
                self.oracle.wrong(format!("a caller: {error}"));
            }
        }
        told.abort();
        Ok(())
    }

    async fn send(&self, client: Client, plan: RequestPlan, id: String, calm: bool) {
        let seed = Dice::new(self.seed, u64::from(calm) << 32 | self.number as u64).next() ^ id.len() as u64;
        let data = asked::body(seed, plan.body.len);
        let method = match plan.method {
            Method::Get => http::Method::GET,
            Method::Put => http::Method::PUT,
            Method::Post => http::Method::POST,
        };
        let mut request = HttpRequest::builder().method(method).uri(stack::uri(&self.host, &asked::path(&plan, &id)));
        for (name, value) in asked::fields(&id, seed, data.len()) {
            request = request.header(name, value);
        }
        let request = request.body(Content::new(&data, plan.body)).expect("a method, a URI and fields");
        let bound = if plan.file.is_some() { BOUND_OF_DOWNLOAD } else { BOUND };
        let began = now();
        self.oracle.sent(
            &id,
            Request {
                client: self.number,
                idempotent: plan.method != Method::Post,
                replayable: plan.body.len <= REPLAY_LIMIT,
                calm,
                began,
                ended: None,
                total: plan.total,
                bound,
                outcome: None,
                attempts: Vec::new(),
                resumes: 0,
                seen: 0,
                processed: 0,
                bodies: 0,
                wrong_bodies: 0,
            },
        );
        let exchange = exchange(client, request, &plan, &id);
        // Twice as long as it may take: whoever hangs is found, and the run goes on.
        let patience = plan.total.unwrap_or(began.max(self.faults_end) - began + 2 * bound);
        let outcome = timeout(patience, exchange).await.unwrap_or(Outcome::GaveUp);
        self.oracle.ended(&id, outcome);
    }
}

/// Writes down what becomes of a client's connections.
async fn tell(client: usize, mut events: Events, oracle: Oracle) {
    while let Some(Notice::Event(event)) = events.next().await {
        oracle.note(format_args!("c{client}: connection {}: {:?}", event.connection, event.kind));
        oracle.count(format!("connections: {}", event.kind.label()), 1);
    }
}

async fn exchange(client: Client, request: HttpRequest<Content>, plan: &RequestPlan, id: &str) -> Outcome {
    let response = match client.oneshot(request).await {
        Ok(response) => response,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    if response.status() != StatusCode::OK {
        return Outcome::Status(response.status().as_u16());
    }
    match response.into_body().collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let right = match plan.file {
                Some(number) => asked::file(number).content() == body,
                None => body == id,
            };
            Outcome::Answered { right }
        }
        Err(error) => Outcome::Broken(error.downcast_ref().map(Incomplete::why)),
    }
}
