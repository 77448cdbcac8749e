//! The wrapper at the socket, for the fuzz targets.

use std::sync::Arc;

use http::Uri;

use super::ObservedIo;
use super::machine::Settings;
use super::registry::Hub;
use crate::health::Origin;

/// A transport to this origin, as [`DowngradeConnector`](super::DowngradeConnector) wraps it.
pub fn observe<T>(io: T, uri: &Uri) -> ObservedIo<T> {
    let hub = Arc::new(Hub::new(Settings::default(), 1));
    ObservedIo::new(io, Origin::of(uri).map(|origin| (hub, origin)))
}
