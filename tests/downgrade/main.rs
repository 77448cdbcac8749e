//! Downgrade: HTTP/1.1 for a while, in both forms, against servers that speak both versions on one port.

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod deaths;
mod headers;
mod mark;
mod needs_http2;
mod no_sign;
mod observe;
mod probe;
mod required;
#[cfg(feature = "reqwest")]
mod reqwest;
mod setup;
mod with_health;
