//! Connection health: what the socket tells, and what is done about it before a request fails.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod drain;
mod endings;
mod evidence;
mod gate;
mod goaway;
mod http1;
mod observe;
mod peer;
mod probes;
mod setup;
mod silence;
mod tonic;
mod transparency;
