//! What is wrong in libraries below and beside, as small as it gets: `docs/upstream.md` says more of each. A test that fails here
//! says that one was mended.

#[path = "support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use hyper_util::client::pool::singleton::Singleton;
use tokio::sync::oneshot;
use tokio_test::task;
use tower::{Service, service_fn};

/// A connection that is dead from some time on.
#[derive(Clone, Debug, Default)]
struct Connection {
    dead: Arc<AtomicBool>,
}

impl Service<()> for Connection {
    type Response = ();
    type Error = &'static str;
    type Future = Ready<Result<(), &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(if self.dead.load(Ordering::Relaxed) { Err("dead") } else { Ok(()) })
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// Whoever notices that the old connection is dead takes the new one away from those who are waiting for it: one of them waits
/// for ever, and the others panic.
#[test]
fn a_singletons_checkout_is_lost() {
    let connects = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&connects);
    let make = service_fn(move |()| {
        let (done, connection) = oneshot::channel::<Connection>();
        kept.lock().unwrap().push(done);
        connection.map(|connection| Ok::<_, Infallible>(connection.expect("it is made")))
    });
    let mut pool = Singleton::new(make);
    let connect = |pool: &mut Singleton<_, ()>| task::spawn(pool.call(()));
    let next = || connects.lock().unwrap().remove(0);

    let old = Connection::default();
    let mut first = connect(&mut pool);
    assert!(first.poll().is_pending());
    next().send(old.clone()).unwrap();
    let holder = |checkout| match checkout {
        Poll::Ready(Ok(holder)) => holder,
        _ => panic!("the connection is there"),
    };
    let mut one = holder(first.poll());
    let mut other = holder(connect(&mut pool).poll());
    old.dead.store(true, Ordering::Relaxed);

    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(matches!(one.poll_ready(&mut cx), Poll::Ready(Err(_))), "the first to notice");
    let mut drives = connect(&mut pool);
    let mut waits = connect(&mut pool);
    assert!(drives.poll().is_pending());
    assert!(waits.poll().is_pending());
    assert!(matches!(other.poll_ready(&mut cx), Poll::Ready(Err(_))), "the second, of the same connection");

    assert!(next().send(Connection::default()).is_err(), "nobody takes the new connection");
    assert!(pool.is_empty() && !drives.is_woken(), "and who drove that is never woken");
    assert!(waits.is_woken());
    assert!(catch_unwind(AssertUnwindSafe(|| waits.poll().is_pending())).is_err(), "who waited for it panics");
}

/// A policy for one host resends the requests to all others too, once each.
#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_policy_for_another_host_resends() {
    use http::StatusCode;
    use support::{FaultyServer, Reply, clients};

    for (host, expected) in [("127.0.0.1", 3), ("elsewhere.example", 2)] {
        let server = FaultyServer::builder().handler(|_, _| Reply::new(503)).start().await;
        let policy = reqwest::retry::for_host(host).no_budget().classify_fn(|answer| match answer.status() {
            Some(StatusCode::SERVICE_UNAVAILABLE) => answer.retryable(),
            _ => answer.success(),
        });
        let client = clients::reqwest().http2_prior_knowledge().retry(policy).build().unwrap();
        let response = client.post(server.uri("/").to_string()).body("charge me").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(server.counters().streams, expected, "{host}: one is what it should be elsewhere");
    }
}
