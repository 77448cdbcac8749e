//! A pool.

mod builder;
mod future;
mod service;
mod site;

pub use self::builder::PoolBuilder;
pub use self::future::PoolFuture;
pub use self::service::Pool;
