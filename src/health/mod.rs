//! Watching a connection from its socket.
//!
//! So far this holds the ground that the rest will stand on: [`frame`] reads HTTP/2 frames as their bytes go by.

pub mod frame;
