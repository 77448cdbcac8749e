//! Requests and clients of reqwest's.

use std::sync::{Arc, Mutex};

use http::{Method, Uri};
use reqwest::{Client, Request};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::retry::{Decision, Stop, Typed};

use crate::support::{REQUEST_ID, clients};

/// A client for HTTP/2 in the clear.
pub(crate) fn client() -> Client {
    build(clients::reqwest())
}

pub(crate) fn build(builder: reqwest::ClientBuilder) -> Client {
    builder.http2_prior_knowledge().build().expect("a client")
}

/// A request with an id.
pub(crate) fn request(method: Method, uri: &Uri, id: &str) -> Request {
    let mut request = Request::new(method, uri.to_string().parse().expect("a URL"));
    request.headers_mut().insert(REQUEST_ID, id.parse().expect("an id"));
    request
}

/// The same with a body.
pub(crate) fn with_body(method: Method, uri: &Uri, id: &str, body: impl Into<reqwest::Body>) -> Request {
    let mut request = request(method, uri, id);
    *request.body_mut() = Some(body.into());
    request
}

/// A body that gives itself once, in parts of this size.
pub(crate) fn stream(bytes: &'static [u8], part: usize) -> reqwest::Body {
    let parts: Vec<_> = bytes.chunks(part).map(Ok::<_, std::io::Error>).collect();
    reqwest::Body::wrap_stream(futures_util::stream::iter(parts))
}

/// What a layer decided.
#[derive(Clone, Default)]
pub(crate) struct Decisions(Arc<Mutex<Vec<Decision>>>);

impl Decisions {
    /// A layer that keeps its decisions here.
    pub(crate) fn layer(&self) -> RetryOnCanceledLayer<Typed> {
        let kept = Arc::clone(&self.0);
        RetryOnCanceledLayer::new().on_retry(move |event| kept.lock().unwrap().push(event.decision()))
    }

    /// How often it resent, and why it stopped.
    pub(crate) fn seen(&self) -> (usize, Option<Stop>) {
        let decisions = self.0.lock().unwrap();
        let resends = decisions.iter().filter(|decision| matches!(decision, Decision::Resend { .. })).count();
        let stop = decisions.iter().find_map(|decision| match decision {
            Decision::Stop(stop) => Some(*stop),
            _ => None,
        });
        (resends, stop)
    }
}
