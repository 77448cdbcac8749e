//! What really went into the client below the layer: how often each request was sent, and how far its last attempt came.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper_util::client::legacy;
use pin_project_lite::pin_project;

use crate::{
    backend::REQUEST_ID,
    load::{Kind, causes},
};

/// The attempts at every request of one run; a test's own eyes, independent of what the layer says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<Mutex<HashMap<String, Attempt>>>);

#[derive(Debug, Default)]
struct Attempt {
    sends: usize,
    /// Whether the client has asked for the body of the newest attempt.
    polled: Arc<AtomicBool>,
}

impl Attempts {
    /// Notes that a request is sent, and watches its body from then on.
    pub(crate) fn watch<B>(&self, request: Request<B>) -> Request<Watched<B>> {
        let id = request.headers()[REQUEST_ID].to_str().expect("the test's own header").to_owned();
        let polled = Arc::default();
        let mut attempts = self.0.lock().expect("no panic while noting");
        let attempt = attempts.entry(id).or_default();
        attempt.sends += 1;
        attempt.polled = Arc::clone(&polled);
        request.map(|body| Watched { body, polled })
    }

    /// How often requests were sent: `(times, requests)`.
    pub(crate) fn sends(&self) -> Vec<(usize, usize)> {
        let mut sends = BTreeMap::new();
        for attempt in self.0.lock().expect("no panic while noting").values() {
            *sends.entry(attempt.sends).or_default() += 1;
        }
        sends.into_iter().collect()
    }

    /// How many requests were sent more than once.
    pub(crate) fn resent(&self) -> usize {
        self.sends().iter().filter(|(times, _)| *times > 1).map(|(_, requests)| requests).sum()
    }

    /// How often that request was sent.
    pub(crate) fn of(&self, id: &str) -> usize {
        self.0.lock().expect("no panic while noting").get(id).map_or(0, |attempt| attempt.sends)
    }

    /// Whether the client asked for the body of the last attempt at that request.
    pub(crate) fn polled(&self, id: &str) -> bool {
        let attempts = self.0.lock().expect("no panic while noting");
        attempts.get(id).is_some_and(|attempt| attempt.polled.load(Ordering::Acquire))
    }

    /// Whether a request that failed so could have been sent again without a risk, by the rules of the crate's
    /// documentation. They are spelled out here once more, so that the test does not ask the code under test.
    pub(crate) fn was_safe_to_resend(&self, kind: Kind, id: &str, error: &(dyn Error + 'static)) -> bool {
        kind == Kind::Get || causes(error).any(|error| proves_unprocessed(error, self.polled(id)))
    }
}

fn proves_unprocessed(error: &(dyn Error + 'static), polled: bool) -> bool {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        error.is_canceled()
    } else if let Some(error) = error.downcast_ref::<legacy::Error>() {
        // Without a connection it cannot have been sent; without a source it is the caller's own mistake.
        error.is_connect() || (error.connect_info().is_none() && error.source().is_some())
    } else if let Some(error) = error.downcast_ref::<h2::Error>() {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (refused || (error.is_go_away() && polled))
    } else {
        false
    }
}

pin_project! {
    /// A body that notes when it is first asked for, and is otherwise as the one inside.
    #[derive(Debug)]
    pub(crate) struct Watched<B> {
        #[pin]
        body: B,
        polled: Arc<AtomicBool>,
    }
}

impl<B: Body> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        this.polled.store(true, Ordering::Release);
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
