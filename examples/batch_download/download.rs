//! One download, from the request to the body's end.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use indicatif::ProgressBar;
use tower::timeout::error::Elapsed;
use tower::{BoxError, ServiceExt};
use tower_redial::retry::Attempts;
use tower_redial::{BodyUse, Cause};

use crate::client::AnyClient;

/// Some servers answer nobody who does not say who they are.
const USER_AGENT: &str = concat!("batch_download/", env!("CARGO_PKG_VERSION"));

/// A body that arrived whole, as far as its length tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: u64,
    /// Whether it took a resend.
    pub(crate) resent: bool,
}

/// Why a file is not there.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) text: String,
    /// The body came to a clean end, and was wrong all the same.
    pub(crate) corrupt: bool,
    /// Nothing came in time.
    pub(crate) timed_out: bool,
    /// What the layers would call it.
    pub(crate) cause: Cause,
}

impl Failure {
    pub(crate) fn corrupt(text: impl Into<String>) -> Self {
        Self { text: text.into(), corrupt: true, timed_out: false, cause: Cause::Other }
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let cause = tower_redial::Failure::of(&*error, BodyUse::Untouched).cause();
        Self { text: in_its_own_words(&*error), corrupt: false, timed_out: error.is::<Elapsed>(), cause }
    }
}

/// Downloads `uri` and gives `keep` the body, part by part.
///
/// What the layer repairs ends where the response's head arrives; a body that breaks later is a failure here.
pub(crate) async fn fetch(
    client: &AnyClient,
    uri: &Uri,
    bar: &ProgressBar,
    mut keep: impl AsyncFnMut(Bytes) -> io::Result<()>,
) -> Result<Fetched, Failure> {
    let request = Request::get(uri).header(header::USER_AGENT, USER_AGENT).body(Empty::new())?;
    let response = client.clone().oneshot(request).await?;
    let (head, mut body) = response.into_parts();
    if !head.status.is_success() {
        return Err(status_text(head.status).into());
    }
    // There only if there was a resend.
    let resent = head.extensions.get::<Attempts>().is_some();
    let promised = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(promised) = promised {
        bar.set_length(promised);
    }

    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        // Trailers are none of our business.
        let Ok(data) = frame?.into_data() else { continue };
        bytes += data.len() as u64;
        bar.inc(data.len() as u64);
        keep(data).await?;
    }
    // hyper ends some bodies cleanly that were cut off: by RST_STREAM(NO_ERROR), or by a GOAWAY below them.
    match promised {
        Some(promised) if promised != bytes => {
            Err(Failure::corrupt(format!("the body ended after {bytes} of {promised} bytes")))
        }
        _ => Ok(Fetched { bytes, resent }),
    }
}

/// Bounds a whole download. The layer's `retry_for` does not: it only says until when a resend may begin.
pub(crate) async fn within<T>(
    limit: Duration,
    download: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, download).await {
        Ok(done) => done,
        Err(_) => Err(format!("not whole after {} s", limit.as_secs()).into()),
    }
}

fn status_text(status: StatusCode) -> String {
    let what = if status.is_redirection() { "; redirects are not followed" } else { "" };
    format!("status {status}{what}")
}

/// An error and its sources, as they say it themselves.
pub(crate) fn in_its_own_words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        // Some errors say what their source says too.
        if !text.ends_with(&said) {
            text.extend([": ", &said]);
        }
        source = error.source();
    }
    text
}
