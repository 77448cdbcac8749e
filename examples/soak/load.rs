//! The requests: so many at a time to each server, each with a number that names it for all its attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Collected, Empty, Full, StreamBody};
use tokio::task::JoinSet;
use tower::{BoxError, ServiceExt as _};
use tower_redial::{BodyUse, Failure};

use crate::account::Ending;
use crate::clients::{AnyBody, AnyClient, Clients, PROMISED};
use crate::kind::{DOWNLOADS, Kind};
use crate::servers::Site;
use crate::support::REQUEST_ID;
use crate::support::files::File;
use crate::watch::{self, Watch};

/// How much longer than promised a request may take on a busy machine before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whatever fails at once does not make a worker spin.
const AFTER_FAILURE: Duration = Duration::from_millis(20);

/// A download is worth a thousand requests in bytes, so there is one now and then.
const BETWEEN_DOWNLOADS: Duration = Duration::from_millis(250);

/// How many different files are downloaded.
const FILES: u64 = 32;

/// How much of a streamed body comes at once.
const PIECE: usize = 700;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Load {
    over: AtomicBool,
    /// How many requests may still begin.
    left: AtomicU64,
    in_flight: AtomicU64,
}

/// What the workers of one server share.
#[derive(Debug)]
struct Place {
    site: Site,
    watch: Watch,
    clients: Clients,
    next: AtomicU64,
    next_download: AtomicU64,
}

/// Which client a worker uses.
#[derive(Clone, Copy, Debug)]
enum Task {
    Layers,
    Pool,
    Reqwest,
    Downloads,
}

/// Which workers there are, in turn. Few workers have one of each kind.
const TASKS: [Task; 8] =
    [Task::Layers, Task::Pool, Task::Reqwest, Task::Downloads, Task::Layers, Task::Pool, Task::Layers, Task::Pool];

impl Load {
    pub(crate) fn new(total: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            over: AtomicBool::new(false),
            left: AtomicU64::new(total.unwrap_or(u64::MAX)),
            in_flight: AtomicU64::new(0),
        })
    }

    /// No more requests begin.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether no more requests begin.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// How many requests are under way.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a request from those that are left; `None`, and the end, if there is none.
    fn take(&self) -> Option<()> {
        let took = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if took.is_err() {
            self.end();
        }
        took.ok().filter(|_| !self.is_over()).map(drop)
    }

    /// Starts the workers of one server.
    pub(crate) fn begin(
        self: &Arc<Self>,
        set: &mut JoinSet<()>,
        workers: usize,
        site: &Site,
        watch: &Watch,
        clients: Clients,
    ) {
        let place = Arc::new(Place {
            site: site.clone(),
            watch: watch.clone(),
            clients,
            next: AtomicU64::new(0),
            next_download: AtomicU64::new(DOWNLOADS),
        });
        for worker in 0..workers {
            set.spawn(work(TASKS[worker % TASKS.len()], Arc::clone(self), Arc::clone(&place)));
        }
    }
}

async fn work(task: Task, load: Arc<Load>, place: Arc<Place>) {
    while load.take().is_some() {
        let is_download = matches!(task, Task::Downloads);
        let next = if is_download { &place.next_download } else { &place.next };
        let number = next.fetch_add(1, Ordering::Relaxed);
        place.watch.account().begin();
        load.in_flight.fetch_add(1, Ordering::Relaxed);
        let clients = &place.clients;
        let exchange = async {
            match task {
                Task::Layers => exchange(&clients.layers, &place.site, number).await,
                Task::Pool => exchange(&clients.pool, &place.site, number).await,
                Task::Reqwest => exchange(&clients.reqwest, &place.site, number).await,
                Task::Downloads => download(&clients.downloads, &place.site, number).await,
            }
        };
        let ending = tokio::time::timeout(PROMISED + PATIENCE, exchange).await.unwrap_or(Ending::Hung);
        load.in_flight.fetch_sub(1, Ordering::Relaxed);
        place.watch.account().end(number, ending);
        if is_download {
            tokio::time::sleep(BETWEEN_DOWNLOADS).await;
        } else if ending != Ending::Answered {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
}

/// One request and the whole of its answer, which has to be the answer to this request.
async fn exchange(client: &AnyClient, site: &Site, number: u64) -> Ending {
    let kind = Kind::of(number);
    let sent = kind.body(number);
    let id = number.to_string();
    let mut request = Request::builder().method(kind.method()).header(REQUEST_ID, &id);
    if kind == Kind::KeyedPost {
        request = request.header("idempotency-key", &id);
    }
    let request = watch::uri(&site.base, "/", number)
        .and_then(|uri| request.uri(uri).body(if kind == Kind::StreamedPost { streamed(&sent) } else { whole(&sent) }));
    send(client, request, &[id.as_bytes(), b" ", &sent].concat()).await
}

/// A file, which has to be the file.
async fn download(client: &AnyClient, site: &Site, number: u64) -> Ending {
    let file = File::number(number % FILES);
    let request = watch::uri(&site.base, &file.path(), number)
        .and_then(|uri| Request::get(uri).header(REQUEST_ID, number.to_string()).body(whole(&Bytes::new())));
    send(client, request, &file.content()).await
}

async fn send(client: &AnyClient, request: Result<Request<AnyBody>, http::Error>, expected: &[u8]) -> Ending {
    let failed = |error: BoxError| {
        // What it proves by itself, whatever the layer knows besides.
        let failure = Failure::of(&*error, BodyUse::Untouched);
        Ending::Failed(failure.fate(), failure.cause())
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => return failed(error.into()),
    };
    let (head, body) = match client.clone().oneshot(request).await {
        Ok(response) => response.into_parts(),
        Err(error) => return failed(error),
    };
    if head.status != StatusCode::OK {
        return Ending::Status(head.status.as_u16());
    }
    match body.collect().await.map(Collected::to_bytes) {
        Ok(bytes) if bytes == expected => Ending::Answered,
        Ok(_) => Ending::WrongBytes,
        Err(error) => Ending::Broken(Failure::of(&*error, BodyUse::Polled).cause()),
    }
}

fn whole(body: &Bytes) -> AnyBody {
    if body.is_empty() {
        return Empty::new().boxed();
    }
    Full::new(body.clone()).boxed()
}

/// Each piece comes in a turn of its own.
fn streamed(body: &Bytes) -> AnyBody {
    let pieces: Vec<_> = body.chunks(PIECE).map(|piece| body.slice_ref(piece)).collect();
    let pieces = stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        Ok(Frame::data(piece))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}
