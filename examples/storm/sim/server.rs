//! The server: workers, a queue in front of them, and an outage.
//!
//! It answers in the order of arrival, and does not know which of its clients have gone: the work for a request whose client
//! has given up is done all the same. That is what makes an overload feed itself.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use tower::Service;

use super::random::Random;
use super::settings::Settings;
use super::tally::Tally;

/// One request takes a worker from half of this to half as much again, in milliseconds.
const SERVICE_MS: u64 = 40;

/// From the client to the server and back, where the server has nothing to do for it: a refused connect, say.
const ROUND_TRIP: Duration = Duration::from_millis(1);

/// A client's hold on the server. Clones reach the same one.
#[derive(Clone, Debug)]
pub(super) struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    came: Notify,
    tally: Arc<Tally>,
    limit: usize,
    drops_abandoned: bool,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<oneshot::Sender<()>>,
    /// What is left of the capacity, in percent.
    left_percent: u32,
    /// How often the server went down: what was begun before is lost.
    crashes: u32,
}

impl Server {
    /// Starts its workers and its outage. They end with the runtime.
    pub(super) fn start(settings: &Settings, tally: Arc<Tally>) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { waiting: VecDeque::new(), left_percent: 100, crashes: 0 }),
            came: Notify::new(),
            tally,
            limit: settings.queue,
            drops_abandoned: settings.drops_abandoned,
        });
        for worker in 0..workers(settings.capacity) {
            // Apart from the clients' streams, so that the same requests come whatever the capacity is.
            let random = Random::new(settings.seed, u64::from(u32::MAX) + worker);
            tokio::spawn(work(Arc::clone(&shared), random));
        }
        tokio::spawn(outage(Arc::clone(&shared), settings.clone()));
        Self { shared }
    }
}

/// How many workers make the capacity, to the next one.
fn workers(capacity: u32) -> u64 {
    (u64::from(capacity) * SERVICE_MS + 500).div_euclid(1_000).max(1)
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request in, or says why not.
    fn take_in(&self) -> Result<oneshot::Receiver<()>, io::Error> {
        let mut queue = self.queue();
        if queue.left_percent == 0 || queue.waiting.len() >= self.limit {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let (answer, answered) = oneshot::channel();
        queue.waiting.push_back(answer);
        drop(queue);
        self.came.notify_one();
        Ok(answered)
    }

    /// The next request to be worked on, and how things stand.
    fn next(&self) -> Option<(oneshot::Sender<()>, u32, u32)> {
        let mut queue = self.queue();
        loop {
            let answer = queue.waiting.pop_front()?;
            if !(self.drops_abandoned && answer.is_closed()) {
                return Some((answer, queue.left_percent, queue.crashes));
            }
        }
    }
}

async fn work(shared: Arc<Shared>, mut random: Random) {
    loop {
        let Some((answer, left_percent, crashes)) = shared.next() else {
            shared.came.notified().await;
            continue;
        };
        // Whole milliseconds, as tokio's timer has them: it would round up what is not.
        let ms = random.between(SERVICE_MS / 2, SERVICE_MS * 3 / 2);
        sleep(Duration::from_millis(ms * 100 / u64::from(left_percent.max(1)))).await;
        if shared.queue().crashes == crashes {
            shared.tally.worked(answer.send(()).is_ok());
        }
    }
}

async fn outage(shared: Arc<Shared>, settings: Settings) {
    sleep(Duration::from_secs(u64::from(settings.outage_at_s))).await;
    {
        let mut queue = shared.queue();
        queue.left_percent = settings.left_percent;
        if settings.left_percent == 0 {
            queue.crashes += 1;
            queue.waiting.clear();
        }
    }
    sleep(Duration::from_secs(u64::from(settings.outage_s))).await;
    shared.queue().left_percent = 100;
}

impl<B> Service<Request<B>> for Server {
    type Response = Response<()>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.tally.attempted();
            let taken_in = shared.take_in();
            match taken_in {
                Ok(answered) => match answered.await {
                    Ok(()) => Ok(Response::new(())),
                    Err(_) => Err(ErrorKind::ConnectionReset.into()),
                },
                Err(refused) => {
                    sleep(ROUND_TRIP).await;
                    Err(refused)
                }
            }
        })
    }
}
