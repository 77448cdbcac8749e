//! HTTP/2 connections of our own.

mod body;
mod driver;
mod error;
mod future;
mod gate;
mod head;
mod http1;
mod http2;
mod http_connection;
mod make;
pub mod pool;
mod proof;
mod pump;
mod settings;
mod unsent;

pub use self::body::ResponseBody;
pub use self::error::Error;
pub use self::future::ResponseFuture;
pub use self::http_connection::{HttpBody, HttpConnection, HttpFuture};
pub use self::http1::{Http1Connection, Http1Future};
pub use self::http2::Http2Connection;
pub use self::make::{MakeConnection, Making};
pub use self::pool::{Pool, PoolBuilder};
pub use self::settings::Http2Settings;
pub use self::unsent::Unsent;
