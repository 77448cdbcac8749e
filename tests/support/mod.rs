//! What tests, examples and benches share: the library's own [`test_util`](tower_redial::test_util), and clients, files, TLS and logs
//! to go with it.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test, example and bench uses a part of it")]

pub mod bodies;
pub mod clients;
pub mod example;
pub mod files;
pub mod log;
pub mod tls;

pub use tower_redial::test_util::*;
