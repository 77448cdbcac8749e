//! A pool of HTTP/2 connections for each origin.
//!
//! [`Pool`] stands where hyper-util's `legacy::Client` does, for HTTP/2. That keeps one connection for each origin, however few
//! streams the peer allows; takes one out of use only when a request has met its end; and connects anew when it is gone.
//!
//! - **As many connections as it takes.** Another is made when requests wait for a stream, as many at once as these need by
//!   the peer's limit, up to [`max_connections`](PoolBuilder::max_connections). A cold pool makes one, and all wait for what its
//!   peer allows.
//! - **The least loaded one** gets the next request, of several the one whose turn was longest ago.
//! - **Replaced before it goes.** When nine tenths of its [maximum age](crate::health::Builder::max_age) or [number of
//!   requests](crate::health::Builder::max_requests) are reached, another is made, and only when that is there it is drained: what is
//!   open on it finishes. Where there are as many as there may be, it goes first.
//! - **Never one that drains or is silent.** It is let go of, and closed when nothing is open on it.
//! - **Idle ones are closed** after [`idle_timeout`](PoolBuilder::idle_timeout), and so is the book on an origin that nobody asked
//!   for that long.
//! - **Connects are shared and bounded.** They run in tasks of their own: a caller who leaves fails nobody else's. At most
//!   [`max_connecting`](PoolBuilder::max_connecting) at once, within
//!   [`connect_timeout`](crate::health::Builder::connect_timeout), and after one that failed, or whose connection was closed
//!   before it had a request, the next waits for its [backoff](PoolBuilder::backoff). One that fails fails those who wait, if there
//!   is no other connection to wait for; three useless ones in a row too.
//! - **Requests wait in their order**, cancel-safe, for [`max_wait`](crate::health::Builder::max_wait) at the longest. When the
//!   connection goes that they waited for, they get the next. One that a connection gave back unsent goes to another, three times at
//!   the most.
//!
//! A request that was sent is never resent here: put [`RetryOnCanceled`](crate::RetryOnCanceled) above, and what is provably
//! unprocessed is. Without it, errors hold the requests that were not sent: [`Unsent`](super::Unsent).
//!
//! It needs peers that speak HTTP/2: by ALPN, in the connector's TLS, or by prior knowledge, which is taken for granted without
//! TLS. For others its error is `Permanent`, [`Http11Required`](crate::Cause::Http11Required).
//!
//! # Why not from other people's parts
//!
//! [`tower::load::Load`] and the maker, [`MakeConnection`](super::MakeConnection), are as tower has them. The rest is not to be had:
//!
//! | part | what it lacks here |
//! |---|---|
//! | hyper-util 0.1.21, `client::pool::singleton` | one connection; a second holder's `poll_ready` error empties it while a connect is under way, and whoever waits for that waits for ever; the future that drives the connect is a caller's |
//! | `client::pool::cache` | hands each connection to one caller at a time, as HTTP/1.1 needs it |
//! | `client::pool::map` | keeps every origin for ever |
//! | tower 0.5.3, `balance::p2c` | needs to know its endpoints from outside, and polls those that are not picked to readiness, so that they hold a stream of the peer's limit; no order among those who wait |
//! | `reconnect` | one connection, and none while it is made anew |

mod builder;
mod failed;
mod future;
mod members;
mod service;
mod site;

pub use self::builder::PoolBuilder;
pub use self::future::PoolFuture;
pub use self::service::Pool;
