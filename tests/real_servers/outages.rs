//! nginx under load while it is stopped, reloaded, restarted and killed: no GET fails, no POST is processed twice.
//!
//! The answers are heads only. Where a server dies between an answer's head and the end of its body the answer is cut, and
//! no retry layer can help the caller, who has begun to read it.

use std::time::Duration;

use tower_redial::{
    ConnectionHealth, RetryOnCanceledLayer,
    health::{Close, EventKind, Events, Notice},
    retry::{Backoff, Boxed, Limits},
};

use crate::{
    attempts::Attempts,
    backend::{Backend, HEAD_ONLY},
    nginx,
    process::Server,
    signals::Stopped,
    storm::{self, Storm},
    support::bound::within,
    watched,
};

/// How many requests there are at a time.
const CONCURRENT: usize = 12;

/// How many requests have to be answered between one outage and the next, so that each meets a load at work.
const BETWEEN: usize = 500;

/// The layer of a user who knows that the server may be away for a while.
///
/// The defaults send a request twice more after a connect that failed, and give up after some 150 ms: they do not take it that
/// somebody is about to start the server again. The budget would end it as early, since at an outage all requests fail.
fn patient_layer() -> RetryOnCanceledLayer<Boxed> {
    let backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(500));
    RetryOnCanceledLayer::new().after_loss(Limits::after_loss().max_resends(20).backoff(backoff).without_budget())
}

/// A load, and what happens to its server in the meantime.
struct Outage<'a> {
    server: &'a mut Server,
    health: &'a ConnectionHealth,
    storm: &'a Storm,
    events: Events,
}

impl Outage<'_> {
    /// Waits until that happens to a connection.
    async fn until(&mut self, wanted: impl Fn(EventKind) -> bool) {
        within("a connection's event", async {
            loop {
                match self.events.next().await.expect("the health is there") {
                    Notice::Event(event) if wanted(event.kind) => return,
                    Notice::Event(_) => {}
                    Notice::Missed(missed) => panic!("{missed} events missed"),
                }
            }
        })
        .await;
    }

    /// Waits until every caller has found nobody to connect to, a few times over.
    async fn is_felt(&self) {
        let refused = || {
            let origins = self.health.snapshot().origins;
            let failures = origins.iter().flat_map(|origin| &origin.failures);
            failures.filter(|failure| failure.cause == "connect").map(|failure| failure.count).sum::<u64>()
        };
        let before = refused();
        within("connects to be refused", async {
            while refused() < before + 3 * CONCURRENT as u64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Stops the worker that has the load.
    async fn stop(&self) -> Stopped {
        Stopped::new(nginx::latest_worker(self.server).expect("the storm has begun")).await
    }
}

/// Runs the load while that happens to nginx, and checks what became of it. How many requests were resent; `None` where
/// nginx is not installed.
async fn under_load(
    name: &str,
    layer: RetryOnCanceledLayer<Boxed>,
    happens: impl AsyncFnOnce(Outage<'_>),
) -> Option<usize> {
    let backend = Backend::start().await;
    let mut nginx = nginx::start_workers(backend.addr(), 1_000_000, 2).await?;
    let health: ConnectionHealth = watched::quick().build();
    let attempts = Attempts::default();
    let client = watched::client(&health, nginx.connector.clone(), false, layer, &attempts);
    let uri = format!("https://{}{HEAD_ONLY}", nginx.server.addr()).parse().expect("an address and a path");
    let storm = Storm::begin(&client, &uri, CONCURRENT);
    storm.goes_on(BETWEEN).await;
    happens(Outage { server: &mut nginx.server, health: &health, storm: &storm, events: health.subscribe() }).await;
    storm.goes_on(BETWEEN).await;
    let outcome = storm.end().await;
    storm::check(name, &outcome, &attempts, backend.ledger());
    Some(attempts.resent())
}

/// K1, K10, K11, K13: the worker that has the connection is stopped: until a probe is overdue, and until the connection is
/// given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_whose_worker_is_stopped() {
    // The defaults are enough: the next connection works at once.
    let resent = under_load("stopped", RetryOnCanceledLayer::new(), async |mut outage| {
        for round in 0..5 {
            let stopped = outage.stop().await;
            if round % 2 == 0 {
                outage.until(|kind| matches!(kind, EventKind::Closed { reason: Close::Dead, .. })).await;
                // On the other worker.
                outage.storm.goes_on(BETWEEN).await;
            } else {
                outage.until(|kind| kind == EventKind::Silent).await;
            }
            drop(stopped);
            outage.storm.goes_on(BETWEEN).await;
        }
    });
    assert_ne!(resent.await, Some(0));
}

/// G5, G9: new workers take over, again and again; the old ones finish what they have begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_that_is_reloaded() {
    under_load("reloaded", RetryOnCanceledLayer::new(), async |outage| {
        for _ in 0..10 {
            let before = nginx::latest_worker(outage.server);
            outage.server.signal("HUP");
            within("another worker to serve", async {
                while nginx::latest_worker(outage.server) == before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
            outage.storm.goes_on(BETWEEN).await;
        }
    })
    .await;
}

/// K13, C21: it ends in good order and is started again on its port; in between there is nobody to connect to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_that_is_restarted() {
    let resent = under_load("restarted", patient_layer(), async |outage| {
        for _ in 0..3 {
            outage.server.quit().await;
            outage.is_felt().await;
            outage.server.start_again().await;
            outage.storm.goes_on(BETWEEN).await;
        }
    });
    assert_ne!(resent.await, Some(0));
}

/// K13, C5, C21: it is killed with all that it had begun, and is back within the time for resends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_that_is_killed() {
    let resent = under_load("killed", patient_layer(), async |outage| {
        for _ in 0..3 {
            outage.server.kill();
            outage.is_felt().await;
            outage.server.start_again().await;
            outage.storm.goes_on(BETWEEN).await;
        }
    });
    assert_ne!(resent.await, Some(0));
}
