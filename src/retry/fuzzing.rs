//! gRPC's request heads, for the fuzz targets.

use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;

use super::grpc;

/// Whether this is a gRPC call.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    grpc::is_grpc(headers)
}

/// The time that the caller gives the whole call.
#[must_use]
pub fn timeout(head: &Parts) -> Option<Duration> {
    grpc::timeout(head)
}

/// Makes the head of a resend.
pub fn prepare(head: &mut Parts, elapsed: Duration, seen: u32) {
    grpc::prepare(head, elapsed, seen);
}
