//! Connection health: what the socket tells, and what is done about it before a request fails.

#[path = "../support/mod.rs"]
mod support;

mod drain;
mod gate;
mod goaway;
mod peer;
mod probes;
mod setup;
mod silence;
