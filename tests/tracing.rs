//! The feature `tracing`: one debug event for each decision, quiet otherwise, and with no secret in it.

#[path = "support/mod.rs"]
mod support;

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
#[cfg(feature = "resume")]
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::log::Log;
use support::tls::Identity;
use support::tls::Trusting as _;
use support::{Cut, Fault, FaultyServer, clients};
#[cfg(feature = "resume")]
use tower::BoxError;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_redial::{ConnectionHealth, Downgrade, ReplayBody, RetryOnCanceledLayer};
#[cfg(feature = "resume")]
use tower_redial::{resume::ResumeLayer, retry::Limits};
use tracing::level_filters::LevelFilter;

async fn logged(level: LevelFilter) -> Vec<String> {
    let (log, _guard) = Log::listen(level);
    let inner = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
        Err::<Response<()>, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let request = Request::get("http://user:hunter2@host/path?token=hunter2").header("authorization", "hunter2");
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(inner);
    service.oneshot(request.body(Full::default()).unwrap()).await.unwrap_err();
    log.lines()
}

/// O1, O2: each attempt's fate, cause and decision, under OpenTelemetry's names.
#[tokio::test(start_paused = true)]
async fn every_decision_is_logged_at_debug() {
    let lines = logged(LevelFilter::DEBUG).await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (n, line) in lines.iter().enumerate() {
        assert!(line.contains("http.request.method=GET") && line.contains("server.address=\"host\""), "{line}");
        assert!(line.contains(&format!("http.request.resend_count={n}")), "{line}");
        assert!(line.contains("error.type=\"closed\"") && line.contains("fate=\"unknown\""), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    assert!(lines[0].contains("decision=\"resend\"") && lines[0].contains("waited_ms="));
    assert!(lines[2].contains("decision=\"stop\" reason=\"max_resends\""));
}

/// A span for each attempt, by OpenTelemetry's conventions for HTTP clients, which is the parent of all that happens below.
#[tokio::test(start_paused = true)]
async fn each_attempt_is_a_span() {
    let (log, _guard) = Log::spans(LevelFilter::DEBUG);
    let calls = AtomicU32::new(0);
    let inner = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        tracing::debug!("inside");
        async move {
            match call {
                0 => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                _ => Ok(Response::builder().status(204).body(()).unwrap()),
            }
        }
    });
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(inner);
    let request = Request::get("http://user:hunter2@host:8080/path?token=hunter2").header("authorization", "hunter2");
    service.oneshot(request.body(Full::default()).unwrap()).await.unwrap();

    let lines = log.lines();
    assert!(lines.iter().all(|line| !line.contains("hunter2")), "{lines:#?}");
    assert_eq!(
        lines.iter().filter(|line| line.contains("attempt{") && line.contains("inside")).count(),
        2,
        "{lines:#?}"
    );
    let ended: Vec<_> = lines.iter().filter(|line| line.contains("attempt{") && line.ends_with("close")).collect();
    let [failed, answered] = &ended[..] else { panic!("{lines:#?}") };
    let both = ["otel.name=\"GET\"", "otel.kind=\"client\"", "server.address=\"host\"", "server.port=8080"];
    for part in both.into_iter().chain(["http.request.method=\"GET\"", "url.scheme=\"http\""]) {
        assert!(failed.contains(part) && answered.contains(part), "{part} in {ended:#?}");
    }
    assert!(!failed.contains("resend_count") && answered.contains("http.request.resend_count=1"), "{ended:#?}");
    for part in ["error.type=\"closed\"", "fate=\"unknown\"", "otel.status_code=\"ERROR\""] {
        assert!(failed.contains(part) && !answered.contains(part), "{part} in {ended:#?}");
    }
    assert!(answered.contains("http.response.status_code=204"), "{answered}");
}

/// A client's span is an error from 400 on, and says so by the code; a redirect is none.
#[tokio::test]
async fn a_span_says_by_its_status_whether_it_is_an_error() {
    let (log, _guard) = Log::spans(LevelFilter::DEBUG);
    for status in [307, 404, 503] {
        let inner = service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| async move {
            Ok::<_, io::Error>(Response::builder().status(status).body(()).unwrap())
        });
        let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(inner);
        service.oneshot(Request::new(Full::default())).await.unwrap();
    }
    let lines = log.lines();
    let ended: Vec<_> = lines.iter().filter(|line| line.contains("attempt{") && line.ends_with("close")).collect();
    let [redirect, not_found, unavailable] = &ended[..] else { panic!("{lines:#?}") };
    assert!(redirect.contains("http.response.status_code=307") && !redirect.contains("ERROR"), "{redirect}");
    for (span, code) in [(not_found, 404), (unavailable, 503)] {
        assert!(span.contains(&format!("error.type={code}")) && span.contains("otel.status_code=\"ERROR\""), "{span}");
    }
}

/// Each time a download breaks, how far it was and what was decided.
#[cfg(feature = "resume")]
#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_is_logged_at_debug() {
    let (log, _guard) = Log::listen(LevelFilter::DEBUG);
    let inner = service_fn(|request: Request<Empty<Bytes>>| async move {
        if request.headers().contains_key("range") {
            return Err(BoxError::from(io::Error::from(io::ErrorKind::ConnectionReset)));
        }
        let response = Response::builder().header("etag", "\"a\"").header("content-length", "7");
        Ok(response.body(Full::new(Bytes::from("half")))?)
    });
    let layer = ResumeLayer::new().limits(Limits::after_loss().max_resends(1));
    let service = ServiceBuilder::new().layer(layer).service(inner);
    let request = Request::get("http://host/path?token=hunter2").body(Empty::new()).unwrap();
    service.oneshot(request).await.unwrap().into_body().collect().await.unwrap_err();
    let lines = log.lines();
    let expected = [
        ["error.type=\"short\"", "resumes=0", "decision=\"resume\"", "waited_ms="],
        ["error.type=\"closed\"", "resumes=1", "decision=\"stop\"", "reason=\"no_progress\""],
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        for part in expected.into_iter().chain(["server.address=\"host\"", "received=4", "expected=7"]) {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_logged_above_debug() {
    assert!(logged(LevelFilter::INFO).await.is_empty());
}

/// A connection's life, under OpenTelemetry's names.
#[tokio::test]
async fn changes_of_a_connection_are_logged_at_debug() {
    let server = FaultyServer::builder().start().await;
    let (log, _guard) = Log::listen(LevelFilter::DEBUG);
    let health = ConnectionHealth::default();
    let connector = health.connector(clients::http_connector());
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let client = ServiceBuilder::new().layer(health.layer()).service(client);
    client.clone().oneshot(clients::get(server.uri("/?token=hunter2"), "1")).await.unwrap();
    health.drain_all();
    let lines: Vec<_> = log.lines().into_iter().filter(|line| line.contains("tower_redial::health")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for (line, event) in lines.iter().zip(["event=\"opened\"", "event=\"draining\" reason=\"asked\""]) {
        assert!(
            line.starts_with("DEBUG") && line.contains(event) && line.contains("server.address=\"127.0.0.1\""),
            "{line}"
        );
        assert!(line.contains("connection=1") && !line.contains("hunter2"), "{line}");
    }
}

/// An origin's downgrade.
#[tokio::test]
async fn a_downgrade_is_logged_at_debug() {
    let dies = Fault::Cut { how: Cut::Fin, processed: false };
    let server = FaultyServer::builder().tls(Identity::new()).http1().every(1, dies).start().await;
    let (log, _guard) = Log::listen(LevelFilter::DEBUG);
    let (minute, identity) = (Duration::from_secs(60), server.identity());
    let downgrade = Downgrade::builder().after(1, minute).lasting(minute).build();
    let connector = downgrade.connector(identity.connector()).fallback(identity.connector_h1());
    let client = connector.layer().layer(clients::builder().build(connector));
    client.oneshot(clients::get(server.uri("/?token=hunter2"), "1")).await.unwrap_err();
    let lines: Vec<_> = log.lines().into_iter().filter(|line| line.contains("tower_redial::downgrade")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in ["DEBUG", "event=\"downgraded\" reason=\"died\" seconds=60", "server.address=\"127.0.0.1\""] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    assert!(!lines[0].contains("hunter2"), "{}", lines[0]);
}
