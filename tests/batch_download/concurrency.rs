//! `--concurrency auto`.

use std::time::Duration;

use http::Uri;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    setup::{Done, cacert, download, names, run},
    support::{Fault, FaultyServer, Reply, message::Received, reason, tls::Identity},
};

const AUTO: [&str; 4] = ["--http2-prior-knowledge", "--json", "--concurrency", "auto"];

/// A reply that takes long enough for others to be under way beside it.
fn slowly(received: &Received) -> Reply {
    Reply::ok(received.path.clone()).after(Duration::from_millis(10))
}

/// `count` URLs of a server, with names of their own.
fn urls(server: &FaultyServer, count: usize) -> Vec<Uri> {
    (0..count).map(|number| server.uri(&format!("/{number}"))).collect()
}

/// What came of the one origin there was.
fn outcome(done: &Done) -> Value {
    let json = done.json();
    let origins = json["redial"]["concurrency"].as_object().unwrap_or_else(|| panic!("{done:?}"));
    assert_eq!(origins.len(), 1, "{done:?}");
    origins.values().next().unwrap().clone()
}

#[tokio::test]
async fn the_peers_limit_is_never_passed() {
    let server = FaultyServer::builder().announced_streams(3).handler(|received, _| slowly(received)).start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, urls(&server, 20), &AUTO).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let counters = server.counters();
    // Not even by the first requests, which could go out before the server has said anything.
    assert_eq!((counters.refused, counters.connections), (0, 1), "{counters:?}");
    // The layers leave one of its streams unused.
    assert!((2..=3).contains(&counters.max_open), "{counters:?}");
    assert_eq!(outcome(&done), serde_json::json!({"limit": 3, "highest": 3, "halvings": 0}), "{done:?}");
    assert_eq!(names(&dir).len(), 20);
}

#[tokio::test]
async fn it_grows_while_all_is_well() {
    let server = FaultyServer::builder().handler(|received, _| slowly(received)).start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, urls(&server, 60), &AUTO).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    let outcome = outcome(&done);
    let highest = outcome["highest"].as_u64().unwrap();
    assert!(highest > 6, "{done:?}");
    assert_eq!((outcome["limit"].as_u64(), outcome["halvings"].as_u64()), (Some(highest), Some(0)), "{done:?}");
    // The last places may have come when nothing was left to begin.
    assert!((5..=highest).contains(&server.counters().max_open), "{:?} {done:?}", server.counters());
}

#[tokio::test]
async fn it_comes_down_when_requests_fail() {
    // It announces 250 and stands 3.
    let builder = FaultyServer::builder().stream_limit(3).handler(|received, _| slowly(received));
    let server = builder.start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, urls(&server, 60), &AUTO).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    let outcome = outcome(&done);
    assert!(outcome["halvings"].as_u64() > Some(1), "{done:?}");
    // Without failures it comes to more than that: see the test before.
    assert!(outcome["highest"].as_u64() <= Some(6), "{done:?}");
}

#[tokio::test]
async fn a_downgraded_origin_has_the_number_of_http1() {
    let wants_http1 = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };
    let builder = FaultyServer::builder().tls(Identity::new()).http1().choose(move |_, _| Some(wants_http1));
    let server = builder.handler(|received, _| slowly(received)).start().await;
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pem = cacert(&elsewhere, server.identity());
    let options = ["--json", "--concurrency", "auto", "--cacert", pem.to_str().unwrap()];
    let done = download(&dir, urls(&server, 60), &options).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_eq!((server.counters().streams, server.counters().http1_requests), (1, 60));
    assert_eq!(outcome(&done), serde_json::json!({"limit": 6, "highest": 6, "halvings": 0}), "{done:?}");
}

#[tokio::test]
async fn one_remains_where_everything_fails_and_the_bare_client_comes_down_too() {
    let builder = FaultyServer::builder().every(1, Fault::Reset { reason: 8, processed: false });
    let server = builder.start().await;
    let dir = TempDir::new().unwrap();
    let options = [&AUTO[..], &["--bare"]].concat();
    let done = download(&dir, urls(&server, 12), &options).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    let json = done.json();
    assert_eq!(json["bare"]["failed"], 12, "{done:?}");
    let origins = json["bare"]["concurrency"].as_object().unwrap();
    let outcome = origins.values().next().unwrap();
    assert_eq!((outcome["limit"].as_u64(), outcome["highest"].as_u64()), (Some(1), Some(4)), "{done:?}");
}

#[tokio::test]
async fn each_origin_has_a_number_of_its_own() {
    let one = FaultyServer::builder().announced_streams(1).handler(|received, _| slowly(received)).start().await;
    let other = FaultyServer::builder().announced_streams(3).handler(|received, _| slowly(received)).start().await;
    let dir = TempDir::new().unwrap();
    let urls = (0..40).map(|number| [&one, &other][number % 2].uri(&format!("/{number}")));
    let done = download(&dir, urls, &AUTO).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(one.counters().max_open, 1);
    assert!((2..=3).contains(&other.counters().max_open));
    let json = done.json();
    let limit = |server: &FaultyServer| {
        let origin = format!("http://{}", server.addr());
        json["redial"]["concurrency"][origin]["limit"].as_u64()
    };
    assert_eq!((limit(&one), limit(&other)), (Some(1), Some(3)), "{done:?}");
}

#[tokio::test]
async fn the_built_in_server_is_survived_too() {
    let done = run(["--json", "--concurrency", "auto", "--files", "120"]).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    let json = done.json();
    assert_eq!(json["redial"]["ok"], 120, "{done:?}");
    // It announces 250 and stands 3: what is refused says so.
    assert!(outcome(&done)["halvings"].as_u64() > Some(0), "{done:?}");
    assert!(json["bare"]["concurrency"].as_object().unwrap().len() == 1, "{done:?}");
}
