//! A debug span for each attempt and a debug event for each that failed, with OpenTelemetry's names where it has one.

use http::StatusCode;
use tracing::field::{Empty, display};

use super::event::{Decision, Event};
use super::head::SavedHead;
use crate::fate::Failure;

/// One attempt, as OpenTelemetry's conventions for HTTP clients have a span for each.
#[derive(Clone)]
pub(super) struct Span(tracing::Span);

impl Span {
    pub(super) fn new(head: &SavedHead, resends: u32) -> Self {
        let span = tracing::debug_span!(
            "attempt",
            otel.name = head.method().as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = head.method().as_str(),
            server.address = head.uri().host(),
            server.port = head.uri().port_u16().map(i64::from),
            url.scheme = head.uri().scheme_str(),
            http.request.resend_count = (resends > 0).then_some(i64::from(resends)),
            http.response.status_code = Empty,
            error.type = Empty,
            fate = Empty,
        );
        Self(span)
    }

    pub(super) fn in_scope<T>(&self, what: impl FnOnce() -> T) -> T {
        self.0.in_scope(what)
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.0.record("http.response.status_code", i64::from(status.as_u16()));
        // Clients' spans are errors from 400 on, and say so by the code (OpenTelemetry, "HTTP client span", status).
        if status.is_client_error() || status.is_server_error() {
            self.0.record("error.type", display(status.as_u16()));
            self.0.record("otel.status_code", "ERROR");
        }
    }

    pub(super) fn failed(&self, failure: &Failure) {
        self.0.record("error.type", failure.cause().label());
        self.0.record("fate", failure.fate().label());
        self.0.record("otel.status_code", "ERROR");
    }
}

pub(super) fn event(event: &Event<'_>) {
    let failure = event.failure();
    let (decision, reason, waited) = match event.decision() {
        Decision::Resend { waited } => ("resend", None, Some(waited)),
        Decision::Stop(stop) => ("stop", Some(stop.label()), None),
    };
    tracing::debug!(
        http.request.method = %event.method(),
        server.address = event.uri().host(),
        http.request.resend_count = i64::from(event.attempt() - 1),
        error.type = failure.cause().label(),
        fate = failure.fate().label(),
        cause = %failure.cause(),
        decision,
        reason,
        waited_ms = waited.map(|waited| waited.as_millis() as u64),
        "request attempt failed",
    );
}
