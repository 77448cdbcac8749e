//! nginx whose worker is stopped by SIGSTOP: the kernel goes on acknowledging what comes, and nobody reads it.

use std::time::Duration;

use http::Method;
use tower_redial::{
    ConnectionHealth, RetryOnCanceledLayer,
    health::{Drain, EventKind, State},
};

use crate::{
    attempts::Attempts,
    backend::{Backend, SLOW, THINKS},
    nginx::{self, Nginx},
    signals::Stopped,
    silence::{BlackHole, is_left_silent},
    support::bound::within,
    watched::{self, DEAD_AFTER, PROBE_AFTER, Watched, look_up, next, send},
};

/// nginx with two workers, in front of a backend, and a client of it.
struct Scene {
    backend: Backend,
    nginx: Nginx,
    health: ConnectionHealth,
    attempts: Attempts,
    client: Watched,
}

impl Scene {
    async fn set(health: ConnectionHealth) -> Option<Self> {
        let backend = Backend::start().await;
        let nginx = nginx::start_workers(backend.addr(), 1_000, 2).await?;
        let attempts = Attempts::default();
        let connector = nginx.connector.clone();
        let client = watched::client(&health, connector, false, RetryOnCanceledLayer::new(), &attempts);
        Some(Self { backend, nginx, health, attempts, client })
    }

    /// The worker that has the client's only connection.
    async fn worker(&self) -> u32 {
        within("a line in the log", async {
            loop {
                if let Some(worker) = nginx::latest_worker(&self.nginx.server) {
                    return worker;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
    }

    async fn send(&self, method: Method, id: &'static str) -> watched::Answer {
        let answer = send(self.client.clone(), method, self.nginx.uri.clone(), id);
        within(id, answer).await.expect("an answer")
    }

    fn processed(&self, id: &str) -> u64 {
        self.backend.ledger().times(id)
    }
}

/// K1, K10, K13, C14: the worker that has the connection is stopped, the other serves. Nothing new is sent to it once a probe
/// is overdue; what it has fails when it is given up, and what is idempotent succeeds on a new connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_stopped_is_left() {
    let Some(mut scene) = Scene::set(watched::quick().build()).await else { return };
    let connection = scene.send(Method::GET, "first").await.connection();
    let worker = scene.worker().await;
    let stopped = Stopped::new(worker).await;
    let hole = BlackHole {
        client: &scene.client,
        health: &scene.health,
        attempts: &scene.attempts,
        uri: scene.nginx.uri.clone(),
        connection,
        events: scene.health.subscribe(),
    };
    hole.escape().await;

    // The worker comes back, and may do what it was sent. When it has ended, it has done what it ever will.
    drop(stopped);
    scene.nginx.server.quit().await;
    let (gets, posts) = (scene.processed("stuck-get"), scene.processed("stuck-post"));
    println!("once the worker went on, the backend had done the GET {gets} times and the POST {posts} times");
    assert!(posts <= 1, "{posts}");
    assert!((1..=2).contains(&gets), "{gets}");
}

/// K11: a worker that comes back after its probe is overdue and before it is given up finishes what it has, a POST too; but it
/// gets nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_comes_back_in_time_finishes() {
    let Some(scene) = Scene::set(watched::quick().dead_after(Duration::from_secs(60)).build()).await else { return };
    let connection = scene.send(Method::GET, "first").await.connection();
    let worker = scene.worker().await;
    let stopped = Stopped::new(worker).await;
    let mut events = scene.health.subscribe();
    let post = tokio::spawn(send(scene.client.clone(), Method::POST, scene.nginx.uri.clone(), "post"));
    is_left_silent(&mut events, connection).await;
    assert_ne!(scene.send(Method::POST, "elsewhere").await.connection(), connection);
    drop(stopped);

    let answer = within("the POST", post).await.expect("no panic").expect("an answer");
    assert_eq!((answer.connection(), scene.attempts.of("post"), scene.processed("post")), (connection, 1, 1));
    let drained = loop {
        match next(&mut events, connection).await.kind {
            EventKind::Answered { .. } => {}
            kind => break kind,
        }
    };
    assert_eq!(drained, EventKind::Draining { reason: Drain::Silence });
    assert_ne!(scene.send(Method::GET, "after").await.connection(), connection);
    assert_eq!(look_up(&scene.health, connection).requests, 2);
}

/// K2: nginx answers the PING for a backend that thinks, and the connection is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_thinks_is_waited_for() {
    assert!(THINKS > PROBE_AFTER + DEAD_AFTER);
    let Some(scene) = Scene::set(watched::quick().build()).await else { return };
    let uri = format!("https://{}{SLOW}", scene.nginx.server.addr()).parse().expect("an address and a path");
    let answer = send(scene.client.clone(), Method::POST, uri, "slow");
    let connection = within("the backend", answer).await.expect("an answer").connection();
    assert_eq!(scene.send(Method::GET, "next").await.connection(), connection);
    let kept = look_up(&scene.health, connection);
    assert_eq!((kept.state, kept.probes, scene.attempts.of("slow")), (State::Open, 1, 1));
    assert!(kept.round_trip.is_some());
}
