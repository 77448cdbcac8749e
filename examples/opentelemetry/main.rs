//! Spans, events and metrics, exported to stdout through OpenTelemetry's SDK, of a client whose server misbehaves.
//!
//! ```text
//! cargo run --example opentelemetry --features metrics,tracing
//! ```
//!
//! A request of the caller's is a span, each of its attempts is one below that, and what the layers decide is an event. Put another
//! exporter where the one for stdout is, and nothing else has to change.

mod recorder;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
use tracing::{Instrument, info_span};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::recorder::Recorder;
use self::support::{Fault, FaultyServer};

const REQUESTS: usize = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let resource = Resource::builder().with_service_name("downloads").build();
    let traces = SdkTracerProvider::builder()
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .with_resource(resource.clone())
        .build();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(opentelemetry_stdout::MetricExporter::default())
        .with_resource(resource)
        .build();
    // The layers say nothing above debug: who wants to see it says so.
    let filter = Targets::new()
        .with_target("opentelemetry", tracing::Level::INFO)
        .with_target("tower_redial", tracing::Level::DEBUG);
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(traces.tracer("tower-redial")))
        .with(filter)
        .init();
    metrics::set_global_recorder(Recorder::new(meters.meter("tower-redial"))).expect("the only recorder");

    let result = downloads().await;

    // Both keep something back until they are told.
    let exported = meters.shutdown().and(traces.shutdown());
    match (result, exported) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        (result, exported) => {
            eprintln!("{result:?}, {exported:?}");
            ExitCode::FAILURE
        }
    }
}

/// From a server that refuses every second request.
async fn downloads() -> Result<(), BoxError> {
    let server = FaultyServer::builder().choose(|_, nth| (nth % 2 == 1).then_some(Fault::Refuse)).start().await;
    let health = ConnectionHealth::default();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(health.connector(HttpConnector::new()));
    let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(client);
    for number in 0..REQUESTS {
        let request = Request::get(server.uri("/")).body(Full::<Bytes>::default())?;
        let download = async {
            let response = client.clone().oneshot(request).await?;
            let status = response.status();
            response.into_body().collect().await?;
            Ok::<_, BoxError>(status)
        };
        let status = download.instrument(info_span!("download", number)).await?;
        if status != StatusCode::OK {
            return Err(format!("download {number}: {status}").into());
        }
    }
    Ok(())
}
