//! One origin's connections, and who waits for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle as Runtime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::builder::Config;
use super::failed::Failed;
use super::members::{Members, Ticket, Todo};
use crate::connect::gate::News;
use crate::connect::{Error, Http2Connection};
use crate::fate::Verdict;
use crate::health;

/// Makes a connection to the origin.
pub(super) type Connect<B> = Box<dyn Fn() -> BoxFuture<'static, Result<Http2Connection<B>, Error>> + Send + Sync>;

/// See the [module](self).
pub(super) struct Site<B> {
    inner: Mutex<Members<B>>,
    connect: Connect<B>,
    config: Arc<Config>,
    runtime: Runtime,
    /// How many wait: asked by connections before they take the lock.
    waiting: AtomicUsize,
    /// Wakes the task that looks after the origin.
    keeper: Arc<Notify>,
    this: Weak<Self>,
}

impl<B: 'static> Site<B> {
    pub(super) fn new(connect: Connect<B>, config: Arc<Config>, runtime: Runtime, keeper: Arc<Notify>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            inner: Mutex::new(Members::new()),
            connect,
            config,
            runtime,
            waiting: AtomicUsize::new(0),
            keeper,
            this: Weak::clone(this),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Members<B>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins; until [`leave`](Self::leave) the origin is not forgotten.
    pub(super) fn join(&self) {
        let mut inner = self.lock();
        inner.users += 1;
        inner.last_used = Instant::now();
    }

    /// A request is over; its ticket goes, if it has one.
    pub(super) fn leave(&self, ticket: Option<Ticket>) {
        let mut inner = self.lock();
        inner.users -= 1;
        inner.last_used = Instant::now();
        let mut gone = None;
        if let Some(ticket) = ticket {
            inner.queue.remove(&ticket);
            gone = inner.outcomes.remove(&ticket);
        }
        let others = !inner.queue.is_empty();
        drop(inner);
        // What was held for it, or by it, is somebody else's.
        drop(gone);
        // Who came meanwhile found no room, and was told of none.
        if others || self.waiting.load(Ordering::SeqCst) > 0 {
            self.tend();
        }
    }

    /// A connection with a stream held for the request; or the request waits for one. `ticket` is its place in the queue, which
    /// it keeps if it has to come back.
    pub(super) fn poll_ready(
        &self,
        ticket: &mut Option<Ticket>,
        cx: &Context<'_>,
    ) -> Poll<Result<Http2Connection<B>, Arc<Failed>>> {
        let mut inner = self.lock();
        if let Some(outcome) = ticket.and_then(|ticket| inner.outcomes.remove(&ticket)) {
            return Poll::Ready(outcome);
        }
        let first = inner.queue.first_key_value().map(|(first, _)| *first);
        let is_next = match (first, *ticket) {
            (Some(first), Some(ticket)) => ticket <= first,
            (Some(_), None) => false,
            (None, _) => true,
        };
        if is_next {
            if let Some(connection) = inner.pick() {
                if let Some(ticket) = *ticket {
                    inner.queue.remove(&ticket);
                }
                let ends = connection.handle().nears_its_end().0;
                drop(inner);
                if ends {
                    self.tend();
                }
                return Poll::Ready(Ok(connection));
            }
        }
        let ticket = match *ticket {
            Some(ticket) => ticket,
            None => {
                inner.next_ticket += 1;
                *ticket.insert(inner.next_ticket)
            }
        };
        inner.queue.insert(ticket, cx.waker().clone());
        self.waiting.store(inner.queue.len(), Ordering::SeqCst);
        drop(inner);
        self.tend();
        match self.lock().outcomes.remove(&ticket) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }

    /// Something may have changed at a connection.
    fn look_again(&self, news: News) {
        // Whoever begins to wait says so first and looks for room second; a connection does it the other way round.
        if news == News::State || self.waiting.load(Ordering::SeqCst) > 0 {
            self.tend();
        }
    }

    /// Does whatever is due: lets go of what is not to be used any more, gives connections to those who wait, makes others.
    fn tend(&self) {
        let (inner, todo) = self.turn(Instant::now());
        drop(inner);
        self.carry_out(todo);
        // Its next deadline may be another.
        self.keeper.notify_one();
    }

    /// Plans whatever is due.
    fn turn(&self, now: Instant) -> (MutexGuard<'_, Members<B>>, Todo<B>) {
        let mut todo = Todo::default();
        let mut inner = self.lock();
        inner.sweep(now, &self.config, &mut todo);
        inner.grant(&mut todo);
        inner.plan(now, &self.config, &mut todo);
        self.waiting.store(inner.queue.len(), Ordering::SeqCst);
        (inner, todo)
    }

    fn carry_out(&self, mut todo: Todo<B>) {
        todo.wakers.drain(..).for_each(Waker::wake);
        todo.drained.iter().for_each(health::Connection::drain);
        drop(todo.dropped);
        for _ in 0..todo.connects {
            let attempt = Attempt { site: Weak::clone(&self.this), over: false };
            let connecting = (self.connect)();
            // A task of its own: no caller who leaves fails it for the others.
            self.runtime.spawn(attempt.run(connecting));
        }
    }

    /// A connect is over.
    fn connected(&self, made: Result<Http2Connection<B>, Error>) {
        let now = Instant::now();
        let mut todo = Todo::default();
        let mut inner = self.lock();
        match made {
            Ok(connection) => {
                let site = Weak::clone(&self.this);
                connection.watch(Box::new(move |news| {
                    if let Some(site) = site.upgrade() {
                        site.look_again(news);
                    }
                }));
                inner.joined(connection, now, &mut todo);
            }
            Err(error) => inner.not_joined(error, now, &self.config, &mut todo),
        }
        drop(inner);
        self.carry_out(todo);
        self.tend();
    }

    /// The keeper's turn: does what is due, and says when to come again; `None` if nothing is left of the origin.
    pub(super) fn keep(&self) -> Option<Instant> {
        let now = Instant::now();
        let (inner, todo) = self.turn(now);
        let next = if inner.is_forgotten(now, &self.config) { None } else { Some(inner.next_turn(now, &self.config)) };
        drop(inner);
        self.carry_out(todo);
        next
    }

    /// Whether nothing is left of the origin.
    pub(super) fn is_forgotten(&self) -> bool {
        self.lock().is_forgotten(Instant::now(), &self.config)
    }
}

impl<B> Drop for Site<B> {
    fn drop(&mut self) {
        self.keeper.notify_one();
    }
}

/// A connect under way. Its end is told, however it ends.
struct Attempt<B: 'static> {
    site: Weak<Site<B>>,
    over: bool,
}

impl<B: 'static> Attempt<B> {
    async fn run(mut self, connecting: BoxFuture<'static, Result<Http2Connection<B>, Error>>) {
        let made = connecting.await;
        self.over = true;
        if let Some(site) = self.site.upgrade() {
            site.connected(made);
        }
    }
}

impl<B: 'static> Drop for Attempt<B> {
    fn drop(&mut self) {
        if let Some(site) = self.site.upgrade().filter(|_| !self.over) {
            site.connected(Err(Error::new(Verdict::not_connected("the connect's task was dropped"))));
        }
    }
}
