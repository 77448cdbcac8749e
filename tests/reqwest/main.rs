//! The layers around reqwest, and in reqwest-middleware.
#![cfg(all(feature = "reqwest", feature = "reqwest-middleware"))]

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod errors;
mod health;
mod hostile;
mod middleware;
mod neighbour;
mod redirects;
mod renew;
#[cfg(feature = "resume")]
mod resume;
mod setup;
