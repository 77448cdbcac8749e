//! Credentials: a resend goes to the caller's origin only, and what is logged or shown with `Debug` has no secret in it.

#[path = "support/mod.rs"]
mod support;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, Uri};
use http_body_util::BodyExt;
use support::log::Log;
use support::message::Received;
use support::{Fault, FaultyServer, Reply, clients};
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
use tracing::level_filters::LevelFilter;

const SECRET: &str = "hunter2";

/// One test at a time: a log line that another thread comes to first, where nobody listens, may stay unlogged.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn refuse_first(_: &Received, nth: u64) -> Option<Fault> {
    (nth % 2 == 1).then_some(Fault::Refuse)
}

/// Whatever the answer to a resend says of another origin, that one hears nothing of us.
#[tokio::test]
async fn a_resend_goes_to_no_other_origin() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let other = FaultyServer::builder().start().await;
    let elsewhere = other.uri("/elsewhere").to_string();
    for status in [200, 301, 302, 303, 307, 308, 421] {
        let (to, alternative) = (elsewhere.clone(), format!("h2=\"{}\"", other.addr()));
        let tempting = move |_: &Received, _| {
            let reply = Reply::new(status).header("location", &to).header("content-location", &to);
            reply.header("alt-svc", &alternative)
        };
        let server = FaultyServer::builder().choose(refuse_first).handler(tempting).start().await;
        let health = ConnectionHealth::default();
        let client = clients::builder().http2_only(true).build(health.connector(clients::http_connector()));
        let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(client);
        for n in 0..3 {
            let mut request = clients::post(server.uri("/"), &n.to_string(), "body");
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
            let response = client.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status);
        }
        assert_eq!((server.counters().refused, server.counters().streams), (3, 6), "each was resent, and here");
    }
    assert_eq!(other.counters().connections, 0);
}

/// Secrets in fields, query, user information and bodies are neither logged at any level nor shown by services, futures in flight,
/// snapshots, events or attempts.
#[tokio::test]
async fn secrets_are_shown_to_nobody() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let server = FaultyServer::builder().choose(refuse_first).handler(|_, _| Reply::ok(SECRET)).start().await;
    let health = ConnectionHealth::default();
    let mut shown = Vec::new();
    let events = health.subscribe();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = std::sync::Arc::clone(&told);
    let layer = RetryOnCanceledLayer::new().on_retry(move |event| tell.lock().unwrap().push(format!("{event:?}")));
    let client = clients::builder().http2_only(true).build(health.connector(clients::http_connector()));
    let client = ServiceBuilder::new().layer(layer.clone()).layer(health.layer()).service(client);
    let uri: Uri = format!("http://user:{SECRET}@{}/path?token={SECRET}", server.addr()).parse().unwrap();
    let mut request: Request<_> = clients::post(uri, "1", SECRET);
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
        request.headers_mut().insert(name, HeaderValue::from_static(SECRET));
    }
    let future = client.clone().oneshot(request);
    shown.push(format!("{layer:?} {health:?} {events:?}"));
    let response = future.await.unwrap();
    assert_eq!(response.extensions().get::<tower_redial::retry::Attempts>().unwrap().resends(), 1);
    let attempts = response.extensions().get::<tower_redial::retry::Attempts>();
    let connection = response.extensions().get::<tower_redial::health::Connection>();
    shown.push(format!("{attempts:?} {connection:?} {:?}", response.body()));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), SECRET);
    let snapshot = health.snapshot();
    shown.push(format!("{snapshot:?}"));
    shown.extend(told.lock().unwrap().drain(..));
    let logged = log.lines().into_iter().filter(|line| line.contains("tower_redial"));
    shown.extend(logged);
    assert!(shown.len() >= 6, "{shown:#?}");
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}
