//! tonic under its generated clients: what is resent, what the server is told, and what a call's status says.

#[path = "../support/greeter/mod.rs"]
mod greeter;
#[path = "../support/mod.rs"]
mod support;

mod draining;
mod headers;
mod layers;
mod rotation;
mod setup;
mod status;
mod streams;
