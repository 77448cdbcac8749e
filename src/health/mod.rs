//! Connection health: placeholder docs.

mod body;
mod config;
mod connection;
mod connection_health;
mod connector;
mod event;
pub mod frame;
mod future;
mod gate;
mod inbound;
mod io;
mod layer;
pub mod machine;
#[cfg(feature = "metrics")]
mod metrics;
mod origin;
mod outbound;
mod permit;
mod registry;
mod service;
mod snapshot;
#[cfg(feature = "tracing")]
mod trace;

pub use self::body::ResponseBody;
pub use self::config::Builder;
pub use self::connection::{Connection, ConnectionId};
pub use self::connection_health::ConnectionHealth;
pub use self::connector::{Connecting, MonitoredConnector};
pub use self::event::{Event, EventKind, Events, Notice};
pub use self::future::ResponseFuture;
pub use self::io::MonitoredIo;
pub use self::layer::ConnectionHealthLayer;
pub use self::machine::{Close, Drain, State};
pub use self::origin::Origin;
pub use self::service::WatchConnection;
pub use self::snapshot::{ConnectionSnapshot, FailureCount, OriginSnapshot, Protocol, Snapshot};
