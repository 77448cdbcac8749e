//! Downloads that break, and go on.

mod any_server;
mod coded;
#[cfg(feature = "reqwest-middleware")]
mod cuts;
mod reference;
mod rules;
#[path = "../support/mod.rs"]
mod support;
mod waits;
