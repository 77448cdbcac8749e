//! HTTP/1.1 for a while, for an origin that asks for it or whose HTTP/2 keeps failing.

mod attempt;
mod config;
mod connector;
mod event;
mod future;
mod handle;
mod io;
mod layer;
mod machine;
#[cfg(feature = "metrics")]
mod metrics;
mod registry;
mod request;
mod service;
mod snapshot;
#[cfg(feature = "tracing")]
mod trace;
mod wire;

#[cfg(feature = "reqwest")]
pub(crate) use self::attempt::{Attempt, Way};
pub use self::config::Builder;
pub use self::connector::{Connecting, DowngradeConnector};
pub use self::event::{Event, EventKind, Trouble};
pub use self::future::ResponseFuture;
pub use self::handle::Downgrade;
pub use self::io::ObservedIo;
pub use self::layer::{DowngradeLayer, OneClient};
#[cfg(feature = "reqwest")]
pub(crate) use self::request::{needs_http2, prepare};
pub use self::service::PreferHttp2;
pub use self::snapshot::{OriginSnapshot, Snapshot, State};
