//! One origin's connections, and who waits for them.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle as Runtime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::builder::Config;
use crate::connect::gate::News;
use crate::connect::{Error, Http2Connection};
use crate::fate::{Cause, Failure, Fate, Verdict};
use crate::health::{self, State};
use crate::jitter;

/// How long one that drains counts against the maximum.
const LINGER: Duration = Duration::from_secs(1);

/// So many connections in a row that were closed before they had a request fail those who wait.
const USELESS: u32 = 3;

/// Makes a connection to the origin.
pub(super) type Connect<B> = Box<dyn Fn() -> BoxFuture<'static, Result<Http2Connection<B>, Error>> + Send + Sync>;

pub(super) type Ticket = u64;

/// See the [module](self).
pub(super) struct Site<B> {
    inner: Mutex<Inner<B>>,
    connect: Connect<B>,
    config: Arc<Config>,
    runtime: Runtime,
    /// How many wait: asked by connections before they take the lock.
    waiting: AtomicUsize,
    /// Wakes the task that looks after the origin.
    keeper: Arc<Notify>,
    this: Weak<Self>,
}

struct Inner<B> {
    members: Vec<Member<B>>,
    leaving: Vec<Leaving>,
    connecting: usize,
    /// The peer's limit, as it was last.
    limit: Option<usize>,
    queue: BTreeMap<Ticket, Waker>,
    /// What came of those who waited and do not know it yet.
    outcomes: HashMap<Ticket, Outcome<B>>,
    next_ticket: Ticket,
    picks: u64,
    /// Connects in a row that came to nothing.
    failures: u32,
    not_before: Option<Instant>,
    /// Requests under way or waiting.
    users: usize,
    last_used: Instant,
}

/// A connection that takes requests.
struct Member<B> {
    connection: Http2Connection<B>,
    last_pick: u64,
    last_used: Instant,
    /// Another is being made in its place.
    being_replaced: bool,
}

/// One that takes none any more, and finishes what is open.
struct Leaving {
    connection: health::Connection,
    since: Instant,
}

type Outcome<B> = Result<Http2Connection<B>, Arc<Failed>>;

/// Why those who waited for a connection got none.
pub(super) struct Failed {
    failure: Failure,
    source: Option<Error>,
}

impl Failed {
    pub(super) fn verdict(self: Arc<Self>) -> Verdict {
        let verdict = Verdict::new(self.failure, "no connection could be made");
        if self.source.is_some() { verdict.because(Shared(self)) } else { verdict }
    }
}

/// An error that several callers get.
struct Shared(Arc<Failed>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connect that the request waited for failed")
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.source, f)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// What is to be done once the lock is released.
struct Todo<B> {
    wakers: Vec<Waker>,
    dropped: Vec<Http2Connection<B>>,
    drained: Vec<health::Connection>,
    connects: usize,
}

impl<B> Default for Todo<B> {
    fn default() -> Self {
        Self { wakers: Vec::new(), dropped: Vec::new(), drained: Vec::new(), connects: 0 }
    }
}

impl<B: 'static> Site<B> {
    pub(super) fn new(connect: Connect<B>, config: Arc<Config>, runtime: Runtime, keeper: Arc<Notify>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            inner: Mutex::new(Inner {
                members: Vec::new(),
                leaving: Vec::new(),
                connecting: 0,
                limit: None,
                queue: BTreeMap::new(),
                outcomes: HashMap::new(),
                next_ticket: 0,
                picks: 0,
                failures: 0,
                not_before: None,
                users: 0,
                last_used: Instant::now(),
            }),
            connect,
            config,
            runtime,
            waiting: AtomicUsize::new(0),
            keeper,
            this: Weak::clone(this),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner<B>> {
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
        let now = Instant::now();
        let mut todo = Todo::default();
        {
            let mut inner = self.lock();
            inner.sweep(now, &self.config, &mut todo);
            inner.grant(&mut todo);
            inner.plan(now, &self.config, &mut todo);
            self.waiting.store(inner.queue.len(), Ordering::SeqCst);
        }
        self.carry_out(todo);
        // Its next deadline may be another.
        self.keeper.notify_one();
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
        inner.connecting -= 1;
        match made {
            Ok(connection) => {
                let site = Weak::clone(&self.this);
                connection.watch(Box::new(move |news| {
                    if let Some(site) = site.upgrade() {
                        site.look_again(news);
                    }
                }));
                let mut new = Member { connection, last_pick: inner.picks, last_used: now, being_replaced: false };
                // Now that it is there, the one that it is made for may go.
                if let Some(at) = inner.members.iter().position(|member| member.being_replaced) {
                    let member = inner.members.remove(at);
                    // Or connections that nobody uses would replace each other for ever.
                    new.last_used = member.last_used;
                    todo.drained.push(member.connection.handle().clone());
                    inner.let_go(member, now, &mut todo);
                }
                inner.members.push(new);
            }
            Err(error) => {
                if let Some(member) = inner.members.iter_mut().find(|member| member.being_replaced) {
                    member.being_replaced = false;
                }
                inner.failed(now, &self.config);
                if inner.is_hopeless() {
                    let failed = Failed { failure: error.failure(), source: Some(error) };
                    inner.fail(&Arc::new(failed), &mut todo);
                }
            }
        }
        drop(inner);
        self.carry_out(todo);
        self.tend();
    }

    /// The keeper's turn: does what is due, and says when to come again; `None` if nothing is left of the origin.
    pub(super) fn keep(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut todo = Todo::default();
        let next = {
            let mut inner = self.lock();
            inner.sweep(now, &self.config, &mut todo);
            inner.grant(&mut todo);
            inner.plan(now, &self.config, &mut todo);
            self.waiting.store(inner.queue.len(), Ordering::SeqCst);
            if inner.is_forgotten(now, &self.config) { None } else { Some(inner.next_turn(now, &self.config)) }
        };
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

impl<B: 'static> Inner<B> {
    /// The least loaded connection that has a stream free, with the stream held; of several, the one whose turn was longest
    /// ago.
    fn pick(&mut self) -> Option<Http2Connection<B>> {
        let mut rest: Vec<usize> = (0..self.members.len()).collect();
        loop {
            let least = rest.iter().enumerate().min_by_key(|(_, member)| {
                let member = &self.members[**member];
                (member.connection.in_flight(), member.last_pick)
            });
            let at = rest.swap_remove(least?.0);
            let member = &mut self.members[at];
            let mut connection = member.connection.clone();
            if connection.try_ready() {
                self.picks += 1;
                member.last_pick = self.picks;
                member.last_used = Instant::now();
                return Some(connection);
            }
        }
    }

    /// Lets go of connections that are not to be used any more, or have not been for long.
    fn sweep(&mut self, now: Instant, config: &Config, todo: &mut Todo<B>) {
        let in_use = self.users > 0 || now < self.last_used + config.idle_timeout;
        let least = if in_use { config.min_connections } else { 0 };
        let mut at = 0;
        while at < self.members.len() {
            let count = self.members.len();
            let wanted = !self.queue.is_empty();
            let member = &mut self.members[at];
            let in_flight = member.connection.in_flight() > 0;
            if in_flight {
                member.last_used = now;
            }
            let wire = member.connection.handle().wire();
            if wire.greeted {
                self.limit = Some(wire.limit.map_or(usize::MAX, |limit| limit as usize));
            }
            let idle = !in_flight && !wanted && now >= member.last_used + config.idle_timeout && count > least;
            if wire.state.admits() && !idle {
                if wire.begun > 0 {
                    self.failures = 0;
                }
                at += 1;
                continue;
            }
            let useless = !wire.state.admits() && wire.begun == 0;
            let member = self.members.remove(at);
            self.let_go(member, now, todo);
            if useless {
                self.failed(now, config);
                if self.failures >= USELESS && self.is_hopeless() {
                    let failure = Failure::new(Fate::NotSent, Cause::Connect);
                    self.fail(&Arc::new(Failed { failure, source: None }), todo);
                }
            }
        }
        self.leaving.retain(|leaving| !matches!(leaving.connection.state(), State::Closed(_)));
    }

    /// Uses a connection no more. It closes when nothing is open on it.
    fn let_go(&mut self, member: Member<B>, now: Instant, todo: &mut Todo<B>) {
        self.leaving.push(Leaving { connection: member.connection.handle().clone(), since: now });
        todo.dropped.push(member.connection);
    }

    /// Gives connections to those who wait, in their order.
    fn grant(&mut self, todo: &mut Todo<B>) {
        while let Some(first) = self.queue.first_entry() {
            let ticket = *first.key();
            let Some(connection) = self.pick() else { return };
            self.outcomes.insert(ticket, Ok(connection));
            todo.wakers.extend(self.queue.remove(&ticket));
        }
    }

    /// Plans connects: for those who wait, for the minimum, and in place of what will soon be too old.
    fn plan(&mut self, now: Instant, config: &Config, todo: &mut Todo<B>) {
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return;
        }
        let lingering = self.leaving.iter().filter(|leaving| now < leaving.since + LINGER).count();
        let live = self.members.len() + self.connecting + lingering;
        let most =
            config.max_connections.saturating_sub(live).min(config.max_connecting.saturating_sub(self.connecting));
        let mut connects = self.wanted_by_load().max(self.wanted_by_minimum(now, config)).min(most);
        for member in &mut self.members {
            if connects < most && !member.being_replaced && member.connection.handle().nears_its_end().0 {
                member.being_replaced = true;
                connects += 1;
            }
        }
        self.connecting += connects;
        todo.connects += connects;
    }

    fn wanted_by_load(&self) -> usize {
        let waiting = self.queue.len();
        if waiting == 0 || (self.limit == Some(0) && !self.members.is_empty()) {
            // A peer that allows nothing allows nothing on another connection either.
            return 0;
        }
        let each = self.limit.unwrap_or(usize::MAX).max(1);
        // Those whose limit is not known yet take their share of who waits.
        let new = self.members.iter().filter(|member| !member.connection.handle().wire().greeted).count();
        waiting.div_ceil(each).saturating_sub(new + self.connecting)
    }

    fn wanted_by_minimum(&self, now: Instant, config: &Config) -> usize {
        let in_use = self.users > 0 || now < self.last_used + config.idle_timeout;
        let least = if in_use { config.min_connections } else { 0 };
        least.saturating_sub(self.members.len() + self.connecting)
    }

    /// A connect came to nothing.
    fn failed(&mut self, now: Instant, config: &Config) {
        let (first, most) = config.backoff;
        let wait = first.saturating_mul(1 << self.failures.min(20)).min(most);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.checked_add(wait.mul_f64(0.5 + jitter::random() / 2.0));
    }

    /// Whether there is nothing to wait for just now.
    fn is_hopeless(&self) -> bool {
        self.connecting == 0 && !self.members.iter().any(|member| member.connection.state().admits())
    }

    fn fail(&mut self, failed: &Arc<Failed>, todo: &mut Todo<B>) {
        for (ticket, waker) in std::mem::take(&mut self.queue) {
            self.outcomes.insert(ticket, Err(Arc::clone(failed)));
            todo.wakers.push(waker);
        }
    }

    fn is_forgotten(&self, now: Instant, config: &Config) -> bool {
        let unused = self.users == 0 && now >= self.last_used + config.idle_timeout;
        unused && self.members.is_empty() && self.connecting == 0
    }

    /// When something will be due if nothing happens before.
    fn next_turn(&self, now: Instant, config: &Config) -> Instant {
        let of_members = self.members.iter().flat_map(|member| {
            let busy = member.connection.in_flight() > 0;
            let idle = if busy { now } else { member.last_used } + config.idle_timeout;
            let replace = member.connection.handle().nears_its_end().1;
            // What was due and could not be done is looked at with the next change.
            [idle, replace.unwrap_or(idle)].into_iter().filter(|at| *at > now).map(Some)
        });
        let waiting = !self.queue.is_empty();
        let backoff = self.not_before.filter(|at| waiting && *at > now);
        let lingering = self.leaving.iter().map(|leaving| Some(leaving.since + LINGER));
        let lingering = lingering.filter(|at| waiting && at.is_some_and(|at| at > now));
        let unused = if self.users == 0 { self.last_used } else { now } + config.idle_timeout;
        let next = of_members.chain(lingering).chain([backoff]).flatten().min().unwrap_or(unused);
        next.max(now + Duration::from_millis(1))
    }
}
