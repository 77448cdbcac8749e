//! Watching a connection from its socket.
//!
//! So far this holds the ground that the rest will stand on: [`frame`] reads HTTP/2 frames as their bytes go by, and [`machine`]
//! decides what they mean for the connection.

pub mod frame;
pub mod machine;
