//! Many requests at once, and servers that never stop misbehaving: everything ends, bounded in number and time.

#[path = "support/mod.rs"]
mod support;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::clients;
use support::faulty_server::Builder;
use support::{Counters, Fault, FaultyServer, GoAway, GoAwayStyle};
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::fate::{BodyUse, Failure, Fate};
use tower_redial::retry::{Attempts, Decision};

/// A server with a thread and a clock of its own, so that the client's clock can be stopped.
struct Elsewhere {
    server: Arc<FaultyServer>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Elsewhere {
    fn start(builder: Builder) -> Self {
        let (started, server) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                started.send(Arc::new(builder.start().await)).unwrap();
                let _ = stopped.await;
            });
        });
        Self { server: server.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    fn counters(&self) -> Counters {
        self.server.counters()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// G12: a server that turns every single connection away at once: the request ends in the client's own error, after the bounded
/// number of attempts and the waits between them. The clock is stopped: what passes of it is backoff.
#[tokio::test(start_paused = true)]
async fn a_server_that_goaways_every_connection_ends_in_an_error() {
    for method in [Method::GET, Method::PUT] {
        let server = Elsewhere::start(FaultyServer::builder().goaway(GoAway::on_accept().style(GoAwayStyle::Final)));
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let layer = RetryOnCanceledLayer::new().on_retry(move |event| told.lock().unwrap().push(event.decision()));
        // Without hyper-util's timer: its own timers would move the clock.
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build(clients::http_connector());
        let mut service = ServiceBuilder::new().layer(layer).service(client);
        let request = clients::request(method, server.server.uri("/"), "1", "a body");
        let began = Instant::now();
        let error = service.ready().await.unwrap().call(request).await.unwrap_err();
        assert!(Failure::of(&error, BodyUse::Polled).fate() != Fate::Permanent, "the client's own error: {error:?}");

        let events = events.lock().unwrap();
        let waits: Vec<_> = events
            .iter()
            .filter_map(|decision| if let Decision::Resend { waited } = decision { Some(*waited) } else { None })
            .collect();
        assert!((2..=8).contains(&waits.len()), "{events:?}");
        assert!(matches!(events.last(), Some(Decision::Stop(_))));
        let waited: Duration = waits.iter().sum();
        assert!(waited >= Duration::from_millis(25), "{waits:?}");
        assert!(began.elapsed() >= waited && began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        // hyper-util makes a few connections of its own for a request that comes back to it.
        assert!(server.counters().connections < 100, "{:?}", server.counters());
        assert_eq!(server.server.ledger().total(), 0);
    }
}

/// One service, a thousand tasks, a server with several ways to fail: every request ends, GETs in a response, POSTs once at
/// the most. Nobody watches the connections here: the timeout is for what hyper's queue keeps for ever (see the crate's docs).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_share_one_service() {
    let server = FaultyServer::builder()
        .goaway(GoAway::every(500))
        .every(50, Fault::Refuse)
        .announced_streams(200)
        .stream_limit(100)
        .start()
        .await;
    let layer = RetryOnCanceledLayer::new()
        .transparent(tower_redial::retry::Limits::transparent().max_resends(100).without_budget())
        .resend_timeouts(true);
    let service = ServiceBuilder::new().layer(layer).timeout(Duration::from_secs(5)).service(clients::h2());
    let tasks = (0..1_000).map(|task| {
        let (mut service, uri) = (service.clone(), server.uri("/"));
        tokio::spawn(async move {
            let mut resends = 0;
            for (n, method) in [Method::GET, Method::POST, Method::GET].into_iter().enumerate() {
                let get = method == Method::GET;
                let request: http::Request<Full<Bytes>> =
                    clients::request(method, uri.clone(), &format!("{task}-{n}"), if get { "" } else { "a body" });
                let result = async { service.ready().await?.call(request).await }.await;
                match result {
                    Ok(response) => {
                        resends += response.extensions().get::<Attempts>().map_or(0, Attempts::resends);
                        response.into_body().collect().await.unwrap();
                    }
                    Err(error) => {
                        let failure = Failure::of(&*error, BodyUse::Untouched);
                        assert!(!get && failure.fate() == Fate::Unknown, "{error:?}");
                    }
                }
            }
            resends
        })
    });
    let mut resends = 0;
    for task in tasks.collect::<Vec<_>>() {
        resends += support::bound::within("a task", task).await.unwrap();
    }
    let counters = server.counters();
    assert!(counters.refused > 50 && counters.goaways > 2 && resends > 50, "{counters:?}, {resends} resends");
    let doubled: Vec<_> = server.ledger().doubled().into_iter().filter(|(id, _)| id.ends_with("-1")).collect();
    assert_eq!(doubled, [], "POSTs");
    assert_eq!(server.violations(), Vec::<String>::new());
}

/// Law 4, in requests that reach a server: while it refuses everything, they are no more than the budget allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_everything_sees_the_budget_and_no_more() {
    const REQUESTS: u64 = 2_000;
    let server = FaultyServer::builder().every(1, Fault::Refuse).start().await;
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(clients::h2());
    let began = std::time::Instant::now();
    let requests = (0..REQUESTS).map(|n| {
        let (service, uri) = (service.clone(), server.uri("/"));
        tokio::spawn(async move { service.oneshot(clients::post(uri, &n.to_string(), "a body")).await })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap().unwrap_err();
    }
    let extra = server.counters().streams - REQUESTS;
    let floor = 10 * (10 + began.elapsed().as_secs() + 1);
    assert!(extra <= floor, "{extra} resends, a floor of {floor}");
    assert!(extra >= 100, "{extra} resends: the floor is there to be used");
}
