//! The streams of one connection: who may open one, who waits for one, and which are being opened.
//!
//! A request waits here, first come first served, while the peer's stream limit is used up, and nothing of it is given to h2
//! before its turn. What counts against the limit is the wire: a stream from its HEADERS to the last frame that ends it, as
//! [`health`](crate::health) sees them go by; and before that, whoever was let in. h2 keeps the limit as well, by a count of its
//! own, so that a peer which lowers it never sees more.
//!
//! `health`'s gate for other people's clients leaves the last stream free, because hyper does not look at its queue while h2
//! has not opened the request that fills the limit. Here each request is given to a handle of h2's own, which knows of no other
//! (h2 0.4.20, `client.rs`, `SendRequest::clone`), so that the limit can be used to the full.
//!
//! No IO of its own and no clock.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;

use crate::health::{State, Wire};
use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, redial_loom))]
mod models;

/// See the [module](self).
pub(super) struct Gate(Mutex<Inner>);

struct Inner {
    /// Where requests are given to h2; `None` once there will be no other.
    sender: Option<SendRequest<Bytes>>,
    state: State,
    limit: usize,
    before_settings: usize,
    greeted: bool,
    /// Open on the wire.
    open: usize,
    /// Let in, and not given to h2 yet.
    reserved: usize,
    /// Given to h2, in the order of their ids, and with no byte on the wire yet; with who wants to know when there is.
    opening: VecDeque<(u32, Option<Waker>)>,
    /// Who waits to be let in.
    queue: BTreeMap<Ticket, Waker>,
    next_ticket: Ticket,
    /// Who was let in and does not know it yet. They count as reserved.
    granted: HashSet<Ticket>,
    /// Who could still send a request.
    handles: usize,
}

/// A place in the queue.
pub(super) type Ticket = u64;

/// Nobody is let in: the connection drains, is silent, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed(pub(super) State);

/// What came of giving a request to h2.
pub(super) type Given = Result<(ResponseFuture, SendStream<Bytes>), NotGiven>;

/// Why a request was not given to h2.
pub(super) enum NotGiven {
    Closed(Closed),
    /// h2 does not take it.
    Refused(h2::Error),
}

/// What may have changed for whoever watches a connection from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It stands otherwise than before.
    State,
    /// It has room.
    Room,
}

/// What the connection's task has to do next.
#[derive(Default)]
pub(super) struct Synced {
    /// To be dropped: h2 ends the connection when nothing is open on it any more.
    pub(super) let_go: Option<SendRequest<Bytes>>,
    /// For whoever watches the connection from outside.
    pub(super) news: Option<News>,
    wakers: Vec<Waker>,
}

impl Synced {
    /// Wakes whoever is concerned. Not under a lock.
    pub(super) fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl Gate {
    /// `before_settings` streams may be opened before the peer has said how many.
    pub(super) fn new(sender: SendRequest<Bytes>, before_settings: u32) -> Self {
        Self::with(Some(sender), before_settings)
    }

    fn with(sender: Option<SendRequest<Bytes>>, before_settings: u32) -> Self {
        let before_settings = before_settings as usize;
        Self(Mutex::new(Inner {
            sender,
            state: State::Open,
            limit: before_settings,
            before_settings,
            greeted: false,
            open: 0,
            reserved: 0,
            opening: VecDeque::new(),
            queue: BTreeMap::new(),
            next_ticket: 0,
            granted: HashSet::new(),
            handles: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody in at once, or gives a place in the queue.
    pub(super) fn enter(&self, waker: &Waker) -> Result<Option<Ticket>, Closed> {
        let mut inner = self.lock();
        inner.check()?;
        if inner.queue.is_empty() && inner.has_room() {
            inner.reserved += 1;
            return Ok(None);
        }
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        inner.queue.insert(ticket, waker.clone());
        Ok(Some(ticket))
    }

    /// Lets somebody in at once, or not at all.
    pub(super) fn try_enter(&self) -> bool {
        let mut inner = self.lock();
        let room = inner.check().is_ok() && inner.queue.is_empty() && inner.has_room();
        if room {
            inner.reserved += 1;
        }
        room
    }

    /// Whether it is the ticket's turn. After an error it has no place any more.
    pub(super) fn poll(&self, ticket: Ticket, cx: &Context<'_>) -> Poll<Result<(), Closed>> {
        let mut inner = self.lock();
        if let Err(closed) = inner.check() {
            inner.forget(ticket);
            return Poll::Ready(Err(closed));
        }
        if inner.granted.remove(&ticket) {
            return Poll::Ready(Ok(()));
        }
        // A silence that has ended put everybody out.
        inner.queue.entry(ticket).or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        let mut woken = Synced::default();
        inner.admit(&mut woken.wakers);
        let granted = inner.granted.remove(&ticket);
        drop(inner);
        woken.wake();
        if granted { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Gives up a place in the queue, and what may have been granted to it meanwhile.
    pub(super) fn leave(&self, ticket: Ticket) {
        let mut inner = self.lock();
        let waker = inner.forget(ticket);
        let mut woken = Synced::default();
        inner.admit(&mut woken.wakers);
        drop(inner);
        drop(waker);
        woken.wake();
    }

    /// Gives back what was let in and did not use it.
    pub(super) fn release(&self) {
        let mut inner = self.lock();
        inner.reserved = inner.reserved.saturating_sub(1);
        let mut woken = Synced::default();
        inner.admit(&mut woken.wakers);
        drop(inner);
        woken.wake();
    }

    /// Whether requests are let in at all.
    pub(super) fn check(&self) -> Result<(), Closed> {
        self.lock().check()
    }

    /// Whether a request would be let in at once.
    pub(super) fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.check().is_ok() && inner.queue.is_empty() && inner.has_room()
    }

    /// Gives the request of somebody who was let in to h2.
    pub(super) fn give(&self, request: Request<()>, end_of_stream: bool) -> Given {
        let mut inner = self.lock();
        inner.reserved = inner.reserved.saturating_sub(1);
        // Under the lock, so that `opening` has the order of the ids.
        let given = match (inner.check(), &inner.sender) {
            (Ok(()), Some(sender)) => sender.clone().send_request(request, end_of_stream).map_err(NotGiven::Refused),
            (Ok(()), None) => Err(NotGiven::Closed(Closed(inner.state))),
            (Err(closed), _) => Err(NotGiven::Closed(closed)),
        };
        let mut woken = Synced::default();
        match &given {
            Ok((response, _)) => inner.opening.push_back((response.stream_id().as_u32(), None)),
            Err(_) => inner.admit(&mut woken.wakers),
        }
        drop(inner);
        woken.wake();
        given
    }

    /// Whether a byte of the stream's HEADERS is on the wire; if not, the task is woken when one is.
    pub(super) fn poll_begun(&self, stream_id: u32, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        let Ok(at) = inner.opening.binary_search_by_key(&stream_id, |(id, _)| *id) else { return Poll::Ready(()) };
        match &mut inner.opening[at].1 {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether the peer has said that it takes extended CONNECT (RFC 8441); `None` as long as it has said nothing.
    pub(super) fn extended_connect(&self) -> Option<bool> {
        let inner = self.lock();
        let enabled = inner.sender.as_ref().is_some_and(SendRequest::is_extended_connect_protocol_enabled);
        inner.greeted.then_some(enabled)
    }

    /// Streams that are open or being opened, and who was let in.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().taken()
    }

    /// How many streams there may be, and how many wait for one.
    pub(super) fn load(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.limit, inner.queue.len() + inner.granted.len())
    }

    /// There is one more who could send a request.
    pub(super) fn add_handle(&self) {
        self.lock().handles += 1;
    }

    /// There is one less. Whether it was the last.
    pub(super) fn remove_handle(&self) -> bool {
        let mut inner = self.lock();
        inner.handles = inner.handles.saturating_sub(1);
        inner.handles == 0
    }

    /// Takes over how the connection stands on the wire.
    pub(super) fn sync(&self, wire: &Wire) -> Synced {
        let mut inner = self.lock();
        let mut synced = Synced::default();
        if inner.state != wire.state {
            synced.news = Some(News::State);
        }
        inner.state = wire.state;
        inner.open = wire.open;
        inner.greeted = wire.greeted;
        inner.limit = match wire.limit {
            Some(limit) if wire.greeted => limit as usize,
            _ if wire.greeted => usize::MAX,
            _ => inner.before_settings,
        };
        while inner.opening.front().is_some_and(|(id, _)| *id <= wire.begun) {
            synced.wakers.extend(inner.opening.pop_front().and_then(|(_, waker)| waker));
        }
        if inner.check().is_ok() {
            inner.admit(&mut synced.wakers);
        } else {
            synced.wakers.extend(std::mem::take(&mut inner.queue).into_values());
        }
        if synced.news.is_none() && inner.has_room() {
            synced.news = Some(News::Room);
        }
        let for_good = matches!(inner.state, State::Draining(_) | State::Closed(_));
        if for_good || inner.handles == 0 {
            synced.let_go = inner.sender.take();
        }
        synced
    }
}

impl Inner {
    fn check(&self) -> Result<(), Closed> {
        if self.state.admits() { Ok(()) } else { Err(Closed(self.state)) }
    }

    fn taken(&self) -> usize {
        self.open + self.reserved + self.opening.len()
    }

    fn has_room(&self) -> bool {
        self.taken() < self.limit
    }

    fn admit(&mut self, woken: &mut Vec<Waker>) {
        while self.check().is_ok() && self.has_room() {
            let Some((ticket, waker)) = self.queue.pop_first() else { return };
            self.granted.insert(ticket);
            self.reserved += 1;
            woken.push(waker);
        }
    }

    fn forget(&mut self, ticket: Ticket) -> Option<Waker> {
        if self.granted.remove(&ticket) {
            self.reserved = self.reserved.saturating_sub(1);
        }
        self.queue.remove(&ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;
    use crate::health::{Drain, Wire};

    fn wire(limit: u32, open: usize) -> Wire {
        Wire { state: State::Open, greeted: true, limit: Some(limit), open, begun: 0 }
    }

    fn gate(limit: u32) -> Gate {
        let gate = Gate::with(None, 1);
        gate.add_handle();
        gate.sync(&wire(limit, 0));
        gate
    }

    fn enter(gate: &Gate) -> Option<Ticket> {
        gate.enter(Waker::noop()).unwrap()
    }

    fn is_turn(gate: &Gate, ticket: Ticket) -> bool {
        gate.poll(ticket, &Context::from_waker(Waker::noop())) == Poll::Ready(Ok(()))
    }

    /// Q1: the limit is used to the full, and first come are first served.
    #[test]
    fn first_come_first_served() {
        let gate = gate(2);
        assert_eq!([enter(&gate), enter(&gate)], [None, None]);
        let tickets = [(); 3].map(|()| enter(&gate).unwrap());
        gate.release();
        assert_eq!(tickets.map(|ticket| is_turn(&gate, ticket)), [true, false, false]);
        assert_eq!((gate.in_flight(), gate.load()), (2, (2, 2)));
    }

    /// Q6: whoever leaves takes nothing along, whether it was its turn or not.
    #[test]
    fn leaving_gives_everything_back() {
        let gate = gate(1);
        assert_eq!(enter(&gate), None);
        let [first, second, third] = [(); 3].map(|()| enter(&gate).unwrap());
        gate.leave(second);
        gate.release();
        gate.leave(first);
        assert!(is_turn(&gate, third));
        gate.release();
        assert_eq!((gate.in_flight(), gate.load()), (0, (1, 0)));
    }

    /// Q2, Q3: a limit that is lowered counts at once, and one of 0 lets nobody in.
    #[test]
    fn a_limit_may_change() {
        let gate = gate(2);
        assert_eq!(enter(&gate), None);
        gate.sync(&wire(0, 0));
        gate.release();
        let ticket = enter(&gate).unwrap();
        assert!(!is_turn(&gate, ticket));
        gate.sync(&wire(1, 0));
        assert!(is_turn(&gate, ticket));
        gate.sync(&wire(1, 1));
        gate.release();
        let next = enter(&gate).unwrap();
        assert!(!is_turn(&gate, next), "the wire counts");
        gate.sync(&wire(1, 0));
        assert!(is_turn(&gate, next));
    }

    /// Q4: one request finds out what the peer allows.
    #[test]
    fn before_settings_few_are_let_in() {
        let gate = Gate::with(None, 1);
        assert_eq!(enter(&gate), None);
        let tickets = [(); 2].map(|()| enter(&gate).unwrap());
        gate.sync(&wire(3, 0));
        assert!(tickets.iter().all(|ticket| is_turn(&gate, *ticket)));
    }

    /// G6: a connection that drains holds nobody, and one that was only silent takes them again.
    #[test]
    fn nobody_waits_for_what_drains() {
        let gate = gate(0);
        let ticket = enter(&gate).unwrap();
        let poll = || gate.poll(ticket, &Context::from_waker(Waker::noop()));
        let at = |state| Wire { state, ..wire(0, 0) };
        gate.sync(&at(State::Silent));
        assert_eq!(poll(), Poll::Ready(Err(Closed(State::Silent))));
        gate.sync(&at(State::Open));
        assert_eq!(enter(&gate), Some(ticket + 1));
        let drain = State::Draining(Drain::Asked);
        gate.sync(&at(drain));
        assert_eq!(gate.enter(Waker::noop()), Err(Closed(drain)));
        assert_eq!(gate.load(), (0, 0));
    }
}
