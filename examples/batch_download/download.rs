//! Parts of one download: the request, and the body to its end.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::Frame;
use http_body_util::{BodyExt, Empty};
use indicatif::ProgressBar;
use tower::BoxError;
use tower::timeout::error::Elapsed;
use tower_redial::resume::{Incomplete, Progress, Why};
use tower_redial::retry::Attempts;
use tower_redial::{BodyUse, Cause};

use crate::client::{AnyClient, Body};

/// Some servers answer nobody who does not say who they are.
const USER_AGENT: &str = concat!("batch_download/", env!("CARGO_PKG_VERSION"));

/// A body that arrived whole, as far as its length tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: u64,
    /// Whether it took a resend.
    pub(crate) resent: bool,
    /// Bytes that did not have to be fetched again.
    pub(crate) saved: u64,
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
    /// The bytes that came are not those that were meant.
    pub(crate) spoilt: bool,
}

impl Failure {
    pub(crate) fn corrupt(text: impl Into<String>) -> Self {
        Self { text: text.into(), corrupt: true, timed_out: false, cause: Cause::Other, spoilt: false }
    }

    /// A status that is no success.
    pub(crate) fn status(status: StatusCode) -> Self {
        status_text(status).into()
    }

    fn stalled() -> Self {
        let text = "the body stalled".to_owned();
        Self { text, corrupt: false, timed_out: true, cause: Cause::Timeout, spoilt: false }
    }

    fn spoilt(mut self) -> Self {
        self.spoilt = true;
        self
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let cause = tower_redial::Failure::of(&*error, BodyUse::Untouched).cause();
        let why = error.downcast_ref::<Incomplete>().map(Incomplete::why);
        Self {
            text: in_its_own_words(&*error),
            corrupt: false,
            timed_out: error.is::<Elapsed>(),
            cause,
            spoilt: matches!(why, Some(Why::Digest | Why::TooLong)),
        }
    }
}

/// Asks for `uri`, or for a part of it.
pub(crate) async fn ask(
    client: &AnyClient,
    uri: &Uri,
    fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Result<Response<Body>, Failure> {
    let mut request = Request::get(uri).header(header::USER_AGENT, USER_AGENT).body(Empty::new())?;
    request.headers_mut().extend(fields);
    Ok(client.send(request).await?)
}

/// Reads the body of a response and gives it to `keep`, part by part: so many bytes, if that is known.
pub(crate) async fn read(
    client: &AnyClient,
    response: Response<Body>,
    promised: Option<u64>,
    bar: &ProgressBar,
    mut keep: impl AsyncFnMut(Bytes) -> io::Result<()>,
) -> Result<Fetched, Failure> {
    let (head, mut body) = response.into_parts();
    // There only if there was a resend.
    let resent = head.extensions.get::<Attempts>().is_some();
    let mut bytes = 0;
    while let Some(frame) = next_frame(&mut body, client.stall_timeout).await? {
        // Trailers are none of our business.
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len() as u64;
        if promised.is_some_and(|promised| bytes > promised) {
            return Err(Failure::corrupt("the body is longer than was said").spoilt());
        }
        bar.inc(data.len() as u64);
        keep(data).await?;
    }
    // hyper ends some bodies cleanly that were cut off: by RST_STREAM(NO_ERROR), or by a GOAWAY below them.
    match promised {
        Some(promised) if promised != bytes => {
            Err(Failure::corrupt(format!("the body ended after {bytes} of {promised} bytes")))
        }
        _ => {
            let saved = head.extensions.get::<Progress>().map_or(0, Progress::kept);
            Ok(Fetched { bytes, resent, saved })
        }
    }
}

async fn next_frame(body: &mut Body, stall_timeout: Option<Duration>) -> Result<Option<Frame<Bytes>>, Failure> {
    let frame = match stall_timeout {
        None => body.frame().await,
        Some(limit) => match tokio::time::timeout(limit, body.frame()).await {
            Ok(frame) => frame,
            Err(_) => return Err(Failure::stalled()),
        },
    };
    Ok(frame.transpose()?)
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
