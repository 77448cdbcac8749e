//! The feature `tracing`: one debug event for each decision, quiet otherwise, and with no secret in it.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_redial::{ReplayBody, RetryOnCanceledLayer};
use tracing::level_filters::LevelFilter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn logged(level: LevelFilter) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let inner = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
        Err::<Response<()>, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let request = Request::get("http://user:hunter2@host/path?token=hunter2").header("authorization", "hunter2");
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(inner);
    service.oneshot(request.body(Full::default()).unwrap()).await.unwrap_err();
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    logged.lines().map(str::to_owned).collect()
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

#[tokio::test(start_paused = true)]
async fn nothing_is_logged_above_debug() {
    assert!(logged(LevelFilter::INFO).await.is_empty());
}
