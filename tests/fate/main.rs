//! The decision table of `tower_redial::fate`, row by row, each by a real failure over a socket, through hyper-util's
//! `legacy::Client` and through hyper's `conn::http2` and `conn::http1`.
//!
//! Rows that a client makes impossible say so where they are tested.

#[path = "../support/mod.rs"]
mod support;

mod connect;
mod http1;
mod http2;
mod other;
mod transport;
mod via;
