//! The stream gate of one origin: requests wait here, first come first served, while the peer's stream limit is used up.
//!
//! Behind it they would wait in hyper's own queue, where a connection that ends fails them without a proof (hyper's
//! `DispatchGone`). Here nothing of them has been sent. The request that fills the limit waits in that queue too, until its
//! HEADERS have gone out (h2 0.4.20, `proto/streams/counts.rs`, `next_send_stream_will_reach_capacity`): so the last
//! stream is left free, but for a peer that allows one only.
//!
//! No clock and no IO: the socket half keeps a [`View`] of its connection up to date, the request half asks.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::ConnectionId;
use crate::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, redial_loom))]
mod models;

/// As many streams as a client opens before it knows the peer's limit: RFC 9113, section 6.5.2, asks a peer for no less,
/// and h2 opens no more.
pub(super) const BEFORE_SETTINGS: u32 = 100;

/// How one connection stands, as far as the gate cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// What it speaks, or what it allows, is not known yet.
    New,
    /// HTTP/2, and the peer's SETTINGS have come.
    Open,
    /// Not HTTP/2: no limit that could be known.
    Ungated,
    /// It is about to be replaced, or may be dead, and nothing else keeps requests from it.
    Held,
    /// It gets no new request: it drains or has ended.
    Gone,
}

/// What the socket half publishes.
#[derive(Debug)]
pub(super) struct View {
    standing: AtomicU8,
    /// [`u64::MAX`] where there is none.
    limit: AtomicU64,
    open: AtomicU32,
    unanswered: AtomicU32,
}

impl View {
    pub(super) fn new() -> Self {
        Self {
            standing: AtomicU8::new(0),
            limit: AtomicU64::new(u64::MAX),
            open: AtomicU32::new(0),
            unanswered: AtomicU32::new(0),
        }
    }

    /// Whether anything changed that could let somebody in. What is stored here is seen by a [`Gate`] that is asked later.
    pub(super) fn publish(&self, standing: Standing, limit: Option<u32>, open: usize) -> bool {
        let standing = standing as u8;
        let limit = limit.map_or(u64::MAX, u64::from);
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        // How it stands comes last: a connection whose SETTINGS have come is never seen without their limit.
        let before = (
            self.limit.swap(limit, Ordering::SeqCst),
            self.open.swap(open, Ordering::SeqCst),
            self.standing.swap(standing, Ordering::SeqCst),
        );
        before.0 != limit || before.1 > open || before.2 != standing
    }

    fn standing(&self) -> Standing {
        match self.standing.load(Ordering::SeqCst) {
            0 => Standing::New,
            1 => Standing::Open,
            2 => Standing::Ungated,
            3 => Standing::Held,
            _ => Standing::Gone,
        }
    }

    pub(super) fn admits(&self) -> bool {
        !matches!(self.standing(), Standing::Gone | Standing::Held)
    }

    fn limit(&self) -> Option<u32> {
        u32::try_from(self.limit.load(Ordering::SeqCst)).ok()
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst) as usize
    }

    /// How many of its streams have no answer yet.
    pub(super) fn publish_unanswered(&self, unanswered: usize) {
        self.unanswered.store(u32::try_from(unanswered).unwrap_or(u32::MAX), Ordering::SeqCst);
    }

    fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst) as usize
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Gate {
    inner: Mutex<Inner>,
    /// How many wait: asked by the socket half before it takes the lock.
    waiting: AtomicU32,
}

#[derive(Debug)]
struct Inner {
    entries: Vec<Entry>,
    /// Permits that are out.
    outstanding: usize,
    /// Of these, those whose response has not begun.
    unanswered: usize,
    queue: BTreeMap<u64, Waker>,
    next_ticket: u64,
    /// Tickets that were let in and do not know it yet. They count as outstanding.
    granted: HashSet<u64>,
    knowledge: Knowledge,
    before_settings: u32,
}

#[derive(Debug)]
struct Entry {
    connection: ConnectionId,
    view: Arc<View>,
    /// Permits of requests that this connection has.
    assigned: usize,
}

/// What is known of the origin's limit when it comes to the next connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowledge {
    /// Nothing: one request finds out for all.
    Nothing,
    /// It was tried, and did not tell.
    Tried,
    /// The limit that its connections had last.
    Limit(Option<u32>),
    /// Nobody watches its connections.
    Unmonitored,
}

/// How a request passes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// It counts against the limit until its permit is given back.
    Counted,
    /// There is no limit here.
    Free,
}

/// A place in the queue. To be given back with [`Gate::leave`] if it was not let in.
pub(super) type Ticket = u64;

impl Gate {
    /// `before_settings` requests at once find out what an origin allows of which nothing is known.
    pub(super) fn new(before_settings: u32) -> Self {
        Self {
            inner: Mutex::new(Inner {
                entries: Vec::new(),
                outstanding: 0,
                unanswered: 0,
                queue: BTreeMap::new(),
                next_ticket: 0,
                granted: HashSet::new(),
                knowledge: Knowledge::Nothing,
                before_settings: before_settings.clamp(1, BEFORE_SETTINGS),
            }),
            waiting: AtomicU32::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets a request in at once, if there is room and nobody waits; otherwise gives it a place in the queue.
    pub(super) fn enter(&self, waker: &Waker) -> Result<Pass, Ticket> {
        let mut inner = self.lock();
        if let Some(pass) = inner.pass() {
            return Ok(pass);
        }
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        inner.queue.insert(ticket, waker.clone());
        // First the number, then a second look: the socket half publishes first and looks at the number second.
        self.waiting.store(inner.queue.len() as u32, Ordering::SeqCst);
        let woken = inner.admit(&self.waiting);
        let granted = inner.granted.remove(&ticket);
        drop(inner);
        wake(woken);
        if granted { Ok(Pass::Counted) } else { Err(ticket) }
    }

    /// Lets a request in at once, or not at all.
    pub(super) fn try_enter(&self) -> Option<Pass> {
        self.lock().pass()
    }

    /// Whether it is the ticket's turn.
    pub(super) fn poll(&self, ticket: Ticket, cx: &Context<'_>) -> Poll<Pass> {
        let mut inner = self.lock();
        if inner.granted.remove(&ticket) {
            return Poll::Ready(Pass::Counted);
        }
        match inner.queue.get_mut(&ticket) {
            Some(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            // Nobody waits who is not in the queue.
            None => Poll::Ready(Pass::Free),
        }
    }

    /// Gives a place in the queue up, and the permit with it if it was the ticket's turn meanwhile.
    pub(super) fn leave(&self, ticket: Ticket) {
        let mut inner = self.lock();
        let waited = inner.queue.remove(&ticket);
        self.waiting.store(inner.queue.len() as u32, Ordering::SeqCst);
        if inner.granted.remove(&ticket) {
            inner.outstanding -= 1;
            inner.unanswered -= 1;
        }
        let woken = inner.admit(&self.waiting);
        drop(inner);
        drop(waited);
        wake(woken);
    }

    /// The request turned out to be this connection's, and not, or no longer, `before`'s.
    pub(super) fn assign(&self, connection: ConnectionId, before: Option<ConnectionId>) {
        let mut inner = self.lock();
        if let Some(entry) = before.and_then(|before| inner.entry(before)) {
            entry.assigned = entry.assigned.saturating_sub(1);
        }
        if let Some(entry) = inner.entry(connection) {
            entry.assigned += 1;
        }
        // One that got onto a connection as it began to drain takes no place on the next.
        let woken = inner.admit(&self.waiting);
        drop(inner);
        wake(woken);
    }

    /// The response to a request that was let in has begun.
    pub(super) fn answered(&self) {
        let mut inner = self.lock();
        inner.unanswered = inner.unanswered.saturating_sub(1);
    }

    /// A permit comes back; `answered` if [`Gate::answered`] was told of it.
    pub(super) fn release(&self, connection: Option<ConnectionId>, answered: bool) {
        let mut inner = self.lock();
        inner.outstanding = inner.outstanding.saturating_sub(1);
        if !answered {
            inner.unanswered = inner.unanswered.saturating_sub(1);
        }
        if let Some(entry) = connection.and_then(|connection| inner.entry(connection)) {
            entry.assigned = entry.assigned.saturating_sub(1);
        }
        if inner.knowledge == Knowledge::Nothing {
            inner.knowledge = Knowledge::Tried;
        }
        let woken = inner.admit(&self.waiting);
        drop(inner);
        wake(woken);
    }

    /// A response came, and nothing tells which connection it came on: none of the origin's is watched.
    pub(super) fn unmonitored(&self) {
        let mut inner = self.lock();
        if inner.entries.is_empty() && matches!(inner.knowledge, Knowledge::Nothing | Knowledge::Tried) {
            inner.knowledge = Knowledge::Unmonitored;
        }
        let woken = inner.admit(&self.waiting);
        drop(inner);
        wake(woken);
    }

    /// Requests that were let in, whose response has not begun, and that have no stream on another connection than this.
    pub(super) fn in_call(&self, connection: ConnectionId) -> usize {
        let inner = self.lock();
        let others = inner.entries.iter().filter(|entry| entry.connection != connection);
        inner.unanswered.saturating_sub(others.map(|entry| entry.view.unanswered()).sum())
    }

    /// Permits that are out, and requests that wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.outstanding - inner.granted.len(), inner.queue.len() + inner.granted.len())
    }

    pub(super) fn connected(&self, connection: ConnectionId, view: Arc<View>) {
        let mut inner = self.lock();
        if inner.knowledge == Knowledge::Unmonitored {
            inner.knowledge = Knowledge::Tried;
        }
        inner.entries.push(Entry { connection, view, assigned: 0 });
    }

    pub(super) fn disconnected(&self, connection: ConnectionId) {
        let mut inner = self.lock();
        inner.entries.retain(|entry| entry.connection != connection);
        let woken = inner.admit(&self.waiting);
        drop(inner);
        wake(woken);
    }

    /// The peer has said what it allows.
    pub(super) fn learned(&self, limit: Option<u32>) {
        self.lock().knowledge = Knowledge::Limit(limit);
        self.look_again();
    }

    /// A [`View`] has changed.
    pub(super) fn look_again(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let woken = self.lock().admit(&self.waiting);
            wake(woken);
        }
    }
}

impl Inner {
    fn entry(&mut self, connection: ConnectionId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.connection == connection)
    }

    fn pass(&mut self) -> Option<Pass> {
        match self.room() {
            Room::Boundless => Some(Pass::Free),
            Room::For(n) if n > 0 && self.queue.is_empty() => {
                self.count_in();
                Some(Pass::Counted)
            }
            Room::For(_) => None,
        }
    }

    fn count_in(&mut self) {
        self.outstanding += 1;
        self.unanswered += 1;
    }

    /// Lets in whom there is room for.
    fn admit(&mut self, waiting: &AtomicU32) -> Vec<Waker> {
        let mut woken = Vec::new();
        while !self.queue.is_empty() {
            if self.room() == Room::For(0) {
                break;
            }
            let Some((ticket, waker)) = self.queue.pop_first() else { break };
            self.granted.insert(ticket);
            self.count_in();
            woken.push(waker);
        }
        waiting.store(self.queue.len() as u32, Ordering::SeqCst);
        woken
    }

    fn room(&self) -> Room {
        let (mut limit, mut open, mut elsewhere) = (0_usize, 0_usize, 0_usize);
        let mut new = false;
        for entry in &self.entries {
            match entry.view.standing() {
                Standing::Held => return Room::For(0),
                Standing::Ungated => return Room::Boundless,
                // Those that have no stream there are about to come back, and their client may send them to the next one.
                Standing::Gone => elsewhere += entry.assigned.min(entry.view.open()),
                Standing::New => {
                    new = true;
                    open += entry.view.open();
                }
                Standing::Open => {
                    limit = limit.saturating_add(entry.view.limit().map_or(usize::MAX, usable));
                    open += entry.view.open();
                }
            }
        }
        if new || self.entries.iter().all(|entry| entry.view.standing() == Standing::Gone) {
            match self.first_limit() {
                Some(first) => limit = limit.saturating_add(usable(first)),
                None => return Room::Boundless,
            }
        }
        // What the wire shows counts too: a stream that was given up is open until its RST_STREAM has gone out, and other
        // users of the connection have no permits.
        let used = self.outstanding.saturating_sub(elsewhere).max(open);
        Room::For(limit.saturating_sub(used))
    }

    /// How many requests may go to a connection whose limit is not known yet; `None` if nobody will ever know.
    fn first_limit(&self) -> Option<u32> {
        match self.knowledge {
            Knowledge::Nothing => Some(self.before_settings),
            Knowledge::Tried | Knowledge::Limit(None) => Some(BEFORE_SETTINGS),
            // A limit of 0 is no reason never to ask again.
            Knowledge::Limit(Some(limit)) => Some(limit.clamp(1, BEFORE_SETTINGS)),
            Knowledge::Unmonitored => None,
        }
    }
}

/// How many of the streams that the peer allows are used: all but the last.
fn usable(limit: u32) -> usize {
    if limit > 1 { limit as usize - 1 } else { limit as usize }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    For(usize),
    Boundless,
}

fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    fn gate() -> Gate {
        Gate::new(1)
    }

    /// A connection that `limit` requests may use.
    fn connect(gate: &Gate, id: u64, limit: impl Into<Option<u32>>) -> Arc<View> {
        let view = Arc::new(View::new());
        gate.connected(ConnectionId(id), Arc::clone(&view));
        let limit = limit.into().map(allowed);
        view.publish(Standing::Open, limit, 0);
        gate.learned(limit);
        view
    }

    /// The limit that lets so many in.
    fn allowed(usable: u32) -> u32 {
        if usable > 1 { usable + 1 } else { usable }
    }

    fn enter(gate: &Gate) -> Result<Pass, Ticket> {
        gate.enter(&noop_waker())
    }

    fn is_turn(gate: &Gate, ticket: Ticket) -> bool {
        gate.poll(ticket, &Context::from_waker(&noop_waker())).is_ready()
    }

    /// Q1: never more than the limit, first come first served.
    #[test]
    fn requests_are_let_in_up_to_the_limit_and_in_order() {
        let gate = gate();
        connect(&gate, 1, 2);
        assert!(enter(&gate).is_ok() && enter(&gate).is_ok());
        let tickets: Vec<_> = (0..3).map(|_| enter(&gate).unwrap_err()).collect();
        assert!(!tickets.iter().any(|ticket| is_turn(&gate, *ticket)));
        gate.release(None, false);
        assert_eq!(gate.try_enter(), None, "nobody overtakes");
        assert!(is_turn(&gate, tickets[0]) && !is_turn(&gate, tickets[1]));
        gate.release(None, false);
        assert!(is_turn(&gate, tickets[1]) && !is_turn(&gate, tickets[2]));
        assert_eq!(gate.load(), (2, 1));
    }

    /// Q6: whoever leaves takes nothing along, whether it was its turn or not.
    #[test]
    fn leaving_gives_everything_back() {
        let gate = gate();
        connect(&gate, 1, 1);
        assert!(enter(&gate).is_ok());
        let [first, second, third] = [(); 3].map(|()| enter(&gate).unwrap_err());
        gate.leave(second);
        gate.release(None, false);
        gate.leave(first);
        assert!(is_turn(&gate, third));
        gate.release(None, true);
        assert_eq!(gate.load(), (0, 0));
        assert!(enter(&gate).is_ok());
    }

    /// Q4, Q11: one request finds out what an origin allows, and all follow when it is known.
    #[test]
    fn the_first_request_finds_out() {
        let gate = gate();
        assert!(enter(&gate).is_ok());
        let tickets: Vec<_> = (0..5).map(|_| enter(&gate).unwrap_err()).collect();
        connect(&gate, 1, 3);
        let let_in = tickets.iter().filter(|ticket| is_turn(&gate, **ticket)).count();
        assert_eq!(let_in, 2);
        gate.disconnected(ConnectionId(1));
        assert!(!is_turn(&gate, tickets[2]), "the next connection is expected to allow as many");
    }

    #[test]
    fn what_the_first_request_could_not_find_out_holds_nobody_back() {
        let gate = gate();
        assert!(enter(&gate).is_ok());
        let ticket = enter(&gate).unwrap_err();
        gate.release(None, false);
        assert!(is_turn(&gate, ticket));
        assert!((0..98).all(|_| enter(&gate).is_ok()));
        assert!(enter(&gate).is_err(), "h2 opens no more");
    }

    #[test]
    fn who_is_not_watched_is_not_limited() {
        let gate = gate();
        assert_eq!(enter(&gate), Ok(Pass::Counted));
        let ticket = enter(&gate).unwrap_err();
        gate.unmonitored();
        assert!(is_turn(&gate, ticket));
        assert_eq!(enter(&gate), Ok(Pass::Free));

        let view = connect(&gate, 1, None);
        view.publish(Standing::Ungated, None, 0);
        assert_eq!(enter(&gate), Ok(Pass::Free));
    }

    /// G6: requests that wait for a connection which drains move to the next.
    #[test]
    fn a_drained_connection_holds_nobody() {
        let gate = gate();
        let view = connect(&gate, 1, 1);
        assert!(enter(&gate).is_ok());
        let ticket = enter(&gate).unwrap_err();
        view.publish(Standing::Gone, Some(1), 1);
        gate.look_again();
        assert!(!is_turn(&gate, ticket), "the first may still turn up on the next connection");
        gate.assign(ConnectionId(1), None);
        assert!(is_turn(&gate, ticket));
        gate.release(Some(ConnectionId(1)), true);
        assert_eq!(gate.load(), (1, 0));
    }

    /// A request that its client moved to the next connection counts there.
    #[test]
    fn a_request_may_move() {
        let gate = gate();
        let view = connect(&gate, 1, 1);
        assert!(enter(&gate).is_ok());
        gate.assign(ConnectionId(1), None);
        view.publish(Standing::Gone, Some(1), 0);
        connect(&gate, 2, 1);
        let ticket = enter(&gate).expect_err("it has no stream on the first");
        gate.assign(ConnectionId(2), Some(ConnectionId(1)));
        assert!(!is_turn(&gate, ticket));
        gate.release(Some(ConnectionId(2)), false);
        assert!(is_turn(&gate, ticket));
    }

    /// Q2, Q3: a limit that is lowered counts at once, and one of 0 lets nobody in, without a stir.
    #[test]
    fn a_limit_may_change() {
        let gate = gate();
        let view = connect(&gate, 1, 10);
        assert!((0..5).all(|_| enter(&gate).is_ok()));
        view.publish(Standing::Open, Some(0), 5);
        let ticket = enter(&gate).unwrap_err();
        (0..5).for_each(|_| gate.release(None, false));
        view.publish(Standing::Open, Some(0), 0);
        gate.look_again();
        assert!(!is_turn(&gate, ticket));
        view.publish(Standing::Open, Some(1), 0);
        gate.look_again();
        assert!(is_turn(&gate, ticket));
    }

    /// A stream that was given up is open until the peer has been told.
    #[test]
    fn the_wire_counts_too() {
        let gate = gate();
        let view = connect(&gate, 1, 1);
        assert!(enter(&gate).is_ok());
        view.publish(Standing::Open, Some(1), 1);
        gate.release(None, false);
        let ticket = enter(&gate).unwrap_err();
        assert!(view.publish(Standing::Open, Some(1), 0));
        gate.look_again();
        assert!(is_turn(&gate, ticket));
    }

    #[test]
    fn a_held_connection_lets_nobody_in() {
        let gate = gate();
        let view = connect(&gate, 1, 10);
        view.publish(Standing::Held, Some(10), 0);
        let ticket = enter(&gate).unwrap_err();
        assert_eq!(gate.in_call(ConnectionId(1)), 0);
        view.publish(Standing::Gone, Some(10), 0);
        gate.look_again();
        assert!(is_turn(&gate, ticket));
        assert_eq!(gate.in_call(ConnectionId(1)), 1);
        gate.answered();
        gate.release(None, true);
        assert_eq!((gate.in_call(ConnectionId(1)), gate.load()), (0, (0, 0)));
    }

    /// However requests come, wait, leave and are answered on any number of threads, the limit holds and nothing is left.
    #[test]
    fn the_limit_holds_across_threads() {
        const LIMIT: usize = 7;
        let gate = gate();
        connect(&gate, 1, LIMIT as u32);
        let inside = std::sync::atomic::AtomicUsize::new(0);
        let worker = |seed: usize| {
            for n in 0..2_000 {
                let entered = match enter(&gate) {
                    Ok(_) => true,
                    Err(ticket) if (n + seed) % 3 == 0 => {
                        gate.leave(ticket);
                        false
                    }
                    Err(ticket) => {
                        while !is_turn(&gate, ticket) {
                            std::thread::yield_now();
                        }
                        true
                    }
                };
                if entered {
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < LIMIT);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    gate.release(None, false);
                }
            }
        };
        std::thread::scope(|scope| {
            let worker = &worker;
            (0..8).for_each(|seed| drop(scope.spawn(move || worker(seed))));
        });
        assert_eq!(gate.load(), (0, 0));
    }
}
