//! One origin's connections and who waits for them, under the site's lock. No IO and no task: what is to be done once the lock
//! is released is put into a [`Todo`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::builder::Config;
use super::failed::Failed;
use crate::connect::{Error, Http2Connection};
use crate::fate::{Cause, Failure, Fate};
use crate::health::{self, State};
use crate::jitter;

/// How long one that drains counts against the maximum.
const LINGER: Duration = Duration::from_secs(1);

/// So many connections in a row that were closed before they had a request fail those who wait.
const USELESS: u32 = 3;

pub(super) type Ticket = u64;

/// See the [module](self).
pub(super) struct Members<B> {
    members: Vec<Member<B>>,
    leaving: Vec<Leaving>,
    connecting: usize,
    /// The peer's limit, as it was last.
    limit: Option<usize>,
    pub(super) queue: BTreeMap<Ticket, Waker>,
    /// What came of those who waited and do not know it yet.
    pub(super) outcomes: HashMap<Ticket, Outcome<B>>,
    pub(super) next_ticket: Ticket,
    picks: u64,
    /// Connects in a row that came to nothing.
    failures: u32,
    not_before: Option<Instant>,
    /// Requests under way or waiting.
    pub(super) users: usize,
    pub(super) last_used: Instant,
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

/// What came of a wait.
type Outcome<B> = Result<Http2Connection<B>, Arc<Failed>>;

/// What is to be done once the lock is released.
pub(super) struct Todo<B> {
    pub(super) wakers: Vec<Waker>,
    pub(super) dropped: Vec<Http2Connection<B>>,
    pub(super) drained: Vec<health::Connection>,
    pub(super) connects: usize,
}

impl<B> Default for Todo<B> {
    fn default() -> Self {
        Self { wakers: Vec::new(), dropped: Vec::new(), drained: Vec::new(), connects: 0 }
    }
}

impl<B: 'static> Members<B> {
    pub(super) fn new() -> Self {
        Self {
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
        }
    }

    /// A connection was made.
    pub(super) fn joined(&mut self, connection: Http2Connection<B>, now: Instant, todo: &mut Todo<B>) {
        self.connecting -= 1;
        let mut new = Member { connection, last_pick: self.picks, last_used: now, being_replaced: false };
        // Now that it is there, the one that it is made for may go.
        if let Some(at) = self.members.iter().position(|member| member.being_replaced) {
            let member = self.members.remove(at);
            // Or connections that nobody uses would replace each other for ever.
            new.last_used = member.last_used;
            todo.drained.push(member.connection.handle().clone());
            self.let_go(member, now, todo);
        }
        self.members.push(new);
    }

    /// None could be made.
    pub(super) fn not_joined(&mut self, error: Error, now: Instant, config: &Config, todo: &mut Todo<B>) {
        self.connecting -= 1;
        if let Some(member) = self.members.iter_mut().find(|member| member.being_replaced) {
            member.being_replaced = false;
        }
        self.failed(now, config);
        if self.is_hopeless() {
            let failed = Failed { failure: error.failure(), source: Some(error) };
            self.fail(&Arc::new(failed), todo);
        }
    }

    /// The least loaded connection that has a stream free, with the stream held; of several, the one whose turn was longest
    /// ago.
    pub(super) fn pick(&mut self) -> Option<Http2Connection<B>> {
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
    pub(super) fn sweep(&mut self, now: Instant, config: &Config, todo: &mut Todo<B>) {
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
    pub(super) fn grant(&mut self, todo: &mut Todo<B>) {
        while let Some(first) = self.queue.first_entry() {
            let ticket = *first.key();
            let Some(connection) = self.pick() else { return };
            self.outcomes.insert(ticket, Ok(connection));
            todo.wakers.extend(self.queue.remove(&ticket));
        }
    }

    /// Plans connects: for those who wait, for the minimum, and in place of what will soon be too old.
    pub(super) fn plan(&mut self, now: Instant, config: &Config, todo: &mut Todo<B>) {
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

    pub(super) fn is_forgotten(&self, now: Instant, config: &Config) -> bool {
        let unused = self.users == 0 && now >= self.last_used + config.idle_timeout;
        unused && self.members.is_empty() && self.connecting == 0
    }

    /// When something will be due if nothing happens before.
    pub(super) fn next_turn(&self, now: Instant, config: &Config) -> Instant {
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
