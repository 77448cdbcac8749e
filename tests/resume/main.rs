//! Downloads that break, and go on.

mod any_server;
mod reference;
#[path = "../support/mod.rs"]
mod support;
