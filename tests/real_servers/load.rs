//! Many requests, some at a time, and what became of each.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tokio::task::JoinSet;
use tower::{BoxError, Service, ServiceExt as _};

use crate::backend::{self, REQUEST_ID};

/// A request that takes longer hangs in the layer, which has a deadline of its own. It keeps a run from waiting for ever;
/// it is far above what a request can need on any machine.
const HUNG: Duration = Duration::from_secs(90);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `GET`: may be sent again whatever happened.
    Get,
    /// `POST` with a few bytes: its body tells how far the attempt came.
    Post,
    /// `POST` without a body: the client cannot see how far the attempt came.
    EmptyPost,
}

impl Kind {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post | Self::EmptyPost => Method::POST,
        }
    }

    fn body(self, id: &str) -> Bytes {
        match self {
            Self::Get | Self::EmptyPost => Bytes::new(),
            Self::Post => Bytes::copy_from_slice(id.as_bytes()),
        }
    }
}

/// How many requests of which kind go where.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) uri: Uri,
    pub(crate) requests: usize,
    pub(crate) concurrent: usize,
}

impl Plan {
    /// The names of the requests.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        (0..self.requests).map(|number| format!("request-{number}"))
    }
}

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) error: BoxError,
}

/// What became of the requests of a [`Plan`].
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answered: usize,
    pub(crate) failed: Vec<Failed>,
}

impl Outcome {
    /// Adds what became of others.
    pub(crate) fn add(&mut self, others: Self) {
        self.answered += others.answered;
        self.failed.extend(others.failed);
    }

    /// How many requests got an answer that is not theirs, or no end at all; nothing that a resend could help.
    pub(crate) fn bad_answers(&self) -> usize {
        self.failed.iter().filter(|failed| failed.error.is::<BadAnswer>()).count()
    }
}

/// Sends all of it, and returns when every request has its answer, its error or no more time.
pub(crate) async fn run<S, B>(service: S, plan: &Plan) -> Outcome
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let ids: Arc<[String]> = plan.ids().collect();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..plan.concurrent {
        let (service, plan, ids, next) = (service.clone(), plan.clone(), Arc::clone(&ids), Arc::clone(&next));
        workers.spawn(async move {
            let mut outcome = Outcome::default();
            while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                match exchange(service.clone(), plan.kind, plan.uri.clone(), id).await {
                    Ok(()) => outcome.answered += 1,
                    Err(error) => outcome.failed.push(Failed { kind: plan.kind, id: id.clone(), error }),
                }
            }
            outcome
        });
    }
    let mut all = Outcome::default();
    workers.join_all().await.into_iter().for_each(|outcome| all.add(outcome));
    all
}

/// One request and the whole of its answer, which has to be the answer to this request.
pub(crate) async fn exchange<S, B>(service: S, kind: Kind, uri: Uri, id: &str) -> Result<(), BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    let body = kind.body(id);
    let expected = backend::answer(uri.path(), id, &body);
    let request = Request::builder().method(kind.method()).uri(uri).header(REQUEST_ID, id).body(Full::new(body))?;
    let answer = async {
        let (head, answer) = service.oneshot(request).await.map_err(Into::into)?.into_parts();
        let answer =
            answer.collect().await.map_err(|error| BadAnswer::boxed("a body that broke", Some(error.into())))?;
        match head.status {
            StatusCode::OK
                if head.headers.get(REQUEST_ID).is_some_and(|of| of == id) && answer.to_bytes() == expected =>
            {
                Ok(())
            }
            StatusCode::OK => Err(BadAnswer::boxed("not the one to this request", None)),
            status => Err(BadAnswer::boxed(status, None)),
        }
    };
    tokio::time::timeout(HUNG, answer).await.unwrap_or_else(|_| Err(BadAnswer::boxed("none, it hangs", None)))
}

/// The answer was not the right one, or there was none.
#[derive(Debug)]
struct BadAnswer {
    what: String,
    source: Option<BoxError>,
}

impl BadAnswer {
    fn boxed(what: impl fmt::Display, source: Option<BoxError>) -> BoxError {
        Box::new(Self { what: what.to_string(), source })
    }
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad answer: {}", self.what)
    }
}

impl Error for BadAnswer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// An error with everything below it.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
