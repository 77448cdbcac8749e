//! The examples with one stack each, run as people run them: as processes. Each compares a client without and with the layers, and
//! says by its exit status whether the layers kept their promise.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use support::{bound, example};

/// When a process counts as hung. It bounds tests that fail anyway.
const HUNG: Duration = Duration::from_secs(120);

/// The figures of a row.
fn row<const COLUMNS: usize>(stdout: &str, label: &str) -> [u64; COLUMNS] {
    let line = stdout.lines().find(|line| line.trim_start().starts_with(label));
    let line = line.unwrap_or_else(|| panic!("no {label:?} in\n{stdout}"));
    let numbers: Vec<_> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{line:?} in\n{stdout}"))
}

/// What it prints, if it ends well.
async fn output_of(name: &str) -> String {
    let output = bound::checked(HUNG, example::command(name).output()).await;
    let output = output.expect("the process ends").expect("the process starts");
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout
}

async fn compares(name: &str) {
    let stdout = output_of(name).await;
    let [requests, same] = row(&stdout, "requests");
    assert!(requests >= 400 && requests == same, "{stdout}");
    let [without, with] = row(&stdout, "failed");
    assert!(without > 0 && with == 0, "{stdout}");
    assert_eq!(row::<2>(&stdout, "POSTs processed twice")[1], 0, "{stdout}");
}

#[tokio::test]
async fn hyper_util_client() {
    compares("hyper_util_client").await;
}

#[tokio::test]
async fn service_builder() {
    compares("service_builder").await;
}

#[tokio::test]
async fn kube_client() {
    compares("kube_client").await;
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn tonic_client() {
    compares("tonic_client").await;
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn reqwest_client() {
    compares("reqwest_client").await;
}

#[cfg(feature = "reqwest-middleware")]
#[tokio::test]
async fn reqwest_middleware_client() {
    compares("reqwest_middleware_client").await;
}

/// This one has three columns: hyper-util's client, the pool, and the pool with resends.
#[cfg(feature = "connect")]
#[tokio::test]
async fn http2_pool() {
    let stdout = output_of("http2_pool").await;
    assert_eq!(row(&stdout, "requests"), [4_000; 3]);
    let [hyper_util, pool, resent] = row(&stdout, "failed");
    assert!(hyper_util > 0 && pool < hyper_util && resent == 0, "{stdout}");
    let [_, may_be_processed, _] = row(&stdout, "may be processed");
    assert_eq!((may_be_processed, row(&stdout, "processed twice")), (0, [0; 3]), "{stdout}");
}

/// Each download is a span, with one below it for each attempt; and the metrics come at the end.
#[cfg(all(feature = "metrics", feature = "tracing"))]
#[tokio::test]
async fn opentelemetry() {
    let stdout = output_of("opentelemetry").await;
    let count = |line: &str| stdout.lines().filter(|other| other.trim_start().starts_with(line)).count();
    let spans = (count("Name         : download"), count("Name         : GET"), count("Kind         : Client"));
    assert_eq!(spans, (4, 8, 8), "{stdout}");
    assert_eq!(count("->  http.request.resend_count: I64(1)"), 4, "{stdout}");
    assert_eq!(count("->  http.response.status_code: I64(200)"), 4, "{stdout}");
    assert_eq!(count("Name      : request attempt failed"), 4, "{stdout}");
    for metric in ["http.client.active_requests", "http.client.open_connections", "http.client.request.duration"] {
        assert_eq!(count(&format!("Name         : {metric}")), 1, "{stdout}");
    }
}
