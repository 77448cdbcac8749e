//! A server that runs in front of a backend.

use http::Uri;

use crate::process::Server;

/// A server that runs, and how to reach it.
#[derive(Debug)]
pub(crate) struct Front<C> {
    pub(crate) server: Server,
    pub(crate) connector: C,
    pub(crate) uri: Uri,
    /// Whether the client knows beforehand that it is HTTP/2; else ALPN has to say so.
    pub(crate) prior_knowledge: bool,
}
