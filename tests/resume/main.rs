//! Downloads that break, and go on.

mod any_server;
mod reference;
mod rules;
#[path = "../support/mod.rs"]
mod support;
