//! HTTP/2 connections of our own.

mod body;
mod driver;
mod error;
mod future;
mod gate;
mod head;
mod http2;
mod proof;
mod pump;
mod settings;
mod unsent;

pub use self::body::ResponseBody;
pub use self::error::Error;
pub use self::future::ResponseFuture;
pub use self::http2::Http2Connection;
pub use self::settings::Http2Settings;
pub use self::unsent::Unsent;
